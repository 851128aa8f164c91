"""How fast a run's outputs come out, and how much memory the collecting side needs; in a process of its own.

    python -m bench.collecting IMAGE SIZE_BYTES

prints one JSON object: `mb_s` (millions of bytes a second, from the init's result to the end of the stream) and
`peak_mb` (how far the process's peak rose during the run, in 2^20 bytes).
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.example import LIMITS, MIB, OWNER, RunFailedError
from sandbox.bundle import parse_bundle
from sandbox.engine import DockerEngine
from sandbox.run import run_sealed
from sandbox.spec import ExitReason, RunSpec, Runtime
from sandbox.staging import cleanup, stage

MANIFEST = """
name: writer
version: "1"
main: main.py
entrypoint: python $ALGO
image: {image}
parameters: {{type: object}}
outputs: {{metrics: {{values: [{{name: accuracy, min: 0, max: 1, digits: 3}}]}}}}
"""
WRITER = """
import os, sys
from pathlib import Path
block, left = os.urandom(64 * 2**20), {size}
with Path("/data/outputs/model.bin").open("wb", buffering=0) as stream:
    while left:
        left -= stream.write(block[:left])
"""


class TimedEngine(DockerEngine):
    """Remembers when a run's container was last removed, which is what comes after the stream's end."""

    removed: float = 0.0

    def remove(self, run_id: str) -> None:
        """See `DockerEngine.remove`."""
        self.removed = time.perf_counter()
        super().remove(run_id)


def measure(image: str, size: int) -> dict[str, float]:
    """Collect `size` bytes from one sealed run on runc."""
    seen: dict[str, float] = {}
    engine = TimedEngine()
    with tempfile.TemporaryDirectory(prefix="bench-collecting-") as name:
        work = Path(name)
        bundle = parse_bundle(
            {
                "algorithm.yaml": MANIFEST.format(image=image).encode(),
                "main.py": WRITER.format(size=size).encode(),
            }
        )
        stage(work / "inputs", [], bundle, {})
        before = _peak()
        report = run_sealed(
            engine,
            _spec(image, work, bundle.digest, bundle.manifest.argv, size),
            folder=work / "outputs",
            on_event=lambda event: seen.update({event: time.perf_counter()}),
            cancelled=lambda: False,
        )
        peak = _peak()
        cleanup(work / "inputs")
        if report.reason is not ExitReason.COMPLETED or report.outputs[0].size_bytes != size:
            raise RunFailedError(f"the sealed run ended with {report.reason}")
    seconds = engine.removed - seen["collecting"]
    engine.close()
    return {"mb_s": size / 1e6 / seconds, "peak_mb": (peak - before) / MIB, "seconds": seconds}


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(prog="bench.collecting")
    parser.add_argument("image")
    parser.add_argument("size", type=int)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.image, arguments.size)))


def _spec(image: str, work: Path, digest: str, argv: tuple[str, ...], size: int) -> RunSpec:
    limits = replace(LIMITS, output_bytes=size + MIB, file_bytes=size, memory_bytes=2 * size + 512 * MIB)
    return RunSpec(
        run_id=f"{OWNER}-collecting",
        owner=OWNER,
        image=image,
        runtime=Runtime.RUNC,
        argv=argv,
        inputs=work / "inputs",
        dataset_ids=(),
        algorithm_id=digest.removeprefix("sha256:"),
        limits=limits,
    )


def _peak() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
