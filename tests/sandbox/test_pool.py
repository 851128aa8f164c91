"""Warm containers: the same seal, one job each, nothing left behind."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import DockerEngine
from sandbox.errors import StagingError, WarmLostError
from sandbox.pool import Pool, PoolSize
from sandbox.run import run_sealed
from sandbox.seal import LABEL_OWNER, container_name
from sandbox.spec import ExitReason, RunReport, RunSpec, Runtime
from sandbox.staging import cleanup, stage_datasets, stage_job
from sandbox.warm import Recipe, WarmContainer, fits, preload_of
from tests.sandbox_fixtures import ASSET, LIMITS, MIB, OWNER, Bench, make_bundle, make_spec, printed

PATIENCE_S = 60.0
ARGV = ("python", "/data/transformations/algorithm")
OUTPUT = "from pathlib import Path; Path('/data/outputs/metrics.json').write_text('{}')"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class WarmBench:
    """A pool with one recipe, and runs in what it hands out."""

    def __init__(self, bench: Bench, folder: Path, runtime: Runtime) -> None:
        self.owner = f"{OWNER}-{folder.name}"[:120]
        self.size = PoolSize(each=1, total=4, idle_s=600.0)
        self.clock = Clock()
        self.folder = folder / "warm"
        self.bench = bench
        self.pool = Pool(
            bench.engine, owner=self.owner, folder=self.folder, load_size=lambda: self.size, clock=self.clock
        )
        self.recipe = Recipe(bench.image, runtime, LIMITS, (ASSET,), "the data")
        self._outputs = folder / "outputs"
        self._count = 0

    def stage(self, target: Path) -> None:
        stage_datasets(target, [self.bench.dataset(b"x,y\n1,2\n")])

    def want(self, recipe: Recipe | None = None) -> None:
        self.pool.want(recipe or self.recipe, self.stage)

    def settle(self, *, warm: int) -> None:
        """Take turns until that many are ready and none is starting."""

        def settled() -> bool:
            self.pool.turn()
            report = self.pool.report()
            return (report.warm, report.starting) == (warm, 0)

        wait_until(settled)

    def take(self) -> WarmContainer:
        container = self.pool.take(self.recipe, ARGV)
        if container is None:
            pytest.fail("expected a container that is ready")
        return container

    def run(self, code: str, container: WarmContainer | None = None) -> RunReport:
        container = container or self.take()
        self._count += 1
        bundle = make_bundle(code, image=self.bench.image)
        stage_job(container.inputs, bundle, {"epochs": 3})
        spec = make_spec(container.inputs, runtime=self.recipe.runtime, image=self.recipe.image, argv=ARGV)
        spec = dataclasses.replace(spec, limits=self.recipe.limits)
        return run_sealed(
            self.bench.engine,
            container.fit(dataclasses.replace(spec, algorithm_id=bundle.digest.removeprefix("sha256:"))),
            folder=self._outputs / str(self._count),
            on_event=lambda _event: None,
            cancelled=lambda: False,
            waiting=container.channel,
        )

    def kept(self) -> list[str]:
        """Return the names of this pool's containers that the engine has."""
        command = [
            "docker",
            "ps",
            "--all",
            "--filter",
            f"label={LABEL_OWNER}={self.owner}",
            "--format",
            "{{.Names}}",
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return [name for name in done.stdout.split() if name.startswith(container_name("warm-"))]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("waited in vain")


@pytest.fixture
def warm(bench: Bench, light_image: str, runtime: Runtime, tmp_path: Path) -> Iterator[WarmBench]:
    bench.image = light_image
    made = WarmBench(bench, tmp_path, runtime)
    yield made
    made.pool.close()
    bench.engine.reap(made.owner)
    cleanup(tmp_path)


def test_an_algorithm_in_a_warm_container_finds_what_it_finds_in_a_cold_one(
    warm: WarmBench, bench: Bench
) -> None:
    code = """
import json, os, sys
print(json.dumps({
    "env": dict(os.environ), "argv": sys.argv, "path": sys.path[0], "name": __name__, "file": __file__,
    "cwd": os.getcwd(), "here": sorted(os.listdir()), "stdin": sys.stdin.read(), "flags": str(sys.flags),
    "open": sorted(os.listdir("/proc/self/fd")), "main": sys.modules["__main__"].__dict__ is globals(),
    "data": open("/data/inputs/" + json.loads(os.environ["DIDS"])[0] + "/0").read(),
    "parameters": json.load(open("/data/inputs/algoCustomData.json")),
    "ddo": json.load(open("/data/ddos/" + os.environ["TRANSFORMATION_DID"]))["id"],
}, indent=1, sort_keys=True))
"""
    cold = bench.run(code, warm.recipe.runtime, parameters={"epochs": 3})
    warm.want()
    warm.settle(warm=1)
    report = warm.run(code)
    assert (report.reason, cold.reason) == (ExitReason.COMPLETED, ExitReason.COMPLETED), printed(report)
    assert printed(report) == printed(cold)


@pytest.mark.parametrize("interpreter", ["python", "python3"])
def test_the_interpreter_that_waits_is_the_one_that_the_job_names(
    warm: WarmBench, bench: Bench, interpreter: str
) -> None:
    code = "import sys; print(sys.executable)"
    cold = bench.run(
        code, warm.recipe.runtime, bundle=make_bundle(code, image=bench.image, start=interpreter)
    )
    warm.recipe = dataclasses.replace(warm.recipe, interpreter=interpreter)
    warm.want()
    warm.settle(warm=1)
    assert printed(warm.run(code)) == printed(cold) == f"/opt/venv/bin/{interpreter}\n"


def test_a_warm_container_has_the_same_seal_and_is_probed_again_for_its_job(
    warm: WarmBench, bench: Bench
) -> None:
    cold = bench.run(OUTPUT, warm.recipe.runtime)
    warm.want()
    warm.settle(warm=1)
    report = warm.run(OUTPUT)
    assert report.seal_digest == cold.seal_digest
    assert report.probe == cold.probe
    assert report.probe is not None
    assert report.probe.passed
    assert [file.path for file in report.outputs] == ["metrics.json"]


def test_a_warm_container_serves_one_job_and_is_gone_afterwards(warm: WarmBench) -> None:
    warm.want()
    warm.settle(warm=1)
    assert len(warm.kept()) == 1
    warm.run(OUTPUT)
    assert warm.kept() == []
    assert warm.pool.take(warm.recipe, ARGV) is None


def test_what_the_interpreter_does_at_its_end_is_done_at_a_warm_one(warm: WarmBench) -> None:
    code = """
import atexit, threading, time, multiprocessing
left_open = open("/data/outputs/a.txt", "w")
left_open.write("buffered")
class Holder: pass
holder = Holder(); holder.stream = open("/data/outputs/b.bin", "wb"); holder.stream.write(b"also"); holder.me = holder
def late():
    time.sleep(0.3); open("/data/outputs/c.txt", "w").write("thread")
threading.Thread(target=late).start()
atexit.register(lambda: open("/data/outputs/d.txt", "w").write("exit"))
def child(queue): queue.put("from a process")
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
process = context.Process(target=child, args=(queue,)); process.start(); print(queue.get(), end=""); process.join()
"""
    warm.want()
    warm.settle(warm=1)
    report = warm.run(code)
    assert report.reason is ExitReason.COMPLETED, printed(report)
    contents = {file.path: file.content.read_bytes() for file in report.outputs}
    assert contents == {"a.txt": b"buffered", "b.bin": b"also", "c.txt": b"thread", "d.txt": b"exit"}
    assert printed(report) == "from a process"


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [
        ("raise ValueError('sad')", ExitReason.ALGORITHM_FAILED, "ValueError: sad"),
        ("import sys; sys.exit(3)", ExitReason.ALGORITHM_FAILED, ""),
        ("import sys; sys.exit('no')", ExitReason.ALGORITHM_FAILED, "no"),
        ("import sys; print('yes'); sys.exit(0)", ExitReason.COMPLETED, "yes"),
        ("import os; os._exit(0)", ExitReason.COMPLETED, ""),
        ("this is no python", ExitReason.ALGORITHM_FAILED, "SyntaxError"),
    ],
)
def test_a_program_ends_warm_as_it_ends_cold(
    warm: WarmBench, code: str, reason: ExitReason, said: str
) -> None:
    warm.want()
    warm.settle(warm=1)
    report = warm.run(code)
    assert report.reason is reason
    assert said in printed(report)


