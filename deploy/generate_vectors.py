"""Writes docs/vectors: receipts, each with the verdict that every verifier must give. The same bytes every time."""

from __future__ import annotations

from pathlib import Path

import vectors_refused
import vectors_untrue
import vectors_verified

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "docs/vectors"


def write_vectors() -> dict[str, bytes]:
    """Return every file by its path from the root.

    Raises:
        ValueError: two cases have one name.
    """
    vectors = [*vectors_verified.cases(), *vectors_refused.cases(), *vectors_untrue.cases()]
    if len({vector.name for vector in vectors}) != len(vectors):
        raise ValueError("two vectors have one name")
    return {f"{FOLDER}/{path}": data for vector in vectors for path, data in vector.files()}


def list_leftovers(wanted: dict[str, bytes]) -> list[str]:
    """Return the files that stand there and that nothing makes."""
    found = (str(path.relative_to(ROOT)) for path in (ROOT / FOLDER).rglob("*") if path.is_file())
    return sorted(set(found) - set(wanted))
