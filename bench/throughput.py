"""Jobs per minute, two at a time: sealed runs with a pool that starts empty, and a shell loop of `docker run`."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from bench.example import OWNER, Example, ignore, stage_data
from bench.machine import busy_s
from provider.jobs.loop import run_loop
from sandbox.engine import DockerEngine
from sandbox.pool import Pool, PoolSize
from sandbox.spec import Runtime
from sandbox.staging import cleanup

AT_ONCE = 2
POLL_S = 0.05
IDLE_S = 900.0
LOOP_TIMEOUT_S = 3600


@dataclass(frozen=True, slots=True)
class Block:
    """Some jobs of one side: how long they took, what processor time the machine spent on them, how many found a container."""

    jobs: int
    wall_s: float
    cpu_s: float
    warm: int = 0


@dataclass(frozen=True, slots=True)
class Throughput:
    """The blocks of both sides, in which they took turns."""

    ours: tuple[Block, ...]
    theirs: tuple[Block, ...]

    @property
    def ratio(self) -> float:
        """Our jobs per minute by theirs."""
        return per_minute(self.ours) / per_minute(self.theirs)

    def to_json(self) -> dict[str, Any]:
        """Return every block, and what a job costs on each side."""
        sides = {"ours": self.ours, "theirs": self.theirs}
        return {
            name: {
                "per_minute": round(per_minute(blocks), 3),
                "cpu_s_per_job": round(sum(b.cpu_s for b in blocks) / sum(b.jobs for b in blocks), 3),
                "cores_busy": round(sum(b.cpu_s for b in blocks) / sum(b.wall_s for b in blocks), 3),
                "blocks": [asdict(block) for block in blocks],
            }
            for name, blocks in sides.items()
        }


def per_minute(blocks: Sequence[Block]) -> float:
    """Return the jobs per minute over all blocks."""
    return 60 * sum(block.jobs for block in blocks) / sum(block.wall_s for block in blocks)


def measure_throughput(example: Example, jobs: int, size: PoolSize) -> Throughput:
    """Run `jobs` jobs on each side: half of theirs, all of ours, the other half, so that a drift hits both."""
    half = jobs // 2
    before = run_loop_of_docker(example, half, "before")
    ours = run_pooled(example, jobs, size)
    return Throughput((ours,), (before, run_loop_of_docker(example, jobs - half, "after")))


def run_pooled(example: Example, jobs: int, size: PoolSize) -> Block:
    """Run jobs through a pool that is empty at the start and kept full all the time, by as many threads as jobs at once."""
    engines = [DockerEngine() for _ in range(AT_ONCE + 1)]
    pool = Pool(engines[-1], owner=OWNER, folder=example.folder / "pool", load_size=lambda: size)
    stop, lock, waiting = threading.Event(), threading.Lock(), iter(range(jobs))

    def work(engine: DockerEngine) -> int:
        found = 0
        while True:
            with lock:
                number = next(waiting, None)
            if number is None:
                return found
            pool.want(example.recipe(Runtime.RUNC), stage_data)
            found += example.run_from_pool(f"pooled-{number}", engine, pool, Runtime.RUNC)

    keeper = threading.Thread(
        target=run_loop,
        args=(pool.turn,),
        kwargs={"exit_callback": stop.is_set, "pause_s": POLL_S, "wake": stop},
    )
    begun, busy = time.perf_counter(), busy_s()
    keeper.start()
    try:
        with ThreadPoolExecutor(AT_ONCE) as runners:
            warm = sum(runners.map(work, engines[:AT_ONCE]))
        block = Block(jobs, round(time.perf_counter() - begun, 3), round(busy_s() - busy, 2), warm)
    finally:
        stop.set()
        keeper.join()
        pool.close()
        for engine in engines:
            engine.close()
    return block


def measure_costs(example: Example, repeats: int) -> dict[str, float]:
    """Return the processor seconds of the whole machine for one job by itself, by the way that it runs."""
    engine = DockerEngine()
    ways: dict[str, Callable[[str], object]] = {
        "bare": example.run_bare,
        "docker run": example.run_plain,
        "docker run --network none": lambda name: example.run_plain(name, network="none"),
        "sealed, cold": lambda name: example.run_cold(name, engine, Runtime.RUNC, on_event=ignore),
        "sealed, warm, with getting warm": lambda name: run_warmed(example, engine, name),
    }
    costs: dict[str, float] = {}
    for way, run in ways.items():
        busy = busy_s()
        for number in range(repeats):
            run(f"cost-{len(costs)}-{number}")
        costs[way] = round((busy_s() - busy) / repeats, 3)
    engine.close()
    return costs


def run_warmed(example: Example, engine: DockerEngine, name: str) -> None:
    """Have one container get warm, and run one job in it."""
    size = PoolSize(1, 1, IDLE_S)
    pool = Pool(engine, owner=OWNER, folder=example.folder / f"pool-{name}", load_size=lambda: size)
    pool.want(example.recipe(Runtime.RUNC), stage_data)
    pool.turn()
    while pool.report().warm == 0:
        time.sleep(POLL_S)
        pool.turn()
    example.run_from_pool(name, engine, pool, Runtime.RUNC)
    pool.close()


def run_loop_of_docker(example: Example, jobs: int, name: str) -> Block:
    """Run jobs by a shell loop."""
    outputs = example.folder / f"loop-{name}"
    cleanup(outputs)
    for number in range(jobs):
        (outputs / str(number)).mkdir(parents=True)
    words = ["xargs", "-P", str(AT_ONCE), "-I", "{}", *example.docker_words(f"{outputs}/{{}}")]
    begun, busy = time.perf_counter(), busy_s()
    names = "".join(f"{number}\n" for number in range(jobs))
    subprocess.run(words, input=names, text=True, check=True, timeout=LOOP_TIMEOUT_S)
    return Block(jobs, round(time.perf_counter() - begun, 3), round(busy_s() - busy, 2))
