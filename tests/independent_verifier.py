"""The verifier that was written from docs/receipt-format.md alone, and ours, asked the same: how does this end, and where?"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from provider.receipts.errors import MalformedError, VerificationError
from provider.receipts.trust import parse_trust
from provider.receipts.verify import verify_receipt

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "examples" / "verifier" / "verify_receipt.py"
Ending = tuple[str, str]
"""The verdict, and the step that it fell at; empty for the verdict `verified`."""


@dataclass(frozen=True, slots=True)
class Files:
    """What a verifier is given; artefacts as SHA-256 digests by name."""

    receipt: bytes
    proof: bytes
    trust: bytes
    artefacts: Mapping[str, bytes]


def load_script() -> ModuleType:
    """Return the script as a module; it imports nothing of ours."""
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no {SCRIPT}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INDEPENDENT = load_script()


def end_of_ours(files: Files) -> Ending:
    """Return how our own verifier ends."""
    try:
        trust = parse_trust(files.trust)
    except MalformedError as exc:
        return exc.code, "read trust root"
    try:
        return verify_receipt(files.receipt, files.proof, trust, files.artefacts).verdict.value, ""
    except VerificationError as exc:
        return exc.verdict.value, exc.step


def end_of_theirs(files: Files) -> Ending:
    """Return how the other one ends."""
    try:
        return INDEPENDENT.verify(files.receipt, files.proof, files.trust, files.artefacts), ""
    except INDEPENDENT.Wrong as wrong:
        return wrong.verdict, wrong.step
