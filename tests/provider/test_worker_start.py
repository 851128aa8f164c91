"""A worker whose engine is not there yet."""

from __future__ import annotations

import pytest

from provider.assembly import Parts
from provider.receipts.keys import SigningKeys
from provider.settings import ProviderPaths
from provider.worker_main import Worker
from sandbox.engine import DockerEngine
from sandbox.errors import EngineUnavailableError
from tests.provider_fixtures import Lab


def parts_of(lab: Lab) -> Parts:
    identity = lab.services.identity
    return Parts(ProviderPaths(lab.home), lab.settings, identity, lab.database, lab.blobs, lab.chain)


def make_worker(lab: Lab, engine: DockerEngine) -> Worker:
    keys = SigningKeys.generate(lab.chain.chain_id)
    return Worker(parts_of(lab), engine, keys, lab.people.provider)


# The engine's client leaves the socket that it could not connect to the garbage collector.
def test_a_worker_outlasts_an_engine_that_is_away_and_runs_nothing_before_it_has_recovered(lab: Lab) -> None:
    worker = make_worker(lab, DockerEngine("unix:///nonexistent/docker.sock"))
    for _ in range(2):
        with pytest.raises(EngineUnavailableError):
            worker.runner_turn()
    assert lab.database.access.find_fact("runtimes") is None


def test_a_worker_recovers_once_and_says_which_runtimes_there_are(lab: Lab, engine: DockerEngine) -> None:
    worker = make_worker(lab, engine)
    assert worker.runner_turn() is False
    fact = lab.database.access.find_fact("runtimes")
    assert fact is not None
    assert "runc" in fact[0]
