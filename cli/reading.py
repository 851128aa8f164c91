"""Puts what a receipt says into words for a person: who, which data, what for, how sealed, what left and why not.

Verifies nothing: `receipt verify` tells whether it is true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.amounts import format_amount
from cli.countersignatures import countersigned_words
from cli.output import plain
from cli.times import format_time
from policies.canonical import canonical_json, digest_text
from policies.decide import Verdict
from policies.explanation import LOGS
from policies.purposes import describe_purpose
from provider.jobs.codes import REASONS
from provider.receipts.countersigners import Countersigned
from provider.receipts.facts import OutputFacts, ReceiptFacts, RunFacts, SandboxFacts
from provider.receipts.note import Checkpoint
from provider.receipts.reviews import RELEASED
from provider.receipts.statement import Statement

Line = tuple[str, str]
MIB = 1024**2
NOTHING = "nothing: the job didn't come as far"


def describe_receipt(
    statement: Statement, place: Checkpoint | None, countersigned: Sequence[Countersigned]
) -> str:
    """Return what a receipt says, a fact a line; `place` is the checkpoint that the proof beside it leads to."""
    facts = statement.facts
    lines = [
        *_who(facts),
        *_what(facts),
        *_order(facts),
        *_decision(facts),
        *_seal(facts.sandbox),
        *_run(facts.run),
        *_outcome(facts),
        *_privacy(facts),
        *_log(facts, place),
    ]
    return "\n".join([_lay_out(lines), *(countersigned_words(item) for item in countersigned)])


def _who(facts: ReceiptFacts) -> Iterator[Line]:
    job = facts.job
    yield "job", f"{job.id}, attempt {job.attempt}"
    yield "for", f"{job.consumer}, who signed the request"
    yield "by", f"provider {facts.provider.address} with software {facts.provider.software}"
    purpose = str(job.request.get("purpose"))
    yield "purpose", f"{purpose}: {describe_purpose(purpose)}"


def _what(facts: ReceiptFacts) -> Iterator[Line]:
    inputs = facts.inputs
    for item in inputs.datasets:
        yield "data", f"dataset {item.asset_id}, number {item.token_id} of its registry"
        yield "", f"content {item.commitment} ({item.scheme})"
    yield "algorithm", inputs.algorithm
    yield "image", inputs.image or "none: the algorithm couldn't be had"
    yield "parameters", canonical_json(inputs.parameters).decode()


def _order(facts: ReceiptFacts) -> Iterator[Line]:
    for item in facts.job.orders:
        # A receipt doesn't name the token's decimals; most tokens have 18.
        amount = f"{item.amount_wei} units ({format_amount(item.amount_wei)} of a token with 18 decimals)"
        yield "paid", f"{amount} for dataset number {item.token_id}"
        yield "", f"order in transaction {item.tx_hash}, log {item.log_index}, on chain {item.chain_id}"
    if not facts.job.orders:
        yield "paid", "nothing: the job was never ordered"


def _decision(facts: ReceiptFacts) -> Iterator[Line]:
    policy = facts.policy
    made = f"by {policy.engine} at {format_time(policy.decided)}"
    yield "decision", f"{policy.decision} {made}, rules judged: {len(policy.rules)}"
    for rule in policy.rules:
        if rule.verdict != Verdict.ALLOW:
            yield "", f"rule {rule.name}: {rule.verdict}, {rule.detail} (dataset {rule.asset_id})"
    for digest in policy.digests:
        yield "policy", digest
    for wanted in policy.reviews:
        when = "every release" if wanted.when == "always" else "a release of which a test did not pass"
        yield (
            "reviewers",
            f"{wanted.needed} of {', '.join(wanted.reviewers)} look at {when}, never the consumer",
        )
    for demand in policy.witnesses:
        yield "witnesses", f"{demand.threshold} of {', '.join(demand.keys)} must have cosigned the log"


def _seal(sandbox: SandboxFacts | None) -> Iterator[Line]:
    if sandbox is None:
        yield "seal", NOTHING
        return
    yield "seal", f"{sandbox.runtime}, options {sandbox.profile}"
    yield "limits", ", ".join(f"{name} {value}" for name, value in sorted(sandbox.limits.items()))
    fixed = sandbox.determinism
    asked = "asked for" if fixed.deterministic_algorithms else "not asked for"
    yield (
        "repeatable",
        f"threads {fixed.threads}, hash seed {fixed.hash_seed}, deterministic algorithms {asked}",
    )
    yield "", f"on a processor {fixed.processor}; see `sealroom audit replay`"
    probe = sandbox.probe
    if probe is None:
        yield "probe", "none: the container ended before it"
    else:
        found = "sealed as it must be" if probe.passed else "NOT sealed as it must be"
        yield "probe", f"{found}: {probe.rows} things looked at, {probe.digest}"


def _run(run: RunFacts | None) -> Iterator[Line]:
    if run is None:
        yield "run", NOTHING
        return
    yield "run", f"{run.finished - run.started} s from {format_time(run.started)}: {run.reason}"
    memory, written = _size(run.peak_memory_bytes), _size(run.bytes_written)
    yield "", f"{run.cpu_s} s of cpu, {memory} of memory at most, {written} written"
    yield "logs", LOGS.get(run.logs, run.logs)


def _outcome(facts: ReceiptFacts) -> Iterator[Line]:
    egress = facts.egress
    failed = [check.name for check in egress.checks if not check.ok]
    told = f"checks told: {len(egress.checks)}"
    yield "outcome", f"{egress.outcome}: {egress.verdict} by {egress.gate}, {told}"
    if egress.verdict != RELEASED:
        yield "left", "nothing"
        yield "why", _reason(facts)
    for name in failed:
        yield "", f"failed check: {name}"
    for one in egress.review.decisions if egress.review else ():
        yield "reviewed", f"{one.reviewer} said {one.decision} at about {format_time(one.decided)}"
    for item in facts.outputs:
        yield "left" if item.released else "stayed", _output(item)


def _reason(facts: ReceiptFacts) -> str:
    """Say why nothing left, in the words of the reason that the receipt names; a rule's own stand with the decision."""
    egress = facts.egress
    if egress.rule in REASONS and "{" not in REASONS[egress.rule].message:
        return REASONS[egress.rule].message
    return f"{egress.outcome} by rule {egress.rule}"


