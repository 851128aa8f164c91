"""Laws of the ledger in the database: whatever comes in whatever order, and whoever is stopped in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.mechanisms import Mechanism
from provider.jobs.states import State
from provider.privacy.accounting import compose_epsilon
from provider.store import Database, open_database
from provider.store.records import Ending, JobRecord, Reservation, Settled, SpendingState
from provider.wire import JobRequest
from tests.privacy_samples import cost

ASSET, DELTA, CAP = "a5" * 32, Decimal("0.00001"), Decimal(8)
CONSUMERS = ("0x" + "1" * 40, "0x" + "2" * 40)
COSTS = {
    "small": cost("0.39", noise="20"),
    "large": cost("5.56", noise="2"),
    "too large": cost("17", noise="1"),
}
JOBS = 4
MOVES = ("look", "queue", "claim", "begin", "crash", "end", "end untouched", "refuse")


def make_job(number: int) -> JobRecord:
    request = JobRequest(
        datasets=[ASSET],
        algorithm="sha256:" + "a" * 64,
        parameters="sha256:" + "b" * 64,
        purpose="DUO:0000006",
        provider="0x" + "9" * 40,
        result_key="AAAA",
        nonce=f"{number:064x}",
        expiry=2**31,
    )
    return JobRecord(
        job_id=f"{number:064x}",
        consumer=CONSUMERS[number % 2],
        request=request,
        signature="0x",
        parameters="{}",
        submitted=number,
        state=State.WAITING,
        code="received",
        message="",
        attempt=0,
        cancel_requested=None,
        cancelled_by=None,
        orders=(),
        release=None,
        log_blob=None,
    )


@dataclass
class House:
    """A database with a few jobs, moved as clerk and runner move them; `looked` is what each saw of the ledger last."""

    database: Database
    costs: list[str]
    looked: dict[int, int] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    stated: list[Mechanism] = field(default_factory=list)

    def job(self, number: int) -> JobRecord:
        return self.database.jobs.get(f"{number:064x}")

    def counting(self) -> tuple[Mechanism, ...]:
        spendings = self.database.privacy.get_ledger(ASSET).spendings
        return tuple(used for item in spendings if item.counts for used in item.cost.mechanisms)

    def move(self, number: int, move: str) -> None:
        getattr(self, move.replace(" ", "_"))(number)

    def look(self, number: int) -> None:
        """See whether there is enough left for a job, and remember on which ledger that was seen."""
        wanted = COSTS[self.costs[number]]
        fits = compose_epsilon((*self.counting(), *wanted.mechanisms), DELTA) <= CAP
        self.looked.pop(number, None)
        if fits:
            self.looked[number] = self.database.privacy.get_ledger(ASSET).version

    def queue(self, number: int) -> None:
        if number in self.looked:
            reservation = Reservation(ASSET, COSTS[self.costs[number]], self.looked[number])
            self.database.jobs.queue(
                self.job(number).job_id, code="paid", message="", now=1, orders=(), reservation=reservation
            )

    def claim(self, _number: int) -> None:
        self.database.jobs.claim(now=2, message="")

    def begin(self, number: int) -> None:
        job = self.job(number)
        if job.state is State.RUNNING:
            self.database.jobs.begin(job.job_id, code="run", message="", now=3, attempt=job.attempt + 1)
            self.touched.add(number)

    def crash(self, number: int) -> None:
        job = self.job(number)
        if job.state is State.RUNNING:
            self.database.jobs.move(
                job.job_id, State.RUNNING, State.QUEUED, code="restarted", message="", now=4
            )

    def end(self, number: int) -> None:
        job = self.job(number)
        if job.state is State.RUNNING:
            self._finish(job, State.FAILED, untouched=False)

    def end_untouched(self, number: int) -> None:
        """End a run that was begun and of which it is certain that nothing was let at the data."""
        job = self.job(number)
        if (job.state, job.code) == (State.RUNNING, "run"):
            if job.attempt == 1:
                self.touched.discard(number)
            self._finish(job, State.FAILED, untouched=True)

    def refuse(self, number: int) -> None:
        job = self.job(number)
        if job.state is State.QUEUED:
            self._finish(job, State.REFUSED, untouched=False)

    def _finish(self, job: JobRecord, state: State, *, untouched: bool) -> None:
        def make_entry(_job: JobRecord, index: int, settled: Settled | None) -> tuple[bytes, bytes]:
            if settled is not None:
                assert list(settled.before) == self.stated
                self.stated += settled.cost.mechanisms
            return b"envelope", index.to_bytes(32)

        ending = Ending(state, "ended", "", (), ran=False, untouched=untouched)
        assert self.database.ledger.finish_job(job.job_id, job.state, ending, now=5, make_entry=make_entry)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = open_database(tmp_path / "ledger.db")
    made.migrate()
    return made


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    costs=st.lists(st.sampled_from(list(COSTS)), min_size=JOBS, max_size=JOBS),
    moves=st.lists(st.tuples(st.integers(0, JOBS - 1), st.sampled_from(MOVES)), max_size=60),
)
def test_whatever_happens_in_whatever_order_the_ledger_stays_within_its_cap_and_forgets_nothing(
    tmp_path_factory: pytest.TempPathFactory, costs: list[str], moves: list[tuple[int, str]]
) -> None:
    database = open_database(tmp_path_factory.mktemp("laws") / "ledger.db")
    database.migrate()
    house = House(database, costs)
    for number in range(JOBS):
        database.jobs.add(make_job(number))
    for number, move in moves:
        house.move(number, move)
        counting = house.counting()
        assert compose_epsilon(counting, DELTA) <= CAP
        for touched in house.touched:
            spending = database.privacy.find_spending(house.job(touched).job_id)
            assert spending is not None
            assert spending.state is SpendingState.SPENT
    remembered = list(house.counting())
    for mechanism in house.stated:
        remembered.remove(mechanism)
    database.close()


def test_two_who_saw_the_same_ledger_do_not_both_get_the_last_of_it(database: Database) -> None:
    house = House(database, ["large", "large", "small", "small"])
    for number in range(JOBS):
        database.jobs.add(make_job(number))
    house.look(0)
    house.look(1)
    house.queue(0)
    house.queue(1)
    assert [house.job(number).state for number in (0, 1)] == [State.QUEUED, State.WAITING]
    house.look(1)
    assert 1 not in house.looked


def test_a_run_that_crashed_has_spent_once_however_often_it_is_tried(database: Database) -> None:
    house = House(database, ["large"] * JOBS)
    database.jobs.add(make_job(0))
    for move in ("look", "queue", "claim", "begin", "crash", "claim", "begin", "end untouched"):
        house.move(0, move)
    spending = database.privacy.find_spending(house.job(0).job_id)
    assert spending is not None
    assert spending.state is SpendingState.SPENT
    assert house.counting() == COSTS["large"].mechanisms
