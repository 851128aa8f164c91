"""A worker that starts: without an engine, beside another one, and with several runners."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from provider.assembly import HomeIncompleteError, Parts
from provider.exclusion import WorkerRunsError, hold_worker_lock
from provider.receipts.keys import SigningKeys
from provider.settings import ProviderPaths
from provider.worker_main import Worker
from sandbox.engine import DockerEngine
from sandbox.errors import EngineUnavailableError
from tests.provider_fixtures import Lab

HOLDS = """
import signal, sys
from pathlib import Path
from provider.exclusion import hold_worker_lock
with hold_worker_lock(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def make_worker(lab: Lab, engine_url: str | None = None, *, parallel_jobs: int = 1) -> Worker:
    settings = lab.settings.model_copy(update={"parallel_jobs": parallel_jobs})
    identity = lab.services.identity
    parts = Parts(ProviderPaths(lab.home), settings, identity, lab.database, lab.blobs, lab.chain)
    keys = SigningKeys.generate(lab.chain.chain_id)
    return Worker(parts, lambda: DockerEngine(engine_url), keys, lab.people.provider)


def test_a_worker_outlasts_an_engine_that_is_away_and_runs_nothing_before_it_has_recovered(lab: Lab) -> None:
    worker = make_worker(lab, "unix:///nonexistent/docker.sock", parallel_jobs=2)
    for runner in worker.runners * 2:
        with pytest.raises(EngineUnavailableError):
            worker.runner_turn(runner)
    assert lab.database.access.find_fact("runtimes") is None


def test_a_worker_recovers_once_for_all_its_runners_and_says_which_runtimes_there_are(
    lab: Lab, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.check()
    worker = make_worker(lab, parallel_jobs=3)
    recovered: list[object] = []
    for runner in worker.runners:
        monkeypatch.setattr(runner, "recover", lambda who=runner: recovered.append(who))
    assert [worker.runner_turn(runner) for runner in worker.runners * 2] == [False] * 6
    assert recovered == [worker.runners[0]]
    fact = lab.database.access.find_fact("runtimes")
    assert fact is not None
    assert "runc" in fact[0]


@pytest.mark.parametrize("jobs", [0, 65, 1.5])
def test_the_number_of_parallel_jobs_has_bounds(jobs: float, lab: Lab) -> None:
    with pytest.raises(ValidationError):
        type(lab.settings).model_validate(lab.settings.model_dump() | {"parallel_jobs": jobs})


def test_a_second_worker_on_the_same_home_is_refused_until_the_first_is_gone_however_it_went(
    tmp_path: Path,
) -> None:
    path = tmp_path / "worker.lock"
    words = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(WorkerRunsError, match="another worker runs"), hold_worker_lock(path):
            pass
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    assert path.exists()
    with hold_worker_lock(path):
        pass


def test_a_folder_that_is_no_provider_s_home_is_refused_before_anything_is_made_in_it(tmp_path: Path) -> None:
    with (
        pytest.raises(HomeIncompleteError),
        hold_worker_lock(ProviderPaths(tmp_path / "nobody").worker_lock),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
