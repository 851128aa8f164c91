"""The times of a job that its consumer and the public see carry less than a run could write into them."""

from __future__ import annotations

from typing import Any

from datatokens.ethkeys import LocalAccount
from provider.rounding import TIME_STEP_S
from tests.hospital_fixtures import Hospital


def times(view: Any) -> list[int]:
    return [view["submitted"], *(step["time"] for step in view["timeline"])]


def seen_by(hospital: Hospital, who: LocalAccount, job_id: str) -> tuple[list[int], list[int]]:
    """Return the times that somebody sees of one job, alone and in the list."""
    one = hospital.lab.read(who, f"/v1/jobs/{job_id}").json
    (listed,) = (hospital.lab.read(who, "/v1/jobs").json or {})["jobs"]
    return times(one), times(listed)


def test_the_consumer_sees_rounded_times_and_the_owner_exact_ones(hospital: Hospital) -> None:
    hospital.lab.clock[0] += 3 - hospital.lab.now % TIME_STEP_S
    people = hospital.lab.people
    job = hospital.run()
    exact = [job.submitted, *(step.time for step in hospital.lab.database.jobs.timeline(job.job_id))]
    assert any(time % TIME_STEP_S for time in exact)
    rounded = [time + -time % TIME_STEP_S for time in exact]
    assert seen_by(hospital, people.scientist, job.job_id) == (rounded, rounded)
    assert seen_by(hospital, people.owner, job.job_id) == (exact, exact)


def test_answers_to_submitting_and_cancelling_are_as_round_as_any_other(hospital: Hospital) -> None:
    hospital.lab.clock[0] += 3 - hospital.lab.now % TIME_STEP_S
    asset, bundle = hospital.accepted()
    first = hospital.lab.submit(hospital.lab.request(asset, bundle)).json or {}
    stopped = hospital.lab.act(hospital.lab.people.scientist, "job.cancel", {"job_id": first["job_id"]}).json
    assert all(time % TIME_STEP_S == 0 for view in (first, stopped) for time in times(view))


def test_every_time_in_a_receipt_is_round(hospital: Hospital) -> None:
    hospital.lab.clock[0] += 3 - hospital.lab.now % TIME_STEP_S
    facts = hospital.statement(hospital.run().job_id).facts
    assert facts.run is not None
    assert [time % TIME_STEP_S for time in (facts.policy.decided, facts.run.started, facts.run.finished)] == [
        0,
        0,
        0,
    ]
