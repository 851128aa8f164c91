"""Jobs that find a warm container, and those that don't: the same ends, the same checks."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider.jobs.launch import Launcher
from provider.jobs.states import State
from provider.jobs.warming import Warmer
from provider.store.records import JobRecord
from provider.store.workload import POOL_FACT
from sandbox.engine import DockerEngine
from sandbox.pool import Pool, PoolSize
from sandbox.seal import LABEL_OWNER
from tests.hospital_fixtures import Hospital, make_runner, owner_of
from tests.provider_fixtures import HONEST, make_bundle
from tests.sandbox.test_failing_hosts import CutShort, Line

PATIENCE_S = 60.0


class WarmHospital:
    """A hospital whose runner has a pool, with one paid job after another on one dataset."""

    def __init__(self, hospital: Hospital, engine: DockerEngine) -> None:
        lab = hospital.lab
        self.hospital = hospital
        self.owner = owner_of(lab)
        self.pool = Pool(
            engine, owner=self.owner, folder=lab.home / "work", load_size=lambda: PoolSize(1, 2, 600.0)
        )
        self.warmer = Warmer(self.pool, lab.database.access, clock=lambda: lab.now)
        hospital.runner = make_runner(lab, engine, hospital.judge, hospital.keys, pool=self.pool)
        self.asset, self.bundle = hospital.accepted(HONEST)

    def run(self) -> JobRecord:
        job_id = self.hospital.submit(self.asset, self.bundle)
        self.hospital.pay(self.asset, self.bundle, job_id)
        self.hospital.work()
        return self.hospital.lab.database.jobs.get(job_id)

    def warm_up(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.pool.report().warm == 0:
            self.warmer.turn()
            if time.monotonic() > deadline:
                pytest.fail("no container got warm")

    def containers(self) -> list[str]:
        command = ["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL_OWNER}={self.owner}"]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()

    def change_data(self) -> None:
        record = self.hospital.lab.database.catalogue.find_dataset(self.asset.asset_id)
        path = Path(self.hospital.lab.settings.data_root) / (record.path if record else "")
        path.write_bytes(path.read_bytes() + b"9,9\n")


@pytest.fixture
def warm(hospital: Hospital, engine: DockerEngine, light_image: str) -> Iterator[WarmHospital]:
    hospital.image = light_image
    made = WarmHospital(hospital, engine)
    yield made
    made.warmer.close()
    engine.reap(made.owner)


def test_a_second_job_on_a_dataset_runs_in_the_container_that_waits_and_ends_as_the_first(
    warm: WarmHospital,
) -> None:
    first = warm.run()
    warm.warm_up()
    waiting = warm.containers()
    second = warm.run()
    assert (first.state, second.state, second.attempt) == (State.RELEASED, State.RELEASED, 1)
    assert len(waiting) == 1
    assert not set(waiting) & set(warm.containers())
    cold, hot = (warm.hospital.statement(job.job_id).facts for job in (first, second))
    assert hot.sandbox == cold.sandbox
    assert [(o.name, o.released) for o in hot.outputs] == [(o.name, o.released) for o in cold.outputs]


def test_data_that_was_written_to_since_is_read_anew_and_refused(warm: WarmHospital) -> None:
    warm.run()
    warm.warm_up()
    warm.change_data()
    job = warm.run()
    assert (job.state, job.code) == (State.FAILED, "dataset-changed")
    assert len(warm.containers()) == 1  # the one that waits was not used


def test_a_job_whose_warm_container_is_gone_starts_cold(warm: WarmHospital) -> None:
    warm.run()
    warm.warm_up()
    subprocess.run(["docker", "kill", *warm.containers()], check=True, capture_output=True, timeout=60)
    job = warm.run()
    assert (job.state, job.attempt) == (State.RELEASED, 1)
    assert warm.containers() == []
    assert list((warm.hospital.lab.home / "work").iterdir()) == []


def test_a_run_that_ended_well_counts_when_the_engine_is_away_by_then_and_leaves_no_data(
    warm: WarmHospital, tmp_path: Path
) -> None:
    lab = warm.hospital.lab
    warm.run()
    warm.warm_up()
    line = Line(tmp_path / "engine.sock")
    engine = CutShort(line)
    warm.hospital.runner = make_runner(lab, engine, warm.hospital.judge, warm.hospital.keys, pool=warm.pool)
    job = warm.run()
    assert (job.state, job.attempt) == (State.RELEASED, 1)
    assert list((lab.home / "work").iterdir()) == []
    assert len(warm.containers()) == 1
    line.mend()
    engine.remove("another-run")
    engine.close()
    assert warm.containers() == []


def test_a_container_gets_warm_while_the_first_job_waits_for_its_order(
    warm: WarmHospital, engine: DockerEngine
) -> None:
    lab = warm.hospital.lab
    launcher = Launcher(
        lab.database.catalogue,
        engine,
        pool=warm.pool,
        owner=warm.owner,
        load_data_root=lambda: Path(lab.settings.data_root),
    )
    warm.hospital.clerk._foresee = launcher.foresee
    job_id = warm.hospital.submit(warm.asset, warm.bundle)
    warm.hospital.clerk.turn()
    warm.warm_up()
    assert lab.database.jobs.get(job_id).state is State.WAITING
    warm.hospital.pay(warm.asset, warm.bundle, job_id)
    waiting = warm.containers()
    warm.hospital.work()
    assert lab.database.jobs.get(job_id).state is State.RELEASED
    assert not set(waiting) & set(warm.containers())


def test_no_container_gets_warm_for_jobs_that_could_not_start_in_it(warm: WarmHospital) -> None:
    lab = warm.hospital.lab
    warm.bundle = make_bundle(image=warm.hospital.image, start="python3 -u $ALGO")
    lab.upload(warm.bundle)
    lab.approve(warm.asset, warm.bundle)
    assert warm.run().state is State.RELEASED
    assert not warm.warmer.turn()
    assert warm.containers() == []


def test_a_restart_leaves_no_warm_container_and_no_copy_of_the_data(warm: WarmHospital) -> None:
    warm.run()
    warm.warm_up()
    warm.hospital.runner.recover()
    assert warm.containers() == []
    assert list((warm.hospital.lab.home / "work").iterdir()) == []


def test_the_worker_tells_how_many_wait_and_what_memory_they_hold(warm: WarmHospital) -> None:
    warm.run()
    warm.warm_up()
    warm.warmer.turn()
    fact = warm.hospital.lab.database.access.find_fact(POOL_FACT)
    assert fact is not None
    assert fact[0].startswith('{"warm": 1, "starting": 0, "memory_bytes": ')
