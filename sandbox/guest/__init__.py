"""The programs that run inside the container, as PID 1. Standard library only; the host reads them as bytes.

Nothing on the host imports them: they are staged beside the inputs and their digest is part of the seal.
"""

from __future__ import annotations

from importlib.resources import files

from policies.canonical import canonical_json, digest_of

SITE = "site"
EXTENSION = f"{SITE}/sealroom_guest-1.dist-info"
GUEST_PROGRAMS = (
    "children.py",
    "init.py",
    "outputs.py",
    "places.py",
    "probe.py",
    "refusals.py",
    "stream.py",
    "warm.py",
)
TORCH_EXTENSION = {
    f"{EXTENSION}/METADATA": b"Metadata-Version: 2.1\nName: sealroom-guest\nVersion: 1\n",
    f"{EXTENSION}/entry_points.txt": b"[torch.backends]\nsealroom = sealroom_deterministic:ask\n",
}
"""What makes PyTorch call `deterministic.py`; an algorithm's search path has this folder and no other of ours."""


def guest_files() -> dict[str, bytes]:
    """Return the guest's programs, path below /sealroom to content."""
    here = files(__name__)
    programs = {name: (here / name).read_bytes() for name in GUEST_PROGRAMS}
    deterministic = (here / "deterministic.py").read_bytes()
    return programs | TORCH_EXTENSION | {f"{SITE}/sealroom_deterministic.py": deterministic}


def guest_digest() -> str:
    """Return the digest over the guest's programs."""
    return digest_of(canonical_json([[name, digest_of(content)] for name, content in guest_files().items()]))
