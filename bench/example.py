"""The example network in the three ways that are compared: bare, by a plain `docker run`, and sealed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from provider.jobs.launch import WARM_PATIENCE_S
from sandbox.bundle import Bundle, load_bundle
from sandbox.engine import Engine
from sandbox.pool import Pool
from sandbox.run import run_sealed
from sandbox.spec import ExitReason, Limits, RunReport, RunSpec, Runtime
from sandbox.staging import StagedDataset, cleanup, stage, stage_datasets, stage_job
from sandbox.warm import Recipe

ROOT = Path(__file__).resolve().parent.parent
ALGORITHM = ROOT / "examples" / "algorithms" / "torch_mlp"
DATA = ROOT / "examples" / "breast_cancer" / "wdbc.csv"
ASSET = "b1" * 32
WEIGHTS = "model.safetensors"
MIB = 2**20
LIMITS = Limits(
    time_s=600,
    memory_bytes=2048 * MIB,
    cpus="1",
    pids=64,
    scratch_bytes=256 * MIB,
    output_bytes=8 * MIB,
    output_files=4,
    log_bytes=256 * 1024,
    open_files=1024,
    file_bytes=256 * MIB,
)
"""Those of the example's policy, with more time."""
OWNER = f"bench-{os.getpid()}"
PARAMETERS: dict[str, object] = {"epochs": 40, "seed": 7}


class RunFailedError(Exception):
    """A run that was to be measured didn't end as it should."""