def _output(item: OutputFacts) -> str:
    if not item.released:
        return f"{item.name} (a blinded digest stands in the receipt)"
    return f"{item.name}, {_size(item.size_bytes)}, {item.released_digest}"


def _privacy(facts: ReceiptFacts) -> Iterator[Line]:
    privacy = facts.privacy
    yield "information", f"at most {privacy.information_bits} bits left"
    if privacy.epsilon is None:
        yield "privacy", f"{privacy.mechanism}: what leaves is bounded, no privacy budget was spent"
        return
    spent = f"epsilon {privacy.epsilon}, delta {privacy.delta}"
    yield "privacy", f"{privacy.mechanism}: {spent}, by {privacy.accountant}"
    yield "budget", f"{privacy.ledger_before} before, {privacy.ledger_after} after, of {privacy.ledger_cap}"


def _log(facts: ReceiptFacts, place: Checkpoint | None) -> Iterator[Line]:
    yield "made after", f"block {facts.not_before.number}, {facts.not_before.hash}"
    yield "log", f"entry {facts.log.index} of {facts.log.origin}"
    if place is None:
        yield "proof", "none beside it"
    else:
        yield "proof", f"leads to the log at size {place.size}, root {digest_text(place.root)}"
        yield "", "`sealroom receipt verify` tells whether the chain has that root"


def _size(size_bytes: int) -> str:
    return f"{size_bytes // MIB} MiB" if size_bytes and size_bytes % MIB == 0 else f"{size_bytes} bytes"


def _lay_out(lines: Sequence[Line]) -> str:
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label.ljust(width)}  {plain(text)}" for label, text in lines)
