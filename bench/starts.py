"""How long a run takes, start included: a cold one beside `docker run`, and a long one beside the bare script."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.example import Example, ignore
from bench.figures import Pairs, seconds_of, take_turns
from sandbox.engine import DockerEngine, Engine
from sandbox.spec import RunSpec, Runtime

CALIBRATION_EPOCHS = (200, 1200)


class PinnedEngine(DockerEngine):
    """An engine that also keeps its containers on one processor. The seal is the same otherwise."""

    def __init__(self, core: int) -> None:
        super().__init__()
        self._core = core

    def options(self, spec: RunSpec) -> dict[str, Any]:
        """See `DockerEngine.options`."""
        options = super().options(spec)
        options["HostConfig"]["CpusetCpus"] = str(self._core)
        return options


def measure_cold(example: Example, engine: Engine, repeats: int, *, network: str) -> Pairs:
    """Measure a cold sealed run against a plain `docker run` on `network`."""
    return take_turns(
        repeats,
        lambda n: seconds_of(lambda: example.run_cold(f"cold-{n}", engine, Runtime.RUNC, on_event=ignore)),
        lambda n: seconds_of(lambda: example.run_plain(f"plain-{n}", network=network)),
    )


def calibrate(example: Example, folder: Path, seconds: float) -> Example:
    """Return the example with so many epochs that it trains for about `seconds`, whatever it takes to start."""
    few, many = CALIBRATION_EPOCHS
    took = []
    for epochs in (few, many):
        trial = example.train_longer(epochs, folder / f"trial-{epochs}")
        trial.lay_out()
        took.append(seconds_of(lambda trial=trial: trial.run_bare("bare")))  # type: ignore[misc] # mypy can't see through the default
    epoch_s = (took[1] - took[0]) / (many - few)
    longer = example.train_longer(max(1, round(seconds / epoch_s)), folder / "long")
    longer.lay_out()
    return longer


def measure_long(example: Example, runtime: Runtime, repeats: int) -> Pairs:
    """Measure sealed against bare, both at the same time on a processor of its own, which they swap after each pair."""
    pairs = [_run_both(example, runtime, number) for number in range(repeats)]
    return Pairs(tuple(ours for ours, _ in pairs), tuple(theirs for _, theirs in pairs))


def _run_both(example: Example, runtime: Runtime, number: int) -> Sequence[float]:
    core = number % 2
    engine = PinnedEngine(core)
    name = f"long-{runtime}-{number}"
    begun = time.perf_counter()

    def sealed() -> float:
        example.run_cold(name, engine, runtime, on_event=ignore)
        return time.perf_counter() - begun

    def bare() -> float:
        example.run_bare(f"{name}-bare", core=1 - core)
        return time.perf_counter() - begun

    with ThreadPoolExecutor(2) as both:
        found = [both.submit(side) for side in (sealed, bare)]
        try:
            return [future.result() for future in found]
        finally:
            engine.close()
