"""While an attacker takes all that it can get of a resource, an honest run at the same time gets what it needs."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from sandbox.expectation import expect_engine
from sandbox.spec import ExitReason, RunReport, Runtime
from tests.attacks.arena import OWN_ROWS, Arena
from tests.attacks.catalogue import ATTACKS, Attack
from tests.attacks.watching import WatchedEngine, processes_of
from tests.sandbox_fixtures import Bench, make_spec, printed

WAIT_S = 120
HONEST = """
import json, multiprocessing, os, socket, threading
kept = b"x" * (96 << 20)
threads = [threading.Thread(target=sum, args=(range(200_000),)) for _ in range(8)]
for thread in threads: thread.start()
children = [multiprocessing.get_context("fork").Process(target=sum, args=(range(200_000),)) for _ in range(4)]
for child in children: child.start()
for worker in (*threads, *children): worker.join()
open("/scratch/a", "wb").write(bytes(3 << 20))
for number in range(500): open(f"/tmp/{number}", "wb").write(b"x")
opened = [open("/dev/null") for _ in range(100)]
pipes = [os.pipe() for _ in range(8)]
pairs = [socket.socketpair() for _ in range(8)]
open("/data/outputs/metrics.json", "w").write(json.dumps({"accuracy": 0.5}))
"""
# Those that go on until they are asked to leave, so that the neighbour has them beside it from its start to its end.
LASTING = {
    Runtime.RUNC: {"memory_of_children", "fork_bomb", "processor", "watches", "signals", "flood_the_init"},
    Runtime.RUNSC: {"processor", "watches", "signals", "flood_the_init"},
}
HUNGRY = (
    "resources/memory",
    "resources/memory_of_children",
    "resources/memory_in_the_kernel",
    "resources/fork_bomb",
    "resources/processor",
    "resources/inodes",
    "resources/temporary_bytes",
    "resources/watches",
    "resources/signals",
    "deadline/flood_the_init",
)


class Attacker:
    """One attack that goes on until it is asked to leave, or is ended by a limit of its own."""

    def __init__(self, arena: Arena, attack: Attack, runtime: Runtime, folder: Path) -> None:
        self._leave, self._begun = threading.Event(), threading.Event()
        self._engine = WatchedEngine()
        self._bench = Bench(self._engine, arena.image, folder)
        self.report: RunReport | None = None
        plan = arena.plan(attack, runtime)
        limits: dict[str, Any] = plan["limits"] | {"time_s": WAIT_S}
        bundle = attack.bundle(arena.image)

        def go() -> None:
            try:
                self.report = self._bench.run(
                    "",
                    runtime,
                    bundle=bundle,
                    datasets=[self._bench.dataset(OWN_ROWS)],
                    parameters=plan | {"limits": limits, "hold_s": WAIT_S},
                    cancelled=self._asked,
                    **limits,
                )
            finally:
                self._begun.set()

        self._thread = threading.Thread(target=go)
        self._thread.start()

    def wait_until_it_runs(self) -> None:
        """Wait until the attack has begun."""
        assert self._begun.wait(WAIT_S)

    def tasks(self) -> list[Path]:
        """Return the threads that the host has for it now."""
        return [
            task
            for number in processes_of(self._engine.container)
            for task in Path(f"/proc/{number}/task").glob("*")
        ]

    def close(self) -> RunReport:
        """Ask it to leave; return how it ended."""
        self._leave.set()
        self._thread.join(WAIT_S)
        self._engine.close()
        assert self.report is not None
        return self.report

    def _asked(self) -> bool:
        if "running" in self._bench.events:
            self._begun.set()
        return self._leave.is_set()


@pytest.mark.parametrize("name", HUNGRY)
def test_a_neighbour_gets_what_it_needs(
    arena: Arena, bench: Bench, runtime: Runtime, name: str, tmp_path: Path
) -> None:
    attack = ATTACKS[name]
    folder = tmp_path / "attacker"
    folder.mkdir()
    attacker = Attacker(arena, attack, runtime, folder)
    attacker.wait_until_it_runs()
    honest = bench.run(HONEST, runtime, time_s=WAIT_S)
    tasks = attacker.tasks()
    ended = attacker.close()
    assert honest.reason is ExitReason.COMPLETED, printed(honest)
    assert [json.loads(output.content.read_bytes()) for output in honest.outputs] == [{"accuracy": 0.5}]
    assert ended.reason in attack.ends[runtime] | {ExitReason.CANCELLED}
    assert ended.outputs == ()
    assert len(tasks) <= int(expect_engine(make_spec(tmp_path, runtime=runtime))["engine_pids"])
    if attack.path.stem in LASTING[runtime]:
        assert ended.reason is ExitReason.CANCELLED


def test_a_priority_that_gvisor_grants_means_nothing_on_the_host(
    arena: Arena, bench: Bench, runtime: Runtime, tmp_path: Path
) -> None:
    folder = tmp_path / "attacker"
    folder.mkdir()
    attacker = Attacker(arena, ATTACKS["privileges/raise_priority"], runtime, folder)
    attacker.wait_until_it_runs()
    assert (
        bench.run("pass", runtime, time_s=WAIT_S).reason is ExitReason.COMPLETED
    )  # which takes longer than to ask for a priority
    tasks = attacker.tasks()
    nice = {int(task.joinpath("stat").read_text().rsplit(")", 1)[1].split()[16]) for task in tasks}
    scores = {int(task.joinpath("oom_score_adj").read_text()) for task in tasks}
    assert attacker.close().reason is ExitReason.CANCELLED
    assert nice == {0}
    assert min(scores) >= 0
