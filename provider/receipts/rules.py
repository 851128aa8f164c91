"""The rules that a receipt is held to, one function each: for one receipt with its proof, and for each entry of a log.

Each returns or raises with the verdict. Nothing here decides in which order they are asked: the checklist of `verify` does,
and so does the audit of a whole log. Not checked here: inclusion and anchors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provider.receipts.envelope import PAYLOAD_TYPE, Envelope
from provider.receipts.errors import (
    EvidenceUnavailableError,
    MalformedError,
    ProofInvalidError,
    ReceiptError,
    StatementRefusedError,
    Verdict,
    VerificationError,
)
from provider.receipts.note import Checkpoint, parse_note, verify_checkpoint
from provider.receipts.signatures import (
    checksum_address,
    find_recovered_address,
    is_p256_signature,
    note_keyid,
    p256_keyid,
    signer_keyid,
)
from provider.receipts.statement import Statement, parse_statement
from provider.receipts.trust import Anchor, TrustedKey, TrustRoot, find_fault

VERDICTS: dict[type[ReceiptError], Verdict] = {
    MalformedError: Verdict.MALFORMED,
    StatementRefusedError: Verdict.STATEMENT_REFUSED,
    ProofInvalidError: Verdict.NOT_INCLUDED,
    EvidenceUnavailableError: Verdict.CHAIN_UNREACHABLE,
}
"""What an error says of the receipt that it was raised about."""


class RefusedError(ReceiptError):
    """A rule says no, with the verdict that this is."""

    def __init__(self, verdict: Verdict, detail: str) -> None:
        self.verdict = verdict
        self.code = verdict.value
        super().__init__(detail)


def verdict_of(error: ReceiptError) -> Verdict:
    """Return what an error of a rule says of the receipt."""
    if isinstance(error, (RefusedError, VerificationError)):
        return error.verdict
    return next((VERDICTS[kind] for kind in type(error).__mro__ if kind in VERDICTS), Verdict.MALFORMED)


@dataclass(frozen=True, slots=True)
class EnvelopeKeys:
    """The trusted key sets whose P-256 key, and those whose signer key, stands in the envelope."""

    p256: tuple[TrustedKey, ...]
    signer: tuple[TrustedKey, ...]


def find_keys(envelope: Envelope, trust: TrustRoot) -> EnvelopeKeys:
    """Return the published keys that the envelope names; there has to be one of each kind.

    Raises:
        RefusedError: `unknown-key`.
    """
    used = {signature.keyid for signature in envelope.signatures}
    p256 = tuple(key for key in trust.keys if _find_p256_keyid(key) in used)
    signer = tuple(key for key in trust.keys if signer_keyid(trust.chain_id, key.signer) in used)
    for kind, found in (("p-256", p256), ("secp256k1", signer)):
        if not found:
            raise RefusedError(
                Verdict.UNKNOWN_KEY, f"no {kind} signature is by a key that {trust.provider} published"
            )
    return EnvelopeKeys(p256, signer)


def check_p256(envelope: Envelope, key: TrustedKey) -> None:
    """Check the key's P-256 signature over the envelope.

    Raises:
        RefusedError: `bad-signature`.
    """
    signature = envelope.find_signature(p256_keyid(key.p256))
    if signature is None or not is_p256_signature(key.p256, signature, envelope.pae):
        raise RefusedError(Verdict.BAD_SIGNATURE, "the p-256 signature is not over this statement")


def check_signer(envelope: Envelope, key: TrustedKey, chain_id: int) -> None:
    """Check the key's secp256k1 signature over the envelope.

    Raises:
        RefusedError: `bad-signature`.
    """
    signature = envelope.find_signature(signer_keyid(chain_id, key.signer))
    recovered = find_recovered_address(signature, envelope.pae) if signature is not None else None
    if recovered != checksum_address(key.signer):
        raise RefusedError(Verdict.BAD_SIGNATURE, "the secp256k1 signature is not over this statement")


def check_valid_then(name: str, sets: Sequence[TrustedKey], anchor: Anchor) -> None:
    """Check that a key, which stands in these sets, counts at an anchor; see `find_fault`.

    Raises:
        RefusedError: `key-not-valid-then`.
    """
    fault = find_fault(sets, anchor)
    if fault is not None:
        raise RefusedError(
            Verdict.KEY_NOT_VALID_THEN,
            f"anchored in block {anchor.block} at unix time {anchor.time}, and the {name} key {fault}",
        )


def verify_log_checkpoint(note: str, trust: TrustRoot) -> tuple[Checkpoint, tuple[TrustedKey, ...]]:
    """Return a checkpoint that published keys of this log signed, and those keys.

    Raises:
        RefusedError, VerificationError: `unknown-key`, `bad-signature`.
        MalformedError: it is none.
    """
    used = {(signature.name, signature.keyid) for signature in parse_note(note).signatures}
    keys = tuple(key for key in trust.keys if (trust.origin, note_keyid(trust.origin, key.ed25519)) in used)
    if not keys:
        raise RefusedError(
            Verdict.UNKNOWN_KEY,
            f"no key that {trust.provider} published for {trust.origin} signed this checkpoint",
        )
    checkpoint, *_ = [verify_checkpoint(note, trust.origin, key.ed25519) for key in keys]
    return checkpoint, keys


def read_statement(envelope: Envelope) -> Statement:
    """Read the statement from the bytes that were signed.

    Raises:
        MalformedError, StatementRefusedError: it is none, or no honest one.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise StatementRefusedError("payloadType", f"expected {PAYLOAD_TYPE}")
    return parse_statement(envelope.payload)


def check_place(
    statement: Statement, envelope: Envelope, index: int, *, anchor: Anchor | None, trust: TrustRoot
) -> None:
    """Check that a statement is of this log and this index, and not from after its anchor, where there is one yet.

    Raises:
        StatementRefusedError: it isn't.
    """
    facts = statement.facts
    checks = (
        ("log.origin", facts.log.origin == trust.origin),
        ("log.index", facts.log.index == index),
        ("provider.address", facts.provider.address.lower() == trust.provider.lower()),
        ("provider.keyids", set(facts.provider.keyids) <= {item.keyid for item in envelope.signatures}),
        ("notBefore.number", anchor is None or facts.not_before.number <= anchor.block),
        ("job.orders.chainId", all(order.chain_id == trust.chain_id for order in facts.job.orders)),
    )
    for path, holds in checks:
        if not holds:
            raise StatementRefusedError(f"predicate.{path}", "is not that of the log entry it stands in")


def _find_p256_keyid(key: TrustedKey) -> str | None:
    """Return the key's id; None for a point off the curve, which signed nothing and must not stop the other keys."""
    try:
        return p256_keyid(key.p256)
    except MalformedError:
        return None
