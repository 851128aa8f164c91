"""Verifies one receipt: a numbered checklist over bytes, ending in the one verdict VERIFIED or in a VerificationError.

- The bytes are verified before they are parsed, and what is judged is parsed from those bytes.
- Both receipt signatures are needed. A key that isn't known is an unknown key, never a bad signature.
- The root must be anchored; keys are judged at the anchor's block. What can't be checked is a failure, never a pass.
- No network and no files here. Not checked: that the trust root is true; that the run went as the provider says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol

from provider.receipts.checklist import Step
from provider.receipts.cosignature import WITNESS_STEP, find_shortfall
from provider.receipts.envelope import Envelope, parse_receipt
from provider.receipts.errors import MalformedError, ReceiptError, Verdict, VerificationError
from provider.receipts.log import entry_bytes
from provider.receipts.note import CHECKPOINT_STEP, Checkpoint
from provider.receipts.proof import LogProof, parse_proof
from provider.receipts.request import check_request
from provider.receipts.reviews import REVIEW_STEP, check_review_signatures
from provider.receipts.rules import (
    VERDICTS,
    EnvelopeKeys,
    RefusedError,
    check_p256,
    check_place,
    check_signer,
    check_valid_then,
    find_keys,
    read_statement,
    verify_log_checkpoint,
)
from provider.receipts.signatures import p256_keyid, signer_keyid
from provider.receipts.statement import RUN_OUTCOMES, Statement
from provider.receipts.tree import leaf_hash, verify_inclusion
from provider.receipts.trust import Anchor, TrustRoot

PASSED = "passed"
FAILED = "failed"
SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A receipt that passed, what it says, and how that was found out."""

    statement: Statement
    envelope: Envelope
    checkpoint: Checkpoint
    anchor: Anchor
    steps: tuple[Step, ...]
    verdict: Verdict = Verdict.VERIFIED


class ChainEvidence(Protocol):
    """What a chain can say about a statement. Read-only; each method may be asked again.

    Both raise EvidenceUnavailableError when the chain doesn't answer.
    """

    def orders_match(self, statement: Statement) -> bool:
        """Tell whether each order named stands on chain, for this job id, consumer, provider, datatoken and amount."""
        ...

    def approvals_match(self, statement: Statement) -> bool:
        """Tell whether the algorithm was approved for each dataset when the policy was decided."""
        ...


def verify_receipt(
    receipt: bytes,
    proof: bytes,
    trust: TrustRoot,
    artifacts: Mapping[str, bytes],
    chain_check: ChainEvidence | None = None,
) -> VerifiedReceipt:
    """Verify a receipt file with its proof file under a trust root.

    `artifacts` maps a file's name to its 32-byte SHA-256. Each must be a subject of the statement; a name that the
    statement knows must have that subject's digest. Without `chain_check` the order and the approvals are not checked.

    Raises:
        VerificationError: with the verdict, the name of the first step that failed, and all steps done.
    """
    checklist = _Checklist()
    with checklist.step("read receipt") as line:
        envelope = _read_receipt(receipt)
        line.detail = f"one envelope, {len(envelope.payload)} bytes of statement"
    with checklist.step("read proof") as line:
        log_proof = parse_proof(proof)
        line.detail = f"entry {log_proof.index}, {len(log_proof.hashes)} hashes"
    keys = _verify_signatures(checklist, envelope, trust)
    checkpoint, anchor = _verify_logged(checklist, envelope, log_proof, keys, trust)
    statement = _verify_statement(checklist, envelope, log_proof, anchor, trust)
    with checklist.step(REVIEW_STEP) as line:
        _check_reviews(line, statement, trust)
    with checklist.step(WITNESS_STEP) as line:
        _check_witnesses(line, statement, log_proof)
    with checklist.step("artefact digests") as line:
        _check_artifacts(line, statement, artifacts)
    with checklist.step("order and approval") as line:
        _check_chain(line, statement, chain_check)
    return VerifiedReceipt(statement, envelope, checkpoint, anchor, tuple(checklist.steps))


@dataclass(slots=True)
class _Line:
    result: str = PASSED
    detail: str = ""


