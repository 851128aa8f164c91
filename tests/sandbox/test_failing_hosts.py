"""What happens around a sealed container when the host fails: its disk, its engine, its memory. Nothing is left behind."""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sandbox.engine import DockerEngine
from sandbox.pool import Pool
from sandbox.seal import LABEL_OWNER
from sandbox.spec import ExitReason, Runtime
from sandbox.staging import cleanup
from sandbox.warm import PRELOAD_LABEL
from tests.sandbox.test_pool import WarmBench
from tests.sandbox_fixtures import MIB, OWNER, Bench

SOCKET = Path("/var/run/docker.sock")
GREEDY = "hoard = b'x' * (1 << 30)"
FORKING = "import os, time\nif os.fork() == 0: time.sleep(3600)"
BUSY = "import time; end = time.process_time() + 3\nwhile time.process_time() < end: pass"


class Line:
    """A way to the engine that can be cut: a link to its socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.mend()

    def cut(self) -> None:
        self.path.unlink()

    def mend(self) -> None:
        self.path.symlink_to(SOCKET)


class CutShort(DockerEngine):
    """An engine that is away from when a container has been looked at."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.url)
        self._line = line

    def limits_in_force(self, run_id: str) -> dict[str, str]:
        found = super().limits_in_force(run_id)
        self._line.cut()
        return found


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path / "engine.sock")


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file of this process can get larger than somewhat less than one frame."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB - 4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def warm(bench: Bench, light_image: str, runtime: Runtime, tmp_path: Path) -> Iterator[WarmBench]:
    bench.image = light_image
    made = WarmBench(bench, tmp_path, runtime)
    yield made
    made.pool.close()
    bench.engine.reap(made.owner)
    cleanup(tmp_path)


def list_containers(owner: str, part: str = "") -> list[str]:
    command = ["docker", "ps", "--all", "--filter", f"label={LABEL_OWNER}={owner}", "--format", "{{.Names}}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [name for name in done.stdout.split() if part in name]


def preloading(image: str, module: str) -> str:
    """Return the image with a module that waiting interpreters load."""
    write = (
        f"import sysconfig; open(sysconfig.get_path('purelib') + '/loaded_ahead.py', 'w').write({module!r})"
    )
    steps = ["USER root", "RUN " + json.dumps(["python", "-c", write]), f"LABEL {PRELOAD_LABEL}=loaded_ahead"]
    done = subprocess.run(
        ["docker", "build", "--quiet", "--network", "none", "-"],
        input="\n".join([f"FROM {image}", *steps]),
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout.strip()


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_while_outputs_come_ends_in_a_report_and_leaves_no_container(
    bench: Bench, runtime: Runtime
) -> None:
    report = bench.run("open('/data/outputs/large', 'wb').write(b'x' * 1_600_000)", runtime)
    assert (report.reason, report.outputs) == (ExitReason.ENGINE_FAILED, ())
    assert list_containers(OWNER, "a-full-disk") == []


def test_a_container_that_could_not_be_removed_is_removed_when_the_engine_is_back(
    bench: Bench, runtime: Runtime, line: Line
) -> None:
    engine = CutShort(line)
    report = bench.run("pass", runtime, engine=engine)
    assert report.reason is ExitReason.COMPLETED
    assert len(list_containers(OWNER, "container-that-could")) == 1
    line.mend()
    engine.remove("another-run")
    engine.close()
    assert list_containers(OWNER, "container-that-could") == []


def test_a_warm_container_that_the_engine_lost_sight_of_is_removed_later_and_its_data_at_once(
    warm: WarmBench, line: Line
) -> None:
    engine = CutShort(line)
    pool = Pool(engine, owner=warm.owner, folder=warm.folder, load_size=lambda: warm.size, clock=warm.clock)
    pool.want(warm.recipe, warm.stage)
    assert pool.turn()
    pool.close()
    assert len(warm.kept()) == 1
    assert list(warm.folder.iterdir()) == []
    line.mend()
    engine.remove("another-run")
    engine.close()
    assert warm.kept() == []


def test_whatever_goes_wrong_while_a_container_is_made_leaves_neither_it_nor_its_data(
    warm: WarmBench, tmp_path: Path
) -> None:
    class Defective(DockerEngine):
        def limits_in_force(self, _run_id: str) -> dict[str, str]:
            raise ZeroDivisionError

    engine = Defective()
    pool = Pool(
        engine, owner=warm.owner, folder=tmp_path / "other", load_size=lambda: warm.size, clock=warm.clock
    )
    pool.want(warm.recipe, warm.stage)
    with pytest.raises(ZeroDivisionError):
        pool.turn()
    engine.close()
    assert warm.kept() == []
    assert list((tmp_path / "other").iterdir()) == []


def test_memory_that_libraries_ran_out_of_is_not_held_against_the_algorithm(
    warm: WarmBench, light_image: str
) -> None:
    if warm.recipe.runtime is Runtime.RUNSC:
        return  # there the memory limit ends the whole container, which is never handed out
    warm.recipe = dataclasses.replace(warm.recipe, image=preloading(light_image, GREEDY))
    warm.want()
    warm.settle(warm=1)
    assert warm.run("import sys; sys.exit(3)").reason is ExitReason.ALGORITHM_FAILED


def test_cpu_time_that_libraries_took_is_not_counted_as_the_algorithms(
    warm: WarmBench, light_image: str
) -> None:
    warm.recipe = dataclasses.replace(warm.recipe, image=preloading(light_image, BUSY))
    warm.want()
    warm.settle(warm=1)
    report = warm.run("print('ran')")
    assert report.reason is ExitReason.COMPLETED
    assert Decimal(report.cpu_s) < 2


def test_libraries_that_leave_a_process_running_leave_a_job_its_cold_start(
    warm: WarmBench, light_image: str
) -> None:
    warm.recipe = dataclasses.replace(warm.recipe, image=preloading(light_image, FORKING))
    warm.want()
    assert warm.pool.turn()
    warm.settle(warm=0)
    assert warm.kept() == []
