"""Several runs at once: each job is claimed once, and each run ends in a receipt of its own, in a log without a gap."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from datatokens.model import OrderStatus
from provider.jobs.judge import Judge
from provider.jobs.states import State
from provider.settings import ProviderPaths
from provider.store import open_database
from provider.store.records import Ending, JobRecord, Settled
from sandbox.engine import DockerEngine
from sandbox.run import run_sealed
from sandbox.spec import RunReport
from tests.hospital_fixtures import Hospital, make_runner
from tests.provider_fixtures import Lab, make_bundle

JOBS = 60
CLAIMERS = 12
PATIENCE_S = 120


def test_of_many_who_claim_at_once_each_gets_jobs_that_nobody_else_gets(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    first = lab.database.jobs.get((lab.submit(lab.request(asset, bundle)).json or {})["job_id"])
    wanted = {f"{number:064x}" for number in range(JOBS)}
    for job_id in wanted:
        lab.database.jobs.add(dataclasses.replace(first, job_id=job_id, state=State.QUEUED))
    start = threading.Barrier(CLAIMERS)

    def claim_all(_number: int) -> list[str]:
        database = open_database(ProviderPaths(lab.home).database)  # as another process would
        start.wait(PATIENCE_S)
        claimed = []
        while (job := database.jobs.claim(now=lab.now, message="")) is not None:
            claimed.append(job.job_id)
        database.close()
        return claimed

    with ThreadPoolExecutor(CLAIMERS) as pool:
        got = [job_id for claimed in pool.map(claim_all, range(CLAIMERS)) for job_id in claimed]
    assert sorted(got) == sorted(wanted)
    assert {lab.database.jobs.get(job_id).state for job_id in wanted} == {State.RUNNING}


def test_jobs_that_end_at_once_are_logged_one_after_the_other_and_each_once(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    first = lab.database.jobs.get((lab.submit(lab.request(asset, bundle)).json or {})["job_id"])
    wanted = [f"{number:064x}" for number in range(JOBS)]
    for job_id in wanted:
        lab.database.jobs.add(dataclasses.replace(first, job_id=job_id))
    ending = Ending(State.CANCELLED, "cancelled", "", order_ids=(), ran=False)

    def end(job_id: str) -> bool:
        def make_entry(job: JobRecord, index: int, _settled: Settled | None) -> tuple[bytes, bytes]:
            return f"{index} {job.job_id}".encode(), bytes(32)

        return lab.database.ledger.finish_job(
            job_id, State.WAITING, ending, now=lab.now, make_entry=make_entry
        )

    with ThreadPoolExecutor(CLAIMERS) as pool:
        done = list(pool.map(end, wanted * 2))  # each twice: the second comes too late
    assert done.count(True) == JOBS
    entries = [lab.database.ledger.find_entry(job_id) for job_id in wanted]
    assert sorted(entry.index for entry in entries if entry) == list(range(JOBS))
    assert all(entry and entry.envelope == f"{entry.index} {entry.job_id}".encode() for entry in entries)


def test_two_runs_at_once_end_with_two_receipts_in_a_log_without_a_gap(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_run = threading.Barrier(2)

    def run_and_meet(*arguments: Any, **options: Any) -> RunReport:
        def on_event(event: str) -> None:
            if event == "running":
                both_run.wait(PATIENCE_S)  # breaks, and fails the test, unless two runs are under way at once

        return run_sealed(*arguments, **options | {"on_event": on_event})

    monkeypatch.setattr("provider.jobs.launch.run_sealed", run_and_meet)
    lab, job_ids = hospital.lab, [hospital.queue() for _ in range(2)]

    def turn(_number: int) -> bool:
        engine = DockerEngine()
        judge = Judge(lab.services.identity, lab.database, lab.blobs, lab.chain, engine)
        try:
            return make_runner(lab, engine, judge, hospital.keys).turn()
        finally:
            engine.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(turn, range(2))) == [True, True]
    hospital.notary.turn()
    jobs = [hospital.job(job_id) for job_id in job_ids]
    assert [(job.state, job.attempt) for job in jobs] == [(State.RELEASED, 1)] * 2
    assert sorted(hospital.verify(job_id, {}).facts.log.index for job_id in job_ids) == [0, 1]
    assert [hospital.order_status(job_id) for job_id in job_ids] == [OrderStatus.SETTLED] * 2


def test_a_job_that_another_runner_has_claimed_is_not_put_back_by_one_that_meets_an_obstacle(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, jobs = hospital.queue(), hospital.lab.database.jobs

    def claim_meanwhile() -> str:
        jobs.claim(now=hospital.lab.now, message="")
        return "engine-unreachable"

    monkeypatch.setattr(hospital.judge, "find_obstacle", claim_meanwhile)
    assert hospital.runner.turn() is False
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.RUNNING, "staging")
