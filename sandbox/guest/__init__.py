"""The programs that run inside the container, as PID 1. Standard library only; the host reads them as bytes.

Nothing on the host imports them: they are staged beside the inputs and their digest is part of the seal.
"""

from __future__ import annotations

from importlib.resources import files

from policies.canonical import canonical_json, digest_of

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


def guest_files() -> dict[str, bytes]:
    """Return the guest's programs, file name to content."""
    here = files(__name__)
    return {name: (here / name).read_bytes() for name in GUEST_PROGRAMS}


def guest_digest() -> str:
    """Return the digest over the guest's programs."""
    return digest_of(canonical_json([[name, digest_of(content)] for name, content in guest_files().items()]))