def test_the_deadline_counts_from_the_orders(warm: WarmBench) -> None:
    warm.recipe = dataclasses.replace(warm.recipe, limits=dataclasses.replace(LIMITS, time_s=2))
    warm.want()
    warm.settle(warm=1)
    assert warm.run("while True: pass").reason is ExitReason.TIMEOUT


def test_a_container_that_ended_while_it_waited_is_replaced(warm: WarmBench) -> None:
    warm.want()
    warm.settle(warm=1)
    first = warm.kept()
    subprocess.run(["docker", "kill", *first], check=True, capture_output=True, timeout=60)

    def replaced() -> bool:
        warm.clock.now += 61
        warm.want()
        warm.pool.turn()
        return bool(warm.kept()) and warm.kept() != first

    wait_until(replaced)
    warm.settle(warm=1)
    assert warm.run(OUTPUT).reason is ExitReason.COMPLETED


def test_a_container_that_is_gone_when_its_job_comes_is_told_apart_so_that_the_job_starts_cold(
    warm: WarmBench,
) -> None:
    warm.want()
    warm.settle(warm=1)
    container = warm.take()
    subprocess.run(["docker", "kill", *warm.kept()], check=True, capture_output=True, timeout=60)
    with pytest.raises(WarmLostError):
        warm.run(OUTPUT, container)
    assert warm.kept() == []


