"""Brings a job's results home: decrypts them, verifies the receipt against the chain, and compares every digest with it.

What is written is what was verified; a result that doesn't verify leaves no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.api import MAX_RELEASE_BYTES
from cli.errors import InputError, MismatchError
from cli.evidence import DeploymentEvidence
from cli.home import write_file
from cli.resultkeys import open_key
from cli.submissions import load_sealed_key, load_submission
from cli.trusting import build_trust
from policies.canonical import digest_of, sha256
from provider.receipts.modelsigning import PROOF_FILE, RECEIPT_FILE, SIGNATURE_FILE, verify_weights
from provider.receipts.signatures import p256_keyid
from provider.receipts.trust import TrustRoot
from provider.receipts.verify import VerifiedReceipt, verify_receipt
from provider.release import open_release

if TYPE_CHECKING:
    from cli.context import Session


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written, and the verification that it passed."""

    files: tuple[Path, ...]
    digests: Mapping[str, str]
    receipt: VerifiedReceipt


def fetch_job(session: Session, job_id: str, target: Path) -> Fetched:
    """Download receipt, proof and, if there is one, the release of a job into `target`.

    Raises:
        ApiError: the receipt is not anchored yet, or the job is not for this account.
        VerificationError: the receipt or a released file doesn't verify.
        InputError: this home has no result key for the job, or the password is wrong.
    """
    api = session.get_api()
    receipt, proof = api.get_bytes(f"/v1/jobs/{job_id}/receipt"), api.get_bytes(f"/v1/jobs/{job_id}/proof")
    trust = build_trust(session.get_chain(), session.get_provider())
    evidence = DeploymentEvidence(session.get_chain())
    verified = verify_receipt(receipt, proof, trust, {}, evidence)
    if verified.statement.facts.job.id != job_id:
        raise MismatchError(f"receipt: expected one for job {job_id}, got one for another job")
    released = _get_release(session, job_id) if verified.statement.is_released else {}
    signature = released.pop(SIGNATURE_FILE, None)
    if released:
        digests = {name: sha256(data) for name, data in released.items()}
        verified = verify_receipt(receipt, proof, trust, digests, evidence)
        _check_complete(verified, released)
    files = {**released, RECEIPT_FILE: receipt, PROOF_FILE: proof}
    if signature is not None:
        files[SIGNATURE_FILE] = _check_signature(signature, verified, trust, released)
    paths = tuple(_write(target, name, data) for name, data in files.items())
    return Fetched(paths, {name: digest_of(data) for name, data in released.items()}, verified)


def _get_release(session: Session, job_id: str) -> dict[str, bytes]:
    """Download and decrypt what was released."""
    record = load_submission(session.home, job_id)
    private = open_key(load_sealed_key(session.home, job_id), session.get_password(), job_id)
    path = f"/v1/jobs/{record.job_id}/release"
    ciphertext = session.get_api().get_bytes(path, login=True, max_bytes=MAX_RELEASE_BYTES)
    return open_release(ciphertext, private, job_id)


def _check_signature(
    signature: bytes, verified: VerifiedReceipt, trust: TrustRoot, released: Mapping[str, bytes]
) -> bytes:
    """Return the model signature, once it is known to be of these files, by the key that signed the receipt."""
    keyids = {item.keyid for item in verified.envelope.signatures}
    points = [key.p256 for key in trust.keys if p256_keyid(key.p256) in keyids]
    digests = {name: sha256(data) for name, data in released.items()}
    verify_weights(signature, points, digests, verified.statement.facts.job.id)
    return signature


def _check_complete(verified: VerifiedReceipt, released: Mapping[str, bytes]) -> None:
    """Check that every artefact the receipt names came, and under a plain file name."""
    named = {subject.name for subject in verified.statement.subjects}
    missing = named - released.keys()
    if missing:
        raise MismatchError(f"release: the receipt names {sorted(missing)}, which did not come")


def _write(target: Path, name: str, data: bytes) -> Path:
    if Path(name).name != name or name.startswith("."):
        raise InputError(f"release: {name[:60]!r} is not a plain file name", code="release-name")
    path = target / name
    write_file(path, data, mode=0o644)
    return path
