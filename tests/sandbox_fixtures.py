"""A real engine, the real image, and a bench that runs small algorithms truly sealed."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox.bundle import Bundle, parse_bundle
from sandbox.engine import DockerEngine, Engine
from sandbox.errors import EngineUnavailableError
from sandbox.imagestore import ImageStore
from sandbox.run import run_sealed
from sandbox.spec import Limits, RunReport, RunSpec, Runtime
from sandbox.staging import StagedDataset, cleanup, stage
from sandbox.training import TrainingOrders
from sandbox.warm import PRELOAD_LABEL

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
OWNER = f"sealroom-tests-{os.getpid()}"  # two test runs on one engine leave each other alone
ASSET = "a1" * 32
IMAGE = "sha256:" + "0" * 64
LIMITS = Limits(
    time_s=20,
    memory_bytes=256 * MIB,
    cpus="1.0",
    pids=64,
    scratch_bytes=4 * MIB,
    output_bytes=2 * MIB,
    output_files=8,
    log_bytes=16 * 1024,
    open_files=256,
    file_bytes=8 * MIB,
)
MANIFEST = """
name: tested
version: "1"
main: main.py
entrypoint: {start} $ALGO
image: {image}
parameters: {{type: object}}
outputs: {{metrics: {{values: [{{name: accuracy, min: 0, max: 1, digits: 3}}]}}}}
"""


def make_bundle(
    code: str, *, image: str = IMAGE, start: str = "python", files: Mapping[str, bytes] | None = None
) -> Bundle:
    """Return a bundle whose main file is `code`, which the program `start` starts."""
    manifest = MANIFEST.format(image=image, start=start).encode()
    return parse_bundle({"algorithm.yaml": manifest, "main.py": code.encode(), **(files or {})})


def make_spec(inputs: Path, *, runtime: Runtime = Runtime.RUNC, **changes: Any) -> RunSpec:
    """Return a spec that never runs, with `changes`."""
    spec = RunSpec(
        run_id="tested",
        owner=OWNER,
        image=IMAGE,
        runtime=runtime,
        argv=("python", "/data/transformations/algorithm"),
        inputs=inputs,
        dataset_ids=(ASSET,),
        algorithm_id="b2" * 32,
        limits=LIMITS,
    )
    return dataclasses.replace(spec, **changes)


class Bench:
    """Stages and runs one algorithm after another."""

    def __init__(self, engine: Engine, image: str, folder: Path) -> None:
        self.engine = engine
        self.image = image
        self._folder = folder
        self._count = 0
        self.events: list[str] = []

    def run(
        self,
        code: str,
        runtime: Runtime,
        *,
        datasets: Sequence[StagedDataset] | None = None,
        parameters: Mapping[str, Any] | None = None,
        bundle: Bundle | None = None,
        orders: TrainingOrders | None = None,
        engine: Engine | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        **limits: Any,
    ) -> RunReport:
        """Run `code` (or `bundle`) sealed and return the report."""
        self._count += 1
        work = self._folder / str(self._count)
        bundle = bundle or make_bundle(code, image=self.image)
        if datasets is None:
            datasets = [self.dataset(b"x,y\n1,2\n")]
        staged = stage(work / "inputs", datasets, bundle, parameters or {}, orders=orders)
        spec = make_spec(
            staged.root,
            run_id=f"test-{os.getpid()}-{self._folder.name.lower().replace('_', '-')}-{self._count}"[:100],
            runtime=runtime,
            image=self.image,
            argv=bundle.manifest.argv,
            dataset_ids=tuple(dataset.asset_id for dataset in datasets),
            algorithm_id=bundle.digest.removeprefix("sha256:"),
            limits=dataclasses.replace(LIMITS, **limits),
        )
        self.events = []
        return run_sealed(
            engine or self.engine,
            spec,
            folder=work / "outputs",
            on_event=self.events.append,
            cancelled=cancelled,
        )

    def dataset(self, *contents: bytes, asset_id: str = ASSET, names: Sequence[str] = ()) -> StagedDataset:
        """Return a dataset of files with these contents."""
        folder = self._folder / "source" / asset_id
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, content in enumerate(contents):
            path = folder / f"{number}.csv"
            path.write_bytes(content)
            paths.append(path)
        given = tuple(names) or tuple(path.name for path in paths)
        return StagedDataset(asset_id, tuple(paths), given, "tested")


def printed(report: RunReport) -> str:
    """Return what the algorithm printed, as the data's owner may see it."""
    return report.log.read_text() if report.log else ""


@pytest.fixture(scope="session")
def image_digest() -> str:
    done = subprocess.run(
        [ROOT / "deploy" / "image" / "build.sh"], check=True, capture_output=True, text=True, timeout=1800
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def light_image(image_digest: str) -> str:
    """The same image, for which a waiting interpreter loads next to nothing."""
    build = ["docker", "build", "--quiet", "--network", "none", "--label", f"{PRELOAD_LABEL}=json csv", "-"]
    done = subprocess.run(
        build, input=f"FROM {image_digest}\n", check=True, capture_output=True, text=True, timeout=300
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    found = DockerEngine()
    found.check()
    yield found
    found.reap(OWNER)
    found.close()


@pytest.fixture(scope="session")
def image_store() -> Iterator[ImageStore]:
    found = ImageStore()
    yield found
    found.close()


@pytest.fixture
def bench(engine: DockerEngine, image_digest: str, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(engine, image_digest, tmp_path)
    cleanup(tmp_path)


def list_runtimes() -> list[Runtime]:
    """Return the runtimes to test on: those of the engine, and those that SEALROOM_TEST_RUNTIMES says it has to have.

    The plain one, whose tests then fail, when no engine answers.
    """
    demanded = {Runtime(name) for name in os.environ.get("SEALROOM_TEST_RUNTIMES", "").split()}
    found = DockerEngine()
    try:
        return sorted(found.runtimes() | demanded)
    except EngineUnavailableError:
        return sorted({Runtime.RUNC} | demanded)
    finally:
        found.close()
