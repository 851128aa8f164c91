"""Who pays for a run that somebody stopped."""

from __future__ import annotations

from typing import Any

import pytest

from datatokens.ethkeys import LocalAccount
from datatokens.model import OrderStatus
from provider.jobs.states import State
from sandbox.run import run_sealed
from sandbox.spec import RunReport
from tests.hospital_fixtures import Hospital

ENDLESS = "import time; time.sleep(60)"


def cancel(hospital: Hospital, who: LocalAccount, job_id: str) -> None:
    answer = hospital.lab.act(who, "job.cancel", {"job_id": job_id})
    assert answer.status_code == 200, answer.text


def cancel_once_it_runs(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, job_id: str, *people: LocalAccount
) -> None:
    """Have `people` ask, one after the other, as soon as the sandbox says that the algorithm runs."""
    heard: list[str] = []

    def run_and_cancel(*arguments: Any, **options: Any) -> RunReport:
        def on_event(event: str) -> None:
            heard.append(event)
            if event == "running":
                for who in people:
                    cancel(hospital, who, job_id)

        return run_sealed(*arguments, **options | {"on_event": on_event})

    monkeypatch.setattr("provider.jobs.launch.run_sealed", run_and_cancel)
    hospital.runner.turn()
    hospital.notary.turn()
    assert "running" in heard


def test_a_consumer_who_stops_a_run_that_has_started_pays_for_it(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, scientist = hospital.queue(ENDLESS), hospital.lab.people.scientist
    cancel_once_it_runs(hospital, monkeypatch, job_id, scientist)
    job = hospital.job(job_id)
    assert (job.state, job.code) == (State.CANCELLED, "cancelled-running")
    assert "paid for" in job.message
    assert hospital.order_status(job_id) is OrderStatus.SETTLED
    assert hospital.verify(job_id, {}).facts.egress.rule == "cancelled-running"


def test_an_owner_who_stops_a_run_gives_the_money_back(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = hospital.queue(ENDLESS)
    cancel_once_it_runs(hospital, monkeypatch, job_id, hospital.lab.people.owner)
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.CANCELLED, "cancelled")
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


@pytest.mark.parametrize("owner_first", [True, False])
def test_whoever_asked_first_counts(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, *, owner_first: bool
) -> None:
    people = [hospital.lab.people.scientist, hospital.lab.people.owner]
    job_id = hospital.queue(ENDLESS)
    cancel_once_it_runs(hospital, monkeypatch, job_id, *people[:: -1 if owner_first else 1])
    assert hospital.order_status(job_id) is (OrderStatus.REFUNDED if owner_first else OrderStatus.SETTLED)


def test_a_consumer_who_asks_before_the_algorithm_has_started_gets_the_money_back(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, scientist = hospital.queue(ENDLESS), hospital.lab.people.scientist
    begun = hospital.lab.database.jobs.begin

    def cancel_then_begin(*arguments: Any, **options: Any) -> None:
        cancel(hospital, scientist, job_id)  # the last moment at which nothing of the run exists
        begun(*arguments, **options)

    monkeypatch.setattr(hospital.lab.database.jobs, "begin", cancel_then_begin)
    hospital.runner.turn()
    hospital.notary.turn()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.CANCELLED, "cancelled")
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED
