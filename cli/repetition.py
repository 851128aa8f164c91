"""What came of running a job again: the verdict, both endings, every file that left, and what may decide the last digits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from cli.errors import InputError
from policies.egress import GATE
from policies.privacy import PRIVACY_TESTS
from provider.gate.report import GateReport, GateVerdict, ReleasedFile
from provider.receipts.facts import ReceiptFacts, RunFacts, SandboxFacts
from sandbox.spec import PROVIDERS_FAULT, RunReport

RELEASED, WITHHELD, FAILED = "released", "withheld", "failed"


class Verdict(StrEnum):
    """What a replay shows."""

    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    ENDED_OTHERWISE = "ended-otherwise"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: its outcome, the run's reason, and the rule that withheld."""

    outcome: str
    reason: str
    rule: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What may decide the last digits: as the receipt states it, and as it is here."""

    name: str
    receipt: str
    here: str


@dataclass(frozen=True, slots=True)
class RepeatedFile:
    """One file that left: its digest in the receipt, and the file here; None where there is none."""

    name: str
    receipt: str | None
    file: ReleasedFile | None

    @property
    def here(self) -> str | None:
        """Its digest here."""
        return self.file.digest if self.file else None

    @property
    def is_same(self) -> bool:
        """Whether both are there and equal."""
        return self.receipt is not None and self.receipt == self.here


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it."""

    verdict: Verdict
    receipt: Ending
    here: Ending
    files: tuple[RepeatedFile, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class RepeatableJob:
    """A job that ran in a seal and ended by its own doing, as its receipt tells."""

    facts: ReceiptFacts
    sandbox: SandboxFacts
    run: RunFacts


def find_repeatable(facts: ReceiptFacts) -> RepeatableJob:
    """Return the job that a receipt tells of, when it can be repeated.

    Raises:
        InputError: the job never ran, or its end was not its own doing.
    """
    sandbox, run = facts.sandbox, facts.run
    if sandbox is None or run is None:
        raise InputError(
            f"job {facts.job.id} ended as {facts.egress.outcome} before it ran: there is nothing to repeat",
            code="never-ran",
        )
    if run.reason in PROVIDERS_FAULT:
        raise InputError(
            f"job {facts.job.id} ended with {run.reason}, which was not the algorithm's doing: it can't be repeated",
            code="not-repeatable",
        )
    if facts.egress.rule in PRIVACY_TESTS:
        raise InputError(
            f"job {facts.job.id} was withheld by the privacy test {facts.egress.rule}, which a replay does not make",
            code="not-repeatable",
        )
    return RepeatableJob(facts, sandbox, run)


def compare(job: RepeatableJob, report: RunReport, gate: GateReport | None, *, described: bool) -> Replay:
    """Compare a job with its repetition; `described` says whether its datasets had their descriptions again."""
    egress = job.facts.egress
    before, after = Ending(egress.outcome, job.run.reason, egress.rule), _ending(report, gate)
    files = _files(job.facts, gate.released if gate else ())
    conditions = _conditions(job.sandbox, report)
    conditions += (Condition("gate", egress.gate, GATE),)
    if not described:
        conditions += (Condition("descriptions", "as registered", "not given"),)
    return Replay(_judge(before, after, files), before, after, files, conditions)


def _judge(before: Ending, after: Ending, files: Sequence[RepeatedFile]) -> Verdict:
    if before != after:
        return Verdict.ENDED_OTHERWISE
    return Verdict.REPRODUCED if all(file.is_same for file in files) else Verdict.DIFFERS


def _ending(report: RunReport, gate: GateReport | None) -> Ending:
    """Return how the repetition ended, in the words of a receipt."""
    if gate is None:
        return Ending(FAILED, report.reason.value, report.reason.value)
    outcome = RELEASED if gate.verdict is GateVerdict.RELEASED else WITHHELD
    return Ending(outcome, report.reason.value, gate.rule)


def _files(facts: ReceiptFacts, released: Sequence[ReleasedFile]) -> tuple[RepeatedFile, ...]:
    before = {item.name: item.released_digest for item in facts.outputs if item.released}
    after = {file.name: file for file in released}
    return tuple(
        RepeatedFile(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())
    )


def _conditions(sandbox: SandboxFacts, report: RunReport) -> tuple[Condition, ...]:
    return (
        Condition("runtime", sandbox.runtime, report.runtime.value),
        Condition("seal", sandbox.profile, report.seal_digest),
        Condition("processor", sandbox.determinism.processor, report.determinism.processor.words),
    )
