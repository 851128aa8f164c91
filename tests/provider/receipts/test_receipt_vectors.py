"""Every committed vector ends as it says, in our verifier and in the one that was written from the document alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from provider.receipts.errors import MalformedError, VerificationError
from provider.receipts.trust import parse_trust
from provider.receipts.verify import verify_receipt

ROOT = Path(__file__).resolve().parents[3]
VECTORS = sorted(path for path in (ROOT / "docs" / "vectors").iterdir() if path.is_dir())


def expected(folder: Path) -> tuple[str, str]:
    document = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return document["verdict"], document["step"]


def found(folder: Path) -> tuple[str, str]:
    """Return how our own verifier ends."""
    artefacts = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.glob("artefacts/*")}
    receipt, proof = (folder / "receipt.jsonl").read_bytes(), (folder / "receipt.tlog-proof").read_bytes()
    try:
        trust = parse_trust((folder / "trust.json").read_bytes())
    except MalformedError as exc:
        return exc.code, "read trust root"
    try:
        return verify_receipt(receipt, proof, trust, artefacts).verdict.value, ""
    except VerificationError as exc:
        return exc.verdict.value, exc.step


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_every_vector_ends_as_it_says(folder: Path) -> None:
    assert found(folder) == expected(folder)
