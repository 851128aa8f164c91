"""Lets people look at a release before it leaves: holds it, and ends its job once they have decided or the time is over.

- The gate goes first: what reviewers see is what would leave, byte for byte.
- What is held is removed when the job ends, and with it the drafts of its receipt.
- Late is withheld, in time for its order: nothing leaves of a job whose order could be refunded.
- A restart continues: all that is needed to end the job is in the database and in the folder of held files.

Not decided here: who may look, which is `provider.reviewdesk`'s, and what the decisions amount to, which is `policies`'.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from datatokens.errors import ChainError
from datatokens.model import OrderStatus
from policies.egress import ENDING_BITS
from policies.privacy import ReviewPolicy
from policies.reviews import ReviewDecision, ReviewOutcome, is_wanted, judge_reviews, list_reviewers
from provider.blobs import BlobStore
from provider.chain import Chain
from provider.gate.report import GateReport, GateVerdict, ReleasedFile
from provider.held import HeldFiles
from provider.jobs.codes import REVIEWING, describe
from provider.jobs.judge import Evaluation
from provider.jobs.receipting import Registrar
from provider.jobs.states import State
from provider.limits import ORDER_MARGIN_S
from provider.receipts.facts import DecisionFacts, ReceiptFacts, ReviewFacts
from provider.receipts.reviews import (
    REVIEW_CANCELLED,
    REVIEW_LATE,
    REVIEW_WITHHELD,
    looked_at_digest,
    wanted_reviews,
)
from provider.rounding import round_time
from provider.store import Database
from provider.store.records import DecisionRecord, Drafts, Ending, JobRecord, ReviewRecord, TableLine
from sandbox.spec import RunReport

log = logging.getLogger(__name__)
LATE_OUTCOME, CANCELLED_OUTCOME = "late", "cancelled"
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Checked:
    """A run that the gate has looked at: what it let pass, and its blob of what the algorithm printed."""

    report: RunReport
    gate: GateReport
    log_blob: str | None


def find_demands(evaluation: Evaluation, gate: GateReport) -> tuple[ReviewPolicy, ...]:
    """Return the demands for review that apply to what the gate let pass."""
    passed = gate.verdict is GateVerdict.RELEASED
    return tuple(demand for demand in evaluation.reviews if is_wanted(demand, passed=passed))


class Reviewing:
    """Holds releases for review, and ends the jobs that waited."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        held: HeldFiles,
        chain: Chain,
        registrar: Registrar,
        *,
        clock: Callable[[], int],
        randomness: Callable[[int], bytes],
    ) -> None:
        self._jobs = database.jobs
        self._reviews = database.reviews
        self._blobs = blobs
        self._held = held
        self._chain = chain
        self._registrar = registrar
        self._clock = clock
        self._randomness = randomness

    def hold(
        self, job: JobRecord, evaluation: Evaluation, checked: Checked, demands: Sequence[ReviewPolicy]
    ) -> bool:
        """Keep what would leave and let the job wait for its reviewers; False when another process moved it first."""
        gate, now = checked.gate, self._clock()
        self._held.keep(job.job_id, {file.name: file.path for file in gate.released})
        salt = self._randomness(SALT_BYTES).hex()
        files = {file.name: file.digest for file in gate.released}
        review = ReviewRecord(
            job_id=job.job_id,
            reviewers=list_reviewers(demands, job.consumer),
            looked_at=looked_at_digest(files, [(check.name, check.ok) for check in gate.checks], salt),
            salt=salt,
            drafts=self._draft(job, evaluation, checked),
            lines=tuple(TableLine(check.name, check.ok, check.detail) for check in gate.checks),
            log_blob=checked.log_blob,
            opened=now,
            due=_due(evaluation, demands, now=now),
        )
        return self._reviews.open(review, code=REVIEWING, message=describe(REVIEWING).message)

    def turn(self) -> bool:
        """End the jobs whose review is over; True when one moved. Waits for nobody."""
        self._tidy()
        moved = False
        for job in self._jobs.list_by(state=State.REVIEWING, limit=None):
            try:
                moved = self._look_at(job) or moved
            except ChainError:
                log.warning("job %s, which was reviewed, waits: the chain can't be read", job.job_id)
            except Exception:  # a defect that one job meets must not hold up everybody else's
                log.exception("the review of job %s could not be ended; it is looked at again", job.job_id)
        return moved

    def _look_at(self, job: JobRecord) -> bool:
        review = self._reviews.find(job.job_id)
        if review is None or review.drafts is None:
            return self._start_anew(job)
        drafts = review.drafts

        def find_outcome(made: tuple[DecisionRecord, ...]) -> str | None:
            return self._find_outcome(job, review, drafts, made)

        if review.outcome is None and find_outcome(self._reviews.decisions(job.job_id)) is None:
            return False
        outcome = self._reviews.close(job.job_id, find_outcome)
        return outcome is not None and self._end(job, review, drafts, outcome)

    def _find_outcome(
        self, job: JobRecord, review: ReviewRecord, drafts: Drafts, made: Sequence[DecisionRecord]
    ) -> str | None:
        """Return how a review has ended with the decisions made; None while it goes on."""
        said = {item.reviewer: ReviewDecision(item.decision) for item in made}
        outcome = judge_reviews(wanted_reviews(drafts.released), said, job.consumer)
        if outcome is not ReviewOutcome.OPEN:
            return outcome.value
        if job.cancel_requested:
            return CANCELLED_OUTCOME
        return LATE_OUTCOME if self._clock() >= review.due else None

    def _end(self, job: JobRecord, review: ReviewRecord, drafts: Drafts, outcome: str) -> bool:
        released = outcome == ReviewOutcome.RELEASE
        files = self._find_files(review, drafts) if released else ()
        if files is None:
            return self._start_anew(job)
        decisions = self._reviews.decisions(job.job_id)
        state, code = _ending_of(outcome)
        ending = Ending(
            state=state,
            code=code,
            message=describe(code, job_id=job.job_id).message,
            order_ids=self._open_order_ids(job),
            ran=True,  # the run had its fair chance, whatever people said of its release
            release=self._blobs.put(self._registrar.seal(job, files)) if released else None,
            log_blob=review.log_blob,
        )
        facts = drafts.released if released else _withheld(drafts.withheld, state, code)
        if outcome in (ReviewOutcome.RELEASE, ReviewOutcome.WITHHOLD):
            facts = _with_decisions(facts, review, decisions, released=released)
        moved = self._registrar.finish_drafted(job, ending, facts)
        self._forget(job.job_id)
        return moved

    def _start_anew(self, job: JobRecord) -> bool:
        """Run a job again of which what was held is gone or damaged: nobody may decide on it any more."""
        log.error("what job %s held for its reviewers can't be read: it is run anew", job.job_id)
        message, now = describe("restarted").message, self._clock()
        moved = self._jobs.move(
            job.job_id, State.REVIEWING, State.QUEUED, code="restarted", message=message, now=now
        )
        self._forget(job.job_id)
        return moved

    def _find_files(self, review: ReviewRecord, drafts: Drafts) -> tuple[ReleasedFile, ...] | None:
        """Return the held files, each of the digest that was shown; None when one isn't."""
        found = []
        for output in drafts.released.outputs:
            if not output.released or output.released_digest is None:
                continue
            path = self._held.find_path(review.job_id, output.name, output.released_digest)
            if path is None:
                return None
            found.append(
                ReleasedFile(output.name, path, output.released_digest, output.size_bytes, output.digest)
            )
        return tuple(found)

    def _draft(self, job: JobRecord, evaluation: Evaluation, checked: Checked) -> Drafts:
        """Write what each receipt would say while the run's report is at hand; only one of them is ever signed."""
        report, gate = checked.report, checked.gate
        current = self._jobs.get(job.job_id)
        stays = replace(gate, verdict=GateVerdict.WITHHELD, released=(), information_bits=ENDING_BITS)

        def draft(state: State, code: str, seen: GateReport, release: str | None) -> ReceiptFacts:
            ending = Ending(state, code, "", (), ran=True, release=release)
            return self._registrar.draft(current, ending, evaluation, rule=code, report=report, gate=seen)

        return Drafts(
            released=draft(State.RELEASED, "released", gate, job.job_id),
            withheld=draft(State.WITHHELD, REVIEW_LATE, stays, None),
        )

    def _open_order_ids(self, job: JobRecord) -> tuple[str, ...]:
        ids = [order.order_id for order in job.orders]
        return tuple(
            item for item in ids if self._chain.order_status(bytes.fromhex(item)) is OrderStatus.OPEN
        )

    def _tidy(self) -> None:
        """Remove what a stopped worker held of jobs that don't wait, or no longer do.

        In this order: a job that gets from checking to waiting meanwhile is met in one of the two.
        """
        held = set(self._held.list_jobs())
        for state in (State.CHECKING, State.REVIEWING) if held else ():
            held -= {job.job_id for job in self._jobs.list_by(state=state, limit=None)}
        for job_id in held:
            self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        """Remove what could be read of the data; the folder last, since by it what is left is found again."""
        self._reviews.forget(job_id)
        self._held.remove(job_id)


