"""Gathers the files of a verification, and the chain when one is named, and hands them to the checklist.

With a trust file and no chain nothing here imports web3. Artefacts are hashed in pieces: memory stays flat.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError
from cli.home import read_file
from provider.receipts.countersigners import (
    Countersigned,
    Requirement,
    require_countersignatures,
    verify_countersignatures,
)
from provider.receipts.envelope import Envelope, parse_receipt
from provider.receipts.errors import MalformedError, StatementRefusedError, Verdict, VerificationError
from provider.receipts.note import Checkpoint, parse_checkpoint, parse_note
from provider.receipts.proof import parse_proof
from provider.receipts.statement import MAX_PAYLOAD_BYTES, Statement, parse_statement
from provider.receipts.trust import MAX_TRUST_BYTES, TrustRoot, parse_trust
from provider.receipts.verify import VerifiedReceipt, verify_receipt

if TYPE_CHECKING:
    from cli.evidence import DeploymentEvidence
    from datatokens.client import ChainClient

MAX_RECEIPT_BYTES = 16 * MAX_PAYLOAD_BYTES
MAX_PROOF_BYTES = 1024 * 1024
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be verified, and by whose word: a trust file, a chain, or both."""

    receipt: Path
    proof: Path
    artifacts: tuple[Path, ...]
    trust: Path | None
    rpc_url: str | None
    deployment: Path
    provider: str | None
    required: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A receipt that was verified, and how each of its countersignatures stands."""

    receipt: VerifiedReceipt
    countersigned: tuple[Countersigned, ...]


def verify_file(question: Question) -> Answer:
    """Verify a receipt file; of its countersignatures, only those that were required decide.

    Raises:
        InputError: a file can't be read, or two artefacts have one name.
        VerificationError: the receipt is not verified; the error names the step.
        ChainUnreachableError, WrongChainError: the chain named is away or is another.
    """
    receipt = read_file(question.receipt, what="receipt", max_bytes=MAX_RECEIPT_BYTES)
    proof = read_file(question.proof, what="proof", max_bytes=MAX_PROOF_BYTES)
    artifacts = hash_artifacts(question.artifacts)
    chain = _connect(question) if question.rpc_url is not None else None
    trust = _load_trust(question, chain, receipt)
    evidence = _evidence(chain)
    verified = verify_receipt(receipt, proof, trust, artifacts, evidence)
    found = verify_countersignatures(verified.envelope, verified.statement, evidence)
    if question.required:
        verified = require_countersignatures(verified, found, question.required)
    return Answer(verified, found)


def read_receipt(path: Path) -> tuple[Envelope, Statement]:
    """Read a receipt and what it says without verifying it.

    Raises:
        InputError: the file can't be read.
        MalformedError, StatementRefusedError: it is not a receipt.
    """
    return parse_claims(read_file(path, what="receipt", max_bytes=MAX_RECEIPT_BYTES))


def find_place(path: Path) -> Checkpoint | None:
    """Return the checkpoint that a proof file leads to, not verified; None when there is no file.

    Raises:
        InputError: the file can't be read.
        MalformedError: it is no proof.
    """
    if not path.exists():
        return None
    proof = parse_proof(read_file(path, what="proof", max_bytes=MAX_PROOF_BYTES))
    return parse_checkpoint(parse_note(proof.note).text)


def parse_claims(receipt: bytes) -> tuple[Envelope, Statement]:
    """Return a receipt's envelope and what it says without verifying it.

    Raises:
        MalformedError, StatementRefusedError: it is not one receipt.
    """
    envelopes = parse_receipt(receipt)
    if len(envelopes) != 1:
        raise MalformedError("receipt", f"holds {len(envelopes)} envelopes: take them one by one")
    return envelopes[0], parse_statement(envelopes[0].payload)


def proof_beside(file: Path) -> Path:
    """Return where the proof of a receipt stands unless it is said otherwise."""
    return file.parent / f"{file.stem}.tlog-proof"


def hash_artifacts(paths: tuple[Path, ...]) -> dict[str, bytes]:
    """Return the SHA-256 of files by their names.

    Raises:
        InputError: a file can't be read, or two have one name.
    """
    digests: dict[str, bytes] = {}
    for path in paths:
        if path.name in digests:
            raise InputError(f"two artefacts are named {path.name!r}: verify them one by one")
        digests[path.name] = _hash_file(path)
    return digests


def _hash_file(path: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as exc:
        raise InputError(f"artefact: {path} can't be read: {exc.strerror}", code="file-unreadable") from exc
    return digest.digest()


def _load_trust(question: Question, chain: ChainClient | None, receipt: bytes) -> TrustRoot:
    if question.trust is not None:
        return parse_trust(read_file(question.trust, what="trust root", max_bytes=MAX_TRUST_BYTES))
    if chain is None:
        raise InputError("say whom to trust: --trust FILE, --rpc URL, or both", code="no-trust-root")
    from cli.trusting import build_trust

    return build_trust(chain, question.provider or _claimed_provider(receipt))


def _claimed_provider(receipt: bytes) -> str:
    """Return whose receipt it says it is; the keys that this account published on chain then judge it."""
    try:
        return parse_claims(receipt)[1].facts.provider.address
    except MalformedError as exc:
        raise VerificationError(Verdict.MALFORMED, "read receipt", str(exc)) from exc
    except StatementRefusedError as exc:
        raise VerificationError(Verdict.STATEMENT_REFUSED, "read statement", str(exc)) from exc


def _connect(question: Question) -> ChainClient:
    from datatokens.client import ChainClient
    from datatokens.model import load_deployment

    chain = ChainClient.connect(question.rpc_url or "", load_deployment(question.deployment))
    chain.check()
    return chain


def _evidence(chain: ChainClient | None) -> DeploymentEvidence | None:
    if chain is None:
        return None
    from cli.evidence import DeploymentEvidence

    return DeploymentEvidence(chain)