def test_a_job_that_finds_a_container_on_its_way_waits_for_it(warm: WarmBench) -> None:
    warm.want()
    warm.pool.turn()
    assert warm.pool.take(warm.recipe, ARGV) is None
    container = warm.pool.take(warm.recipe, ARGV, patience_s=PATIENCE_S)
    assert container is not None
    assert container.is_ready
    assert (warm.pool.report().warm, warm.pool.report().starting) == (0, 0)  # nobody else can have it
    assert warm.run(OUTPUT, container).reason is ExitReason.COMPLETED
    assert warm.kept() == []


def test_a_container_that_ends_while_a_job_waits_for_it_is_removed_and_the_job_starts_cold(
    warm: WarmBench, image_digest: str
) -> None:
    """The image's own libraries take longer to load than it takes to kill the container."""
    limits = dataclasses.replace(LIMITS, memory_bytes=1024 * MIB)
    warm.recipe = dataclasses.replace(warm.recipe, image=image_digest, limits=limits)
    warm.want()
    warm.pool.turn()
    subprocess.run(["docker", "kill", *warm.kept()], check=True, capture_output=True, timeout=60)
    assert warm.pool.take(warm.recipe, ARGV, patience_s=PATIENCE_S) is None
    warm.pool.turn()
    assert warm.kept() == []
    assert list(warm.folder.iterdir()) == []


def test_a_container_that_a_job_waits_for_is_replaced_only_once_it_is_ready(
    warm: WarmBench, image_digest: str
) -> None:
    """The image's own libraries take longer to load than it takes to look for a place in the pool."""
    limits = dataclasses.replace(LIMITS, memory_bytes=1024 * MIB)
    warm.recipe = dataclasses.replace(warm.recipe, image=image_digest, limits=limits)
    warm.want()
    warm.pool.turn()
    with ThreadPoolExecutor(1) as jobs:
        waiting = jobs.submit(warm.pool.take, warm.recipe, ARGV, patience_s=PATIENCE_S)
        wait_until(lambda: warm.pool.report().starting == 0)
        assert not warm.pool.turn()
        container = waiting.result()
    assert warm.pool.turn()
    assert warm.run(OUTPUT, container).reason is ExitReason.COMPLETED


def test_a_job_does_not_wait_longer_than_its_patience(warm: WarmBench) -> None:
    warm.want()
    warm.pool.turn()
    assert warm.pool.take(warm.recipe, ARGV, patience_s=0.001) is None
    warm.pool.close()
    assert warm.kept() == []


def test_a_recipe_that_differs_in_anything_gets_no_container(warm: WarmBench) -> None:
    warm.want()
    warm.settle(warm=1)
    others = [
        dataclasses.replace(warm.recipe, contents="other data"),
        dataclasses.replace(warm.recipe, dataset_ids=("c3" * 32,)),
        dataclasses.replace(warm.recipe, limits=dataclasses.replace(LIMITS, memory_bytes=512 * MIB)),
        dataclasses.replace(warm.recipe, image="sha256:" + "1" * 64),
        dataclasses.replace(warm.recipe, interpreter="python3"),
    ]
    assert [warm.pool.take(other, ARGV) for other in others] == [None] * len(others)
    assert warm.pool.take(warm.recipe, ("sh", "-c", "true")) is None
    warm.take().channel.close()


def test_as_many_are_kept_as_the_size_says_and_none_when_nobody_has_asked_for_long(warm: WarmBench) -> None:
    warm.size = PoolSize(each=2, total=3, idle_s=100.0)
    other = dataclasses.replace(warm.recipe, contents="other data")
    warm.want()
    warm.clock.now += 1
    warm.want(other)
    warm.settle(warm=3)
    assert len(warm.kept()) == 3
    assert warm.pool.report().memory_bytes > 3 * MIB
    warm.size = PoolSize(each=1, total=3, idle_s=100.0)
    warm.settle(warm=2)
    warm.clock.now += 100
    warm.settle(warm=1)
    warm.want(other)
    warm.clock.now += 101
    warm.settle(warm=0)
    assert list(warm.folder.iterdir()) == []


