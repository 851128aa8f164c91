"""Every committed vector ends as it says, in our verifier and in the one that was written from the document alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.independent_verifier import ROOT, SCRIPT, Ending, Files, end_of_ours, end_of_theirs

FOLDER = ROOT / "docs" / "vectors"
VECTORS = sorted(path for path in FOLDER.iterdir() if path.is_dir())
PACKAGES = ("provider", "policies", "datatokens", "sandbox", "cli", "tests")


def read_vector(folder: Path) -> tuple[Files, Ending]:
    """Return a vector's files, and how they must end."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    artefacts = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.glob("artefacts/*")}
    receipt, proof, trust = (
        (folder / name).read_bytes() for name in ("receipt.jsonl", "receipt.tlog-proof", "trust.json")
    )
    return Files(receipt, proof, trust, artefacts), (expected["verdict"], expected["step"])


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_every_vector_ends_as_it_says(folder: Path) -> None:
    files, expected = read_vector(folder)
    assert end_of_ours(files) == expected


@pytest.mark.parametrize("folder", VECTORS, ids=lambda folder: folder.name)
def test_a_verifier_written_from_the_document_alone_ends_the_same(folder: Path) -> None:
    files, expected = read_vector(folder)
    assert end_of_theirs(files) == expected


def test_that_verifier_runs_on_its_own_and_imports_nothing_of_ours(tmp_path: Path) -> None:
    done = [
        subprocess.run(
            [
                sys.executable,
                SCRIPT,
                folder / "receipt.jsonl",
                folder / "trust.json",
                *folder.glob("artefacts/*"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for folder in (FOLDER / "released", FOLDER / "artefact-changed")
    ]
    assert (done[0].returncode, done[0].stdout) == (0, "verified\n")
    assert (done[1].returncode, done[1].stderr.split()[0]) == (1, "artefact-digest-differs")
    source = SCRIPT.read_text(encoding="utf-8")
    assert not any(f"{word} {package}" in source for word in ("import", "from") for package in PACKAGES)
