"""`make bench-seal`: what the seal costs, and what the pool of warm containers gains.

Every ratio is of two sides that took turns in this one run, in medians. Prints a table and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.bare import ROOT, prepare_python
from bench.clinic import open_clinic
from bench.example import OWNER, Example, load_example
from bench.figures import Row, at_least, at_most, format_rows, seconds_of, take_turns, write_rows
from bench.machine import describe_machine, find_network, run_words
from bench.starts import calibrate, measure_cold, measure_long
from bench.throughput import AT_ONCE, measure_costs, measure_throughput, per_minute
from sandbox.engine import DockerEngine
from sandbox.pool import PoolSize
from sandbox.spec import Runtime

PARTS = ("cold", "warm", "long", "throughput", "collect")
COLD_TARGET = 1.10
WARM_TARGET = 1.0
LONG_TARGET = 1.03
THROUGHPUT_TARGET = 1.5
COLLECT_TARGET_MB_S = 200.0
COLLECT_PEAK_TARGET_MB = 64.0
COLLECT_TIMEOUT_S = 600
NOTES = {
    "cold": "ours: stage, start, probe, run, collect and remove; theirs: a plain `docker run --rm` on the "
    "engine's own network, and in the details one with --network none",
    "warm": "ours: from sending a job that is paid for to the provider's API, to its encrypted weights and its receipt "
    "on disk; a container waits for it each time, and the machine is otherwise idle; theirs: `python train.py`",
    "long": "both at the same time, each on a processor of its own, swapped after each pair; the sealed run starts cold",
    "throughput": "two at a time; the pool starts empty and is kept full meanwhile; theirs: xargs -P 2 docker run --rm",
    "collect": "from the init's result to the end of the stream, runc, one file of random bytes; the peak is that of the "
    "whole run in a fresh process",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    repeats: int
    long_s: float
    jobs: int
    collect_bytes: int
    pool: PoolSize


# More than a provider keeps by default: on a busy machine each container that gets warm takes the place of a cold start.
POOL = PoolSize(each=4, total=4, idle_s=900.0)
FULL = Scale(repeats=7, long_s=60.0, jobs=200, collect_bytes=2**30, pool=POOL)
QUICK = Scale(repeats=1, long_s=5.0, jobs=16, collect_bytes=2**28, pool=POOL)


@dataclass(frozen=True, slots=True)
class Results:
    """The rows so far, in the order they came, and every single figure behind them."""

    rows: list[Row] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, row: Row, detail: object) -> None:
        """Keep a row and show it."""
        self.rows.append(row)
        self.details[row.name] = detail
        say(f"{row.name}: {row.value} {row.unit} ({row.words})")


def measure_cold_starts(example: Example, scale: Scale, results: Results) -> None:
    """Add `cold_ratio_runc`."""
    engine = DockerEngine()
    networks = dict.fromkeys([example.network, "none"])
    found = {network: measure_cold(example, engine, scale.repeats, network=network) for network in networks}
    engine.close()
    pairs = found[example.network]
    detail: dict[str, Any] = {"ratio_to_network_none": round(found["none"].ratio, 4)}
    detail |= {f"network_{network}": each.to_json() for network, each in found.items()}
    results.add(pairs.row("cold_ratio_runc", COLD_TARGET), detail)


def measure_warm_starts(example: Example, scale: Scale, results: Results) -> None:
    """Add `warm_ratio_runc` and `warm_ratio_runsc`."""
    for runtime in list_runtimes():
        with open_clinic(example.folder / f"clinic-{runtime}", example.image, runtime) as clinic:
            first = clinic.run_job()

            def ours(_number: int) -> float:
                clinic.wait_until_warm()
                return clinic.run_job()

            def theirs(number: int) -> float:
                clinic.wait_until_warm()  # or else it would share the processors with a container that gets ready
                return seconds_of(lambda: example.run_bare(f"warm-{number}"))

            pairs = take_turns(scale.repeats, ours, theirs)
        row = pairs.row(f"warm_ratio_{runtime}", WARM_TARGET)
        results.add(row, pairs.to_json() | {"first_job_cold_s": round(first, 3)})


def measure_long_runs(example: Example, scale: Scale, results: Results) -> None:
    """Add `long_ratio_runc` and `long_ratio_runsc`."""
    longer = calibrate(example, example.folder / "longer", scale.long_s)
    for runtime in list_runtimes():
        pairs = measure_long(longer, runtime, scale.repeats)
        target = LONG_TARGET if runtime is Runtime.RUNC else None
        detail = pairs.to_json() | {"epochs": longer.parameters["epochs"]}
        results.add(pairs.row(f"long_ratio_{runtime}", target), detail)


def measure_jobs_per_minute(example: Example, scale: Scale, results: Results) -> None:
    """Add `jobs_per_minute_ratio`."""
    found = measure_throughput(example, scale.jobs, scale.pool)
    words = f"{per_minute(found.ours):.1f} / {per_minute(found.theirs):.1f} jobs per minute"
    row = at_least("jobs_per_minute_ratio", found.ratio, "ratio", THROUGHPUT_TARGET, words)
    costs = measure_costs(example, scale.repeats)
    results.add(row, found.to_json() | {"pool": asdict(scale.pool), "at_once": AT_ONCE, "cpu_s_alone": costs})


def measure_collecting(example: Example, scale: Scale, results: Results) -> None:
    """Add `collect_mb_s` and `collect_peak_mb`, each the median of several runs."""
    command = [sys.executable, "-m", "bench.collecting", example.image, str(scale.collect_bytes)]
    runs: list[dict[str, float]] = []
    for _ in range(scale.repeats):
        done = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=COLLECT_TIMEOUT_S
        )
        runs.append(json.loads(done.stdout))
    rate = sorted(run["mb_s"] for run in runs)[len(runs) // 2]
    peak = max(run["peak_mb"] for run in runs)
    words = f"{scale.collect_bytes >> 20} MiB in {scale.collect_bytes / 1e6 / rate:.2f} s"
    results.add(at_least("collect_mb_s", rate, "MB/s", COLLECT_TARGET_MB_S, words), runs)
    results.add(at_most("collect_peak_mb", peak, "MB", COLLECT_PEAK_TARGET_MB), runs)


MEASURES: dict[str, Callable[[Example, Scale, Results], None]] = dict(
    zip(
        PARTS,
        (
            measure_cold_starts,
            measure_warm_starts,
            measure_long_runs,
            measure_jobs_per_minute,
            measure_collecting,
        ),
        strict=True,
    )
)


def main() -> None:
    """Measure, print, write."""
    logging.basicConfig(level=logging.WARNING)
    arguments = parse_arguments()
    image = arguments.image_file.read_text(encoding="ascii").strip()
    scale = QUICK if arguments.quick else FULL
    conditions = describe_machine(image)
    python, network = prepare_python(conditions["image_python"]), find_network(image)
    conditions |= {
        "plain_network": network,
        "bare_python": run_words(str(python), "-VV"),
        "quick": arguments.quick,
        "repeats": scale.repeats,
        "long_s": scale.long_s,
        "jobs": scale.jobs,
        "threads": 1,
        "how": {name: NOTES[name] for name in arguments.only},
    }
    results = Results()
    with tempfile.TemporaryDirectory(prefix="bench-seal-", ignore_cleanup_errors=True) as folder:
        example = load_example(Path(folder), image, python, network)
        example.run_bare("unmeasured")  # so that nobody reads the libraries from the disk first
        example.run_plain("unmeasured")
        try:
            for name in arguments.only:
                say(f"measuring: {name}")
                MEASURES[name](example, scale, results)
        finally:
            engine = DockerEngine()
            engine.reap(OWNER)
            engine.close()
    conditions["load_average_after"] = [round(load, 2) for load in os.getloadavg()]
    write_rows(arguments.output, conditions, results.rows, results.details)
    print(format_rows(results.rows))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench-seal", description="Measure the seal.")
    parser.add_argument("--image-file", type=Path, default=ROOT / ".build" / "image-id")
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "seal.json")
    parser.add_argument("--quick", action="store_true", help="little of everything: to see that it works")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    return parser.parse_args()


def list_runtimes() -> list[Runtime]:
    """Return the runtimes to measure, the plain one first."""
    engine = DockerEngine()
    try:
        return sorted(engine.runtimes())
    finally:
        engine.close()


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
