"""One entry of a log with its receipt, judged alone: signatures, keys, statement, request, reviews. Pure, and so done in any process.

Each entry is held to the rules of `provider.receipts.rules`, as one receipt is by `receipt verify`. What a receipt says is
handed on for the checks that need other entries, or a chain, only where its signatures hold: a stranger's words are nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provider.audit.anchors import Anchors
from provider.audit.findings import Code, Finding
from provider.receipts.envelope import Envelope, parse_envelope
from provider.receipts.errors import ReceiptError
from provider.receipts.facts import BlockFacts, DatasetFacts, OrderFacts, PrivacyFacts, ReceiptFacts
from provider.receipts.log import entry_bytes
from provider.receipts.request import check_request
from provider.receipts.reviews import check_review_signatures
from provider.receipts.rules import (
    check_p256,
    check_place,
    check_signer,
    check_valid_then,
    find_keys,
    read_statement,
    verdict_of,
)
from provider.receipts.statement import RUN_OUTCOMES, Statement, Subject
from provider.receipts.tree import leaf_hash
from provider.receipts.trust import TrustRoot
from sandbox.spec import ExitReason

_OWED = frozenset(reason.value for reason in ExitReason if reason.ran)


@dataclass(frozen=True, slots=True)
class RawEntry:
    """What a log shows for one index: the entry's bytes and the envelope beside it, nothing believed."""

    index: int
    entry: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What a receipt says, as far as other entries or a chain can contradict it. Times are unix seconds."""

    job_id: str
    consumer: str
    outcome: str
    reason: str | None
    probed: bool
    decided: int
    ended: int
    not_before: BlockFacts
    algorithm: str
    datasets: tuple[DatasetFacts, ...]
    policies: tuple[str, ...]
    orders: tuple[OrderFacts, ...]
    privacy: PrivacyFacts
    subjects: tuple[Subject, ...]

    @property
    def ran(self) -> bool:
        """Whether the algorithm ran to an end of its own and the gate judged what came out."""
        return self.outcome in RUN_OUTCOMES

    @property
    def is_owed(self) -> bool:
        """Whether the run had its fair chance, so that its orders are settled."""
        return self.reason in _OWED

    @property
    def may_be_owed(self) -> bool:
        """Whether it can be: of a run that was cancelled, no receipt says whether its consumer did it, who then pays."""
        return self.is_owed or (self.reason == ExitReason.CANCELLED and self.probed)


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry as it was found: its leaf hash, what is wrong with it, and what it says if that can be believed."""

    index: int
    leaf: bytes
    findings: tuple[Finding, ...]
    facts: EntryFacts | None


def check_entry(raw: RawEntry, trust: TrustRoot, anchors: Anchors) -> CheckedEntry:
    """Judge one entry by the keys that were in force at the first anchor that covers it.

    Not checked here: that the entry stands in the tree whose root was anchored, and anything that needs a second entry.
    """
    leaf = leaf_hash(raw.entry)
    try:
        envelope = parse_envelope(raw.envelope)
    except ReceiptError as exc:
        return CheckedEntry(raw.index, leaf, (_finding(raw, exc),), None)
    unsigned = list(_check_signatures(raw, envelope, trust, anchors))
    if raw.entry != entry_bytes(envelope.pae):
        problem = "the receipt that is shown is not the one in the log"
        unsigned.append(Finding(Code.ENTRY_DIFFERS, problem, raw.index))
    try:
        statement = read_statement(envelope)
    except ReceiptError as exc:
        return CheckedEntry(raw.index, leaf, (*unsigned, _finding(raw, exc)), None)
    refused = list(_check_statement(raw, statement, envelope, trust, anchors))
    job_id = statement.facts.job.id
    findings = tuple(
        Finding(item.code, item.text, raw.index, job_id, item.evidence) for item in (*unsigned, *refused)
    )
    return CheckedEntry(raw.index, leaf, findings, None if findings else _facts_of(statement))


def _check_signatures(
    raw: RawEntry, envelope: Envelope, trust: TrustRoot, anchors: Anchors
) -> Iterator[Finding]:
    """Yield the first thing that is wrong with the signatures."""
    try:
        keys = find_keys(envelope, trust)
        for key in keys.p256:
            check_p256(envelope, key)
        for key in keys.signer:
            check_signer(envelope, key, trust.chain_id)
        anchor = anchors.first_covering(raw.index)
        if anchor is not None:
            check_valid_then("p-256", keys.p256, anchor)
            check_valid_then("secp256k1", keys.signer, anchor)
    except ReceiptError as exc:
        ids = ", ".join(signature.keyid for signature in envelope.signatures)
        yield _finding(raw, exc, keys=ids)


def _check_statement(
    raw: RawEntry, statement: Statement, envelope: Envelope, trust: TrustRoot, anchors: Anchors
) -> Iterator[Finding]:
    try:
        anchor = anchors.first_covering(raw.index)
        check_place(statement, envelope, raw.index, anchor=anchor, trust=trust)
        check_request(statement.facts, trust.chain_id, trust.escrow)
        check_review_signatures(statement.facts, trust.chain_id, trust.escrow)
    except ReceiptError as exc:
        yield _finding(raw, exc)


def _finding(raw: RawEntry, error: ReceiptError, **evidence: str) -> Finding:
    return Finding(Code(verdict_of(error).value), str(error), raw.index, None, evidence)


def _facts_of(statement: Statement) -> EntryFacts:
    facts: ReceiptFacts = statement.facts
    run, sandbox = facts.run, facts.sandbox
    return EntryFacts(
        job_id=facts.job.id,
        consumer=facts.job.consumer,
        outcome=facts.egress.outcome,
        reason=run.reason if run else None,
        probed=sandbox is not None and sandbox.probe is not None and sandbox.probe.passed,
        decided=facts.policy.decided,
        ended=run.finished if run else facts.policy.decided,
        not_before=facts.not_before,
        algorithm=facts.inputs.algorithm,
        datasets=facts.inputs.datasets,
        policies=facts.policy.digests,
        orders=facts.job.orders,
        privacy=facts.privacy,
        subjects=statement.subjects if statement.is_released else (),
    )