class _Checklist:
    """Keeps the lines, and turns the first refusal into the verification's end."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[_Line]:
        line, number = _Line(), len(self.steps) + 1
        try:
            yield line
        except VerificationError as exc:
            self._fail(number, name, exc.verdict, exc.detail, exc)
        except RefusedError as exc:
            self._fail(number, name, exc.verdict, str(exc), exc)
        except tuple(VERDICTS) as exc:
            self._fail(number, name, VERDICTS[type(exc)], str(exc), exc)
        self.steps.append(Step(number, name, line.result, line.detail))

    def _fail(self, number: int, name: str, verdict: Verdict, detail: str, cause: ReceiptError) -> NoReturn:
        self.steps.append(Step(number, name, FAILED, detail))
        raise VerificationError(verdict, name, detail, tuple(self.steps)) from cause


def _verify_signatures(checklist: _Checklist, envelope: Envelope, trust: TrustRoot) -> EnvelopeKeys:
    with checklist.step("know the keys") as line:
        keys = find_keys(envelope, trust)
        line.detail = f"{len(trust.keys)} key sets published by {trust.provider}"
    with checklist.step("p-256 signature") as line:
        for key in keys.p256:
            check_p256(envelope, key)
        line.detail = p256_keyid(keys.p256[0].p256)
    with checklist.step("secp256k1 signature") as line:
        for key in keys.signer:
            check_signer(envelope, key, trust.chain_id)
        line.detail = signer_keyid(trust.chain_id, keys.signer[0].signer)
    return keys


def _verify_logged(
    checklist: _Checklist, envelope: Envelope, proof: LogProof, keys: EnvelopeKeys, trust: TrustRoot
) -> tuple[Checkpoint, Anchor]:
    with checklist.step(CHECKPOINT_STEP) as line:
        checkpoint, log_keys = verify_log_checkpoint(proof.note, trust)
        line.detail = f"{checkpoint.origin} at size {checkpoint.size}"
    with checklist.step("entry included") as line:
        leaf = leaf_hash(entry_bytes(envelope.pae))
        verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
        line.detail = f"entry {proof.index} of {checkpoint.size}"
    with checklist.step("root anchored") as line:
        anchor = _get_anchor(checkpoint, trust)
        line.detail = f"block {anchor.block}, transaction {anchor.tx}"
    with checklist.step("keys valid then") as line:
        for name, sets in (("p-256", keys.p256), ("secp256k1", keys.signer), ("checkpoint", log_keys)):
            check_valid_then(name, sets, anchor)
        line.detail = f"at block {anchor.block}, unix time {anchor.time}"
    return checkpoint, anchor


def _verify_statement(
    checklist: _Checklist, envelope: Envelope, proof: LogProof, anchor: Anchor, trust: TrustRoot
) -> Statement:
    with checklist.step("read statement") as line:
        statement = read_statement(envelope)
        egress = statement.facts.egress
        line.detail = f"{egress.verdict}, outcome {egress.outcome}"
    with checklist.step("statement is of this log") as line:
        check_place(statement, envelope, proof.index, anchor=anchor, trust=trust)
        line.detail = f"after block {statement.facts.not_before.number}, before block {anchor.block + 1}"
    with checklist.step("request signed by the consumer") as line:
        check_request(statement.facts, trust.chain_id, trust.escrow)
        line.detail = f"job {statement.facts.job.id} by {statement.facts.job.consumer}"
    return statement


def _read_receipt(data: bytes) -> Envelope:
    envelopes = parse_receipt(data)
    if len(envelopes) != 1:
        raise MalformedError(
            "receipt", f"holds {len(envelopes)} envelopes, and a proof is for one: verify them one by one"
        )
    return envelopes[0]


def _get_anchor(checkpoint: Checkpoint, trust: TrustRoot) -> Anchor:
    anchor = trust.find_anchor(checkpoint.size, checkpoint.root)
    if anchor is None:
        raise RefusedError(
            Verdict.ROOT_NOT_ANCHORED,
            f"no anchor with this root for size {checkpoint.size}: get a newer trust root, or ask the chain",
        )
    if trust.is_closed_at(anchor):
        raise RefusedError(
            Verdict.ROOT_NOT_ANCHORED,
            f"anchored in block {anchor.block}, when the log had been closed for good at unix time {trust.closed}",
        )
    return anchor


def _check_reviews(line: _Line, statement: Statement, trust: TrustRoot) -> None:
    review = statement.facts.egress.review
    if review is None:
        line.result, line.detail = SKIPPED, "nobody decided on this"
        return
    check_review_signatures(statement.facts, trust.chain_id, trust.escrow)
    line.detail = ", ".join(f"{item.decision} by {item.reviewer}" for item in review.decisions)


def _check_witnesses(line: _Line, statement: Statement, proof: LogProof) -> None:
    if not statement.witnesses:
        line.result, line.detail = SKIPPED, "none is demanded for this"
        return
    shortfall = find_shortfall(proof.note, statement.witnesses)
    if shortfall:
        raise RefusedError(Verdict.NOT_WITNESSED, f"{shortfall}: get the proof again when more have cosigned")
    line.detail = f"{len(statement.witnesses)} demands met on this checkpoint"


def _check_artifacts(line: _Line, statement: Statement, artifacts: Mapping[str, bytes]) -> None:
    if not artifacts:
        line.result, line.detail = SKIPPED, "no artefact was given"
        return
    if not statement.is_released:
        raise RefusedError(Verdict.ARTEFACT_DIGEST_DIFFERS, "an artefact was given, but nothing was released")
    named = {subject.name: subject.sha256 for subject in statement.subjects}
    for label, digest in artifacts.items():
        expected = named.get(label.rsplit("/", 1)[-1])
        if digest.hex() not in ({expected} if expected else set(named.values())):
            raise RefusedError(
                Verdict.ARTEFACT_DIGEST_DIFFERS, f"{label.rsplit('/', 1)[-1]} is not what was released"
            )
    line.detail = f"{len(artifacts)} given, {len(named)} released"


def _check_chain(line: _Line, statement: Statement, chain: ChainEvidence | None) -> None:
    job, outcome = statement.facts.job, statement.facts.egress.outcome
    if chain is None:
        line.result, line.detail = SKIPPED, "no chain was asked"
        return
    if outcome in RUN_OUTCOMES and not job.orders:
        raise RefusedError(Verdict.ORDER_OR_APPROVAL_MISMATCH, "the job ran without an order")
    if job.orders and not chain.orders_match(statement):
        raise RefusedError(Verdict.ORDER_OR_APPROVAL_MISMATCH, "an order named is not on chain for this job")
    if outcome in RUN_OUTCOMES and not chain.approvals_match(statement):
        raise RefusedError(
            Verdict.ORDER_OR_APPROVAL_MISMATCH, "the algorithm was not approved when the job was decided"
        )
    line.detail = "as the chain has them" if job.orders else f"none needed: {outcome} without an order"
