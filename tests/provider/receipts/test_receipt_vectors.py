"""Every committed vector ends as it says, in our verifier and in the one that was written from the document alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from provider.receipts.errors import MalformedError, VerificationError
from provider.receipts.trust import parse_trust
from provider.receipts.verify import verify_receipt

ROOT = Path(__file__).resolve().parents[3]
VECTORS_FOLDER = ROOT / "docs" / "vectors"
VECTORS = sorted(path for path in VECTORS_FOLDER.iterdir() if path.is_dir())
INDEPENDENT = ROOT / "examples" / "verifier" / "verify_receipt.py"
PACKAGES = ("provider", "policies", "datatokens", "sandbox", "cli", "tests")


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


@pytest.fixture(scope="module")
def independent() -> ModuleType:
    """The verifier written from the document; it is a script and imports nothing of ours."""
    spec = importlib.util.spec_from_file_location("verify_receipt", INDEPENDENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_a_verifier_written_from_the_document_alone_ends_the_same(
    folder: Path, independent: ModuleType
) -> None:
    artefacts = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.glob("artefacts/*")}
    files = [(folder / name).read_bytes() for name in ("receipt.jsonl", "receipt.tlog-proof", "trust.json")]
    try:
        ended = independent.verify(*files, artefacts), ""
    except independent.Wrong as wrong:
        ended = wrong.verdict, wrong.step
    assert ended == expected(folder)


def test_that_verifier_runs_on_its_own_and_imports_nothing_of_ours(tmp_path: Path) -> None:
    released, changed = (VECTORS_FOLDER / name for name in ("released", "artefact-changed"))
    done = [
        subprocess.run(
            [
                sys.executable,
                INDEPENDENT,
                folder / "receipt.jsonl",
                folder / "trust.json",
                *folder.glob("artefacts/*"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for folder in (released, changed)
    ]
    assert (done[0].returncode, done[0].stdout) == (0, "verified\n")
    assert (done[1].returncode, done[1].stderr.split()[0]) == (1, "artefact-digest-differs")
    source = INDEPENDENT.read_text(encoding="utf-8")
    assert not any(f"{word} {package}" in source for word in ("import", "from") for package in PACKAGES)