def test_jobs_that_nobody_has_paid_for_take_no_container_from_those_that_ran(warm: WarmBench) -> None:
    warm.size = PoolSize(each=1, total=1, idle_s=600.0)
    stranger = dataclasses.replace(warm.recipe, contents="other data")
    warm.pool.foresee(stranger, warm.stage)
    warm.settle(warm=1)
    warm.want()
    warm.settle(warm=1)
    warm.clock.now += 1
    warm.pool.foresee(stranger, warm.stage)
    warm.settle(warm=1)
    assert warm.pool.take(stranger, ARGV) is None
    assert warm.run(OUTPUT).reason is ExitReason.COMPLETED


def test_what_was_only_foreseen_is_forgotten_after_a_while_however_often_it_is_foreseen(
    warm: WarmBench,
) -> None:
    warm.pool.foresee(warm.recipe, warm.stage)
    warm.settle(warm=1)
    warm.clock.now += 400
    warm.pool.foresee(warm.recipe, warm.stage)
    warm.clock.now += 201
    warm.settle(warm=0)


def test_data_that_cannot_be_staged_keeps_no_container_and_is_not_tried_at_once_again(
    warm: WarmBench,
) -> None:
    tried = []

    def refuse(_target: Path) -> None:
        tried.append(1)
        raise StagingError("these are other bytes than those committed to")

    warm.pool.want(warm.recipe, refuse)
    warm.pool.turn()
    warm.pool.turn()
    assert (len(tried), warm.kept()) == (1, [])
    warm.clock.now += 61
    warm.pool.turn()
    assert len(tried) == 2


def test_a_warm_container_that_is_not_sealed_is_never_handed_out(warm: WarmBench, tmp_path: Path) -> None:
    class Unsealed(DockerEngine):
        def options(self, spec: RunSpec) -> dict[str, Any]:
            options = super().options(spec)
            options["HostConfig"]["ReadonlyRootfs"] = False
            return options

    engine = Unsealed()
    pool = Pool(
        engine, owner=warm.owner, folder=tmp_path / "other", load_size=lambda: warm.size, clock=warm.clock
    )
    pool.want(warm.recipe, warm.stage)
    assert not pool.turn()
    assert pool.take(warm.recipe, ARGV) is None
    assert warm.kept() == []
    engine.close()


def test_a_recipe_that_fails_is_tried_less_and_less_often(warm: WarmBench) -> None:
    tried = []

    def refuse(_target: Path) -> None:
        tried.append(warm.clock.now)
        raise StagingError("these are other bytes than those committed to")

    warm.pool.want(warm.recipe, refuse)
    while len(tried) < 4:
        warm.pool.want(warm.recipe, refuse)
        warm.pool.turn()
        warm.clock.now += 60
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps == [60.0, 120.0, 240.0]


def test_libraries_that_do_not_fit_into_the_memory_limit_leave_a_job_its_cold_start(
    warm: WarmBench, image_digest: str
) -> None:
    """The image's own libraries, under a limit that is too small for them: whatever happens, the job runs."""
    warm.recipe = dataclasses.replace(
        warm.recipe, image=image_digest, limits=dataclasses.replace(LIMITS, memory_bytes=64 * MIB)
    )
    warm.want()

    def over() -> bool:
        warm.clock.now += 1  # its patience ends, even when the kernel lets it crawl
        warm.pool.turn()
        report = warm.pool.report()
        return report.starting == 0

    wait_until(over)
    container = warm.pool.take(warm.recipe, ARGV)
    if container is not None:
        assert warm.run(OUTPUT, container).reason is ExitReason.COMPLETED


def test_containers_of_a_killed_worker_are_found_by_their_label(warm: WarmBench) -> None:
    warm.want()
    warm.settle(warm=1)
    warm.bench.engine.reap(warm.owner)
    assert warm.kept() == []


def test_only_a_plain_start_of_the_algorithm_by_python_fits_a_waiting_interpreter() -> None:
    assert fits(("python3", ARGV[1], "--epochs", "3"))
    assert not any(fits(argv) for argv in [("python", "-u", ARGV[1]), ("python",), ("sh", ARGV[1]), ()])


def test_a_label_names_modules_and_nothing_else() -> None:
    assert preload_of({"org.sealroom.preload": "torch numpy.linalg -c x;y __import__('os')"}) == (
        "torch",
        "numpy.linalg",
    )
    assert preload_of({}) == ()