@dataclass(frozen=True, slots=True)
class Example:
    """One program on one file, below `folder`; `network` is that of the plain `docker run`."""

    folder: Path
    image: str
    python: Path
    bundle: Bundle
    parameters: dict[str, object]
    network: str
    limits: Limits = LIMITS

    @property
    def staged(self) -> Path:
        """The inputs as the container sees them, laid out once for the sides that have no seal."""
        return self.folder / "plain" / "data"

    def lay_out(self) -> None:
        """Make what the sides without a seal read."""
        cleanup(self.folder / "plain")
        stage(self.folder / "plain", [dataset()], self.bundle, self.parameters)

    def run_bare(self, name: str, *, core: int | None = None) -> None:
        """Run `python train.py` as it stands, on one processor if `core` says which."""
        outputs = self._outputs(name)
        script = self.staged / "transformations" / self.bundle.manifest.main
        words = [str(self.python), str(script)]
        if core is not None:
            words = ["taskset", "--cpu-list", str(core), *words]
        places = {"INPUTS": str(self.staged / "inputs"), "OUTPUTS": str(outputs)}
        environ = {"PATH": os.environ["PATH"], "HOME": str(outputs)} | _environment() | places
        subprocess.run(words, check=True, env=environ, cwd=outputs, timeout=self.limits.time_s)
        _check(outputs)

    def docker_words(self, outputs: str, *, network: str = "") -> list[str]:
        """Return the plain `docker run` of the same script with the same limits."""
        environ = _environment() | {"INPUTS": "/data/inputs", "OUTPUTS": "/data/outputs"}
        words = ["docker", "run", "--rm", "--runtime", "runc", "--network", network or self.network]
        words += ["--user", f"{os.getuid()}:{os.getgid()}"]
        words += ["--cpus", self.limits.cpus, "--memory", str(self.limits.memory_bytes)]
        words += ["--memory-swap", str(self.limits.memory_bytes), "--pids-limit", str(self.limits.pids)]
        words += [word for name, value in environ.items() for word in ("-e", f"{name}={value}")]
        for source, target in (("inputs", "inputs"), ("transformations", "transformations")):
            words += ["-v", f"{self.staged / source}:/data/{target}:ro"]
        words += ["-v", f"{outputs}:/data/outputs", self.image]
        return [*words, "python", f"/data/transformations/{self.bundle.manifest.main}"]

    def run_plain(self, name: str, *, network: str = "") -> None:
        """Run it by a plain `docker run`."""
        outputs = self._outputs(name)
        words = self.docker_words(str(outputs), network=network)
        subprocess.run(words, check=True, timeout=self.limits.time_s)
        _check(outputs)

    def run_cold(
        self, name: str, engine: Engine, runtime: Runtime, *, on_event: Callable[[str], None] = print
    ) -> RunReport:
        """Run it sealed in a new container: stage, start, probe, run, collect, remove."""
        work = self.folder / name
        cleanup(work)
        spec = self.spec(name, work / "inputs", runtime)
        stage(spec.inputs, [dataset()], self.bundle, self.parameters)
        report = run_sealed(engine, spec, folder=work / "outputs", on_event=on_event, cancelled=lambda: False)
        cleanup(spec.inputs)
        return _completed(report)

    def run_from_pool(self, name: str, engine: Engine, pool: Pool, runtime: Runtime) -> bool:
        """Run it in a container that waits or is about to, or else in a new one; return whether there was one."""
        spec = self.spec(name, self.folder / name / "inputs", runtime)
        container = pool.take(self.recipe(runtime), spec.argv, patience_s=WARM_PATIENCE_S)
        if container is None:
            self.run_cold(name, engine, runtime, on_event=ignore)
            return False
        stage_job(container.inputs, self.bundle, self.parameters)
        report = run_sealed(
            engine,
            container.fit(spec),
            folder=self.folder / name / "outputs",
            on_event=ignore,
            cancelled=lambda: False,
            waiting=container.channel,
        )
        cleanup(container.inputs.parent)
        _completed(report)
        return True

    def spec(self, name: str, inputs: Path, runtime: Runtime) -> RunSpec:
        """Return the sealed run."""
        return RunSpec(
            run_id=f"{OWNER}-{name}",
            owner=OWNER,
            image=self.image,
            runtime=runtime,
            argv=self.bundle.manifest.argv,
            inputs=inputs,
            dataset_ids=(ASSET,),
            algorithm_id=self.bundle.digest.removeprefix("sha256:"),
            limits=self.limits,
        )

    def recipe(self, runtime: Runtime) -> Recipe:
        """Return what a container that waits for it is made from."""
        return Recipe(self.image, runtime, self.limits, (ASSET,), "the example's data")

    def train_longer(self, epochs: int, folder: Path) -> Example:
        """Return the same with more work to do, in a folder of its own."""
        return replace(self, parameters={**self.parameters, "epochs": epochs}, folder=folder)

    def _outputs(self, name: str) -> Path:
        outputs = self.folder / f"{name}-outputs"
        cleanup(outputs)
        outputs.mkdir(parents=True)
        return outputs


def load_example(folder: Path, image: str, python: Path, network: str) -> Example:
    """Return the example network with few epochs, laid out below `folder`."""
    example = Example(folder, image, python, load_bundle(ALGORITHM, image=image), PARAMETERS, network)
    example.lay_out()
    return example


def dataset() -> StagedDataset:
    """Return the example's data."""
    return StagedDataset(ASSET, (DATA,), (DATA.name,), "the example's data")


def stage_data(target: Path) -> None:
    """Fill a folder with the example's data, for a container that is to wait."""
    stage_datasets(target, [dataset()])


def ignore(_event: str) -> None:
    """Hear nothing."""


def _environment() -> dict[str, str]:
    """Return the variables that both sides set to the same; one thread each, as the seal says."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"DIDS": json.dumps([ASSET]), "ARROW_DEFAULT_MEMORY_POOL": "system", **threads}


def _check(outputs: Path) -> None:
    if not (outputs / WEIGHTS).is_file():
        raise RunFailedError(f"the run left no {WEIGHTS}")


def _completed(report: RunReport) -> RunReport:
    if report.reason is not ExitReason.COMPLETED:
        said = report.log.read_text(encoding="utf-8", errors="replace")[-2000:] if report.log else ""
        raise RunFailedError(f"the sealed run ended with {report.reason}: {said}")
    return report
