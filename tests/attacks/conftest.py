"""Runs the hostile algorithms that were chosen, one or two at a time, each once; the tests read what came of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import pytest

from sandbox.engine import DockerEngine
from sandbox.spec import Runtime
from tests.attacks.arena import Arena, Outcome
from tests.attacks.catalogue import ATTACKS, OUTCOMES, Attack
from tests.attacks.unsealed import WITHOUT
from tests.sandbox_fixtures import list_runtimes

AT_A_TIME = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
WRITE = "--write-outcomes"
Outcomes = dict[tuple[str, Runtime], "Future[Outcome]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(WRITE, action="store_true", help="write tests/attacks/outcomes.json anew")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every attack on each runtime that the engine has."""
    if {"attack", "runtime"} <= set(metafunc.fixturenames):
        cases = [(attack, runtime) for attack in ATTACKS.values() for runtime in list_runtimes()]
        ids = [f"{attack.name}-{runtime.value}" for attack, runtime in cases]
        metafunc.parametrize(("attack", "runtime"), cases, ids=ids)
    elif "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", list_runtimes())


@pytest.fixture(scope="module")
def writing(request: pytest.FixtureRequest) -> bool:
    """Whether the committed outcomes are to be written, not compared with."""
    return bool(request.config.getoption(WRITE, default=False))


@pytest.fixture(scope="module")
def arena(
    engine: DockerEngine, image_digest: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    engine.check()  # whoever made the engine removes every container of the tests, after this one is closed
    made = Arena(image_digest, tmp_path_factory.mktemp("arena"))
    yield made
    assert made.close() == []


@pytest.fixture(scope="module")
def outcomes(arena: Arena, request: pytest.FixtureRequest, *, writing: bool) -> Iterator[Outcomes]:
    """Start every attack that was chosen, a few at a time; each test waits for its own."""
    pool = ThreadPoolExecutor(AT_A_TIME)
    started = {
        (attack.name, runtime): pool.submit(arena.run, attack, runtime)
        for attack, runtime in _chosen(request.session.items)
    }
    yield started
    pool.shutdown(cancel_futures=True)
    if writing:
        _write(started)


def _chosen(items: list[pytest.Item]) -> list[tuple[Attack, Runtime]]:
    told = [
        item.callspec.params
        for item in items
        if isinstance(item, pytest.Function) and "outcomes" in item.fixturenames
    ]
    return [(cast("Attack", each["attack"]), cast("Runtime", each["runtime"])) for each in told]


def _write(started: Outcomes) -> None:
    """Write what each attack got and how it ended, for the page on security; those that did not run now are kept."""
    before = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else {}
    known: dict[str, dict[str, Any]] = {name: before.get(name, {}) for name in sorted(ATTACKS)}
    for (name, runtime), future in started.items():
        outcome = future.result()
        known[name][runtime.value] = {"ended": outcome.report.reason.value, "gained": outcome.gained}
    for name, what in known.items():
        what["works_without_the_seal"] = name in WITHOUT
    OUTCOMES.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
