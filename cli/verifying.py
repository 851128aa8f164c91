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
from provider.receipts.envelope import parse_receipt
from provider.receipts.errors import MalformedError, StatementRefusedError, Verdict, VerificationError
from provider.receipts.statement import MAX_PAYLOAD_BYTES, Statement, parse_statement
from provider.receipts.trust import MAX_TRUST_BYTES, TrustRoot, parse_trust
from provider.receipts.verify import ChainEvidence, VerifiedReceipt, verify_receipt

if TYPE_CHECKING:
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


def verify_file(question: Question) -> VerifiedReceipt:
    """Verify a receipt file.

    Raises:
        InputError: a file can't be read, or two artefacts have one name.
        VerificationError: the receipt is not verified; the error names the step.
        ChainUnreachableError, WrongChainError: the chain named is away or is another.
    """
    receipt = read_file(question.receipt, what="receipt", max_bytes=MAX_RECEIPT_BYTES)
    proof = read_file(question.proof, what="proof", max_bytes=MAX_PROOF_BYTES)
    artifacts = _hash_artifacts(question.artifacts)
    chain = _connect(question) if question.rpc_url is not None else None
    trust = _load_trust(question, chain, receipt)
    return verify_receipt(receipt, proof, trust, artifacts, _evidence(chain))


def read_statement(path: Path) -> Statement:
    """Read what a receipt says without verifying it.

    Raises:
        InputError: the file can't be read.
        MalformedError, StatementRefusedError: it is not a receipt.
    """
    return parse_claims(read_file(path, what="receipt", max_bytes=MAX_RECEIPT_BYTES))


def parse_claims(receipt: bytes) -> Statement:
    """Return what a receipt says without verifying it.

    Raises:
        MalformedError, StatementRefusedError: it is not a receipt.
    """
    return parse_statement(parse_receipt(receipt)[0].payload)


def _hash_artifacts(paths: tuple[Path, ...]) -> dict[str, bytes]:
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
        return parse_claims(receipt).facts.provider.address
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


def _evidence(chain: ChainClient | None) -> ChainEvidence | None:
    if chain is None:
        return None
    from cli.evidence import DeploymentEvidence

    return DeploymentEvidence(chain)
