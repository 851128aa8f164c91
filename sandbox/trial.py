"""A throw-away sealed run, to see whether an engine, a runtime and an image can seal a job: the very seal of a real job.

Nothing of a dataset is in it. What it says of the probe is what a job's receipt would say.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sandbox.bundle import Bundle, parse_bundle
from sandbox.engine import Engine
from sandbox.run import run_sealed
from sandbox.spec import Limits, RunReport, RunSpec, Runtime
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
