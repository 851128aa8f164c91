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
TRAINER = "sandbox/guest/trainer"
TRAINER_PROGRAMS = (
    "clipping.py",
    "counting.py",
    "encoding.py",
    "evaluation.py",
    "losses.py",
    "main.py",
    "model.py",
    "noise.py",
    "scoring.py",
    "start.py",
    "tables.py",
    "training.py",
    "units.py",
)
"""Our own trainer, which runs recipes: it needs the image's libraries, and has the same name inside as here."""
TORCH_EXTENSION = {
    f"{EXTENSION}/METADATA": b"Metadata-Version: 2.1\nName: sealroom-guest\nVersion: 1\n",
    f"{EXTENSION}/entry_points.txt": b"[torch.backends]\nsealroom = sealroom_deterministic:ask\n",
}
"""What makes PyTorch call `deterministic.py`; an algorithm's search path has this folder and no other of ours."""


def trainer_start() -> bytes:
    """Return the program that is staged as a recipe's algorithm: it starts the trainer."""
    return (files(__name__) / "trainer" / "start.py").read_bytes()


def guest_files() -> dict[str, bytes]:
    """Return the guest's programs, path below /sealroom to content."""
    here = files(__name__)
    programs = {name: (here / name).read_bytes() for name in GUEST_PROGRAMS}
    deterministic = (here / "deterministic.py").read_bytes()
    trainer = {f"{TRAINER}/{name}": (here / "trainer" / name).read_bytes() for name in TRAINER_PROGRAMS}
    return programs | trainer | TORCH_EXTENSION | {f"{SITE}/sealroom_deterministic.py": deterministic}


def guest_digest() -> str:
    """Return the digest over the guest's programs."""
    return digest_of(canonical_json([[name, digest_of(content)] for name, content in guest_files().items()]))
