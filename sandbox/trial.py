"""A throw-away sealed run, to see whether an engine, a runtime and an image can seal a job: the very seal of a real job.

Nothing of a dataset is in it. What it says of the probe is what a job's receipt would say.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandbox.bundle import Bundle, parse_bundle
from sandbox.engine import Engine
from sandbox.errors import EngineUnavailableError, ImageMissingError, RuntimeMissingError
from sandbox.expectation import NOT_SEEN
from sandbox.run import run_sealed
from sandbox.spec import ExitReason, Limits, RunReport, RunSpec, Runtime
from sandbox.staging import cleanup, stage

MIB = 1024 * 1024
LIMITS = Limits(
    time_s=30,
    memory_bytes=256 * MIB,
    cpus="1.0",
    pids=64,
    scratch_bytes=4 * MIB,
    output_bytes=1 * MIB,
    output_files=8,
    log_bytes=16 * 1024,
    open_files=256,
    file_bytes=4 * MIB,
)
PROGRAM = b"pass\n"
MANIFEST = """
name: trial
version: "1"
main: main.py
entrypoint: python3 $ALGO
image: {image}
parameters: {{type: object}}
outputs: {{metrics: {{values: [{{name: nothing, min: 0, max: 1, digits: 1}}]}}}}
"""


NO_START = "the engine can't start a sealed container of it: is Python 3.9 or newer there as python3? Its log says more"
NO_INIT = "its python3 can't run our init: the image needs Python 3.9 or newer"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial on one runtime came to: `problem` is empty when a job could be sealed so."""

    runtime: Runtime
    problem: str
    report: RunReport | None

    @property
    def passed(self) -> bool:
        """Whether the program ran and the probe found the seal whole."""
        return not self.problem


def try_image(
    engine: Engine, image: str, folder: Path, *, runtimes: Iterable[Runtime] | None = None
) -> tuple[Trial, ...]:
    """Try an image on `runtimes`, by default on all that the engine has.

    Raises:
        ImageMissingError: the engine doesn't hold the image.
        EngineUnavailableError: the engine doesn't answer.
    """
    chosen = sorted(engine.runtimes() if runtimes is None else runtimes)
    return tuple(_try(engine, image, runtime, folder) for runtime in chosen)


def _try(engine: Engine, image: str, runtime: Runtime, folder: Path) -> Trial:
    try:
        report = run_trial(engine, image, runtime, folder)
    except ImageMissingError:
        raise
    except RuntimeMissingError as error:
        return Trial(runtime, str(error), None)
    except EngineUnavailableError:
        engine.check()  # an engine that answers has refused the image, not the call
        return Trial(runtime, NO_START, None)
    return Trial(runtime, _problem(report), report)


def _problem(report: RunReport) -> str:
    if report.probe is None:
        return NO_INIT
    failed = [row for row in report.probe.rows if not row.ok]
    differing = [
        row for row in failed if row.seen != NOT_SEEN
    ]  # what is broken outside is not looked at inside
    if failed:
        return f"the seal is not whole: {', '.join(row.check for row in differing or failed)}"
    return "" if report.reason is ExitReason.COMPLETED else f"the trial ended as {report.reason.value}"


def run_trial(engine: Engine, image: str, runtime: Runtime, folder: Path) -> RunReport:
    """Run a program that does nothing, sealed, and return the report. `folder` must exist; nothing is left in it.

    Raises:
        ImageMissingError: the engine doesn't hold the image.
        RuntimeMissingError: the engine doesn't have the runtime.
        EngineUnavailableError: the engine doesn't answer, or can't start the image's Python.
    """
    bundle, work = _bundle(image), folder / f"trial-{secrets.token_hex(8)}"
    try:
        staged = stage(work / "inputs", [], bundle, {})
        spec = RunSpec(
            run_id=work.name,
            owner=f"sealroom-trial-{os.getpid()}",
            image=image,
            runtime=runtime,
            argv=bundle.manifest.argv,
            inputs=staged.root,
            dataset_ids=(),
            algorithm_id=bundle.digest.removeprefix("sha256:"),
            limits=LIMITS,
        )
        return run_sealed(
            engine, spec, folder=work / "outputs", on_event=lambda _: None, cancelled=lambda: False
        )
    finally:
        cleanup(work)


def _bundle(image: str) -> Bundle:
    return parse_bundle({"algorithm.yaml": MANIFEST.format(image=image).encode(), "main.py": PROGRAM})
