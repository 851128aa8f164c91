"""What a provider says to its operator about what it is busy with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provider.errors import UnavailableError
from provider.jobs.states import State
from provider.store import open_database
from provider.store.workload import POOL_FACT, WarmPool, read_workload
from tests.provider_fixtures import Lab, make_bundle


def test_jobs_under_way_are_listed_to_the_second_and_the_others_counted(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    ids = [str((lab.submit(lab.request(asset, bundle)).json or {})["job_id"]) for _ in range(4)]
    jobs = lab.database.jobs
    for job_id in ids[:3]:
        jobs.move(job_id, State.WAITING, State.QUEUED, code="order-accepted", message="", now=lab.now)
    for moment in (7, 8):
        jobs.claim(now=moment, message="")
    load = read_workload(lab.database)
    assert sorted((job.state, job.code, job.since) for job in load.running) == [
        ("running", "staging", 7),
        ("running", "staging", 8),
    ]
    assert (load.queued, load.waiting, load.reviewing, load.pool) == (1, 1, 0, None)


@pytest.mark.parametrize(
    ("told", "pool"),
    [
        ({"warm": 2, "starting": 1, "memory_bytes": 2**20}, WarmPool(warm=2, starting=1, memory_bytes=2**20)),
        ({"warm": -1, "starting": 1, "memory_bytes": 0}, None),
        ({"warm": "2"}, None),
    ],
)
def test_the_pool_is_what_the_worker_told_of_it(
    lab: Lab, told: dict[str, object], pool: WarmPool | None
) -> None:
    lab.database.access.set_fact(POOL_FACT, json.dumps(told), lab.now)
    assert read_workload(lab.database).pool == pool


def test_a_database_that_was_never_made_is_an_error_and_no_empty_workload(tmp_path: Path) -> None:
    database = open_database(tmp_path / "empty.db")
    with pytest.raises(UnavailableError, match="can't be read"):
        read_workload(database)
    database.close()