def _due(evaluation: Evaluation, demands: Sequence[ReviewPolicy], *, now: int) -> int:
    """Return when a review is over: as the policies say, and early enough to settle before an order's deadline."""
    orders = [item.order for item in evaluation.datasets]
    deadlines = [order.deadline - ORDER_MARGIN_S for order in orders if order is not None]
    return min([*(now + demand.within_s for demand in demands), *deadlines])


def _ending_of(outcome: str) -> tuple[State, str]:
    if outcome == ReviewOutcome.RELEASE:
        return State.RELEASED, "released"
    if outcome == ReviewOutcome.WITHHOLD:
        return State.WITHHELD, REVIEW_WITHHELD
    if outcome == CANCELLED_OUTCOME:
        return State.CANCELLED, REVIEW_CANCELLED
    return State.WITHHELD, REVIEW_LATE


def _withheld(facts: ReceiptFacts, state: State, code: str) -> ReceiptFacts:
    return replace(facts, egress=replace(facts.egress, outcome=state.value, rule=code))


def _with_decisions(
    facts: ReceiptFacts, review: ReviewRecord, decisions: Sequence[DecisionRecord], *, released: bool
) -> ReceiptFacts:
    stated = ReviewFacts(
        looked_at=review.looked_at,
        salt=review.salt if released else None,
        decisions=tuple(_decision_facts(item) for item in decisions),
    )
    return replace(facts, egress=replace(facts.egress, review=stated))


def _decision_facts(item: DecisionRecord) -> DecisionFacts:
    return DecisionFacts(
        reviewer=item.reviewer,
        decision=item.decision,
        decided=round_time(item.time),
        reason=item.reason,
        nonce=item.nonce,
        expiry=item.expiry,
        signature=item.signature,
    )
