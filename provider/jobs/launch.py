"""Brings a job into a sealed container: a warm one that waits for exactly such a job, else a new one.

Data is hashed while it is copied and compared with its commitment before anything runs, warm or cold. A warm container
serves only as long as the data's files are the ones that it was made from, by size, time and inode.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from policies.canonical import DIGEST_PREFIX, canonical_json, digest_of
from policies.model import Policy
from policies.runtimes import choose_runtime
from provider.datasets import DatasetFile, commit_copied, list_files, resolve_data_path
from provider.errors import DatasetError, ProviderError
from provider.gate.holdback import HoldBack, MembersOnly, hold_back_of
from provider.jobs.judge import Evaluation
from provider.limits import run_limits
from provider.store.catalogue import CatalogueStore
from provider.store.records import DatasetRecord, JobRecord
from sandbox.bundle import Bundle
from sandbox.engine import Engine
from sandbox.errors import EngineUnavailableError, StagingError, WarmLostError
from sandbox.pool import Pool
from sandbox.run import run_sealed
from sandbox.spec import RunReport, RunSpec, Runtime
from sandbox.staging import StagedDataset, cleanup, stage_datasets, stage_job
from sandbox.warm import Recipe, WarmContainer, fits

log = logging.getLogger(__name__)
WARM_PATIENCE_S = 30.0
NOWHERE = Path("/")


@dataclass(frozen=True, slots=True)
class Launch:
    """One job that is about to run: its algorithm, its parameters, and where its outputs go (`folder`).

    `commitments` are by asset id: to what the bytes that are staged must hash. `hold_back` says which rows of them the
    algorithm doesn't see.
    """

    job: JobRecord
    bundle: Bundle
    spec: RunSpec
    commitments: dict[str, bytes]
    folder: Path
    hold_back: HoldBack | None = None

    @property
    def parameters(self) -> dict[str, object]:
        """The job's parameters, which were checked when it was received."""
        found: dict[str, object] = json.loads(self.job.parameters)
        return found


class Launcher:
    """Runs jobs in containers of one engine; may share its pool with others."""

    def __init__(
        self,
        catalogue: CatalogueStore,
        engine: Engine,
        *,
        pool: Pool | None,
        owner: str,
        load_data_root: Callable[[], Path],
    ) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._pool = pool
        self._owner = owner
        self._load_data_root = load_data_root

    def plan(
        self, job: JobRecord, evaluation: Evaluation, policy: Policy, bundle: Bundle, work: Path
    ) -> Launch:
        """Return what a cold run of the next attempt would be, below the folder `work`; touches nothing.

        Raises:
            RuntimeUnavailableError: the engine has no runtime that the policy allows.
        """
        manifest = bundle.manifest
        spec = RunSpec(
            run_id=f"{job.job_id}-{job.attempt + 1}",
            owner=self._owner,
            image=manifest.image,
            runtime=Runtime(choose_runtime(policy, evaluation.runtimes, gpus=manifest.gpus)),
            argv=manifest.argv,
            inputs=work / "inputs",
            dataset_ids=tuple(job.request.datasets),
            algorithm_id=bundle.digest.removeprefix(DIGEST_PREFIX),
            limits=run_limits(policy.limits),
            gpus=manifest.gpus,
        )
        assets = [item.asset for item in evaluation.datasets]
        commitments = {asset.asset_id: asset.terms.commitment for asset in assets}
        return Launch(job, bundle, spec, commitments, work / "outputs", hold_back_of(policy))

    def foresee(self, job: JobRecord, evaluation: Evaluation) -> None:
        """Have a container get warm for a job that may be paid for soon, where there is room."""
        if self._pool is not None and evaluation.policy is not None and evaluation.bundle is not None:
            self._tell(
                self._pool.foresee, self.plan(job, evaluation, evaluation.policy, evaluation.bundle, NOWHERE)
            )

    def expect(self, launch: Launch) -> None:
        """Have a container get warm for jobs like this one, if there is a pool."""
        if self._pool is not None:
            self._tell(self._pool.want, launch)

    def _tell(self, tell: Callable[[Recipe, Callable[[Path], None]], None], launch: Launch) -> None:
        """Tell the pool of a job; one that can't start warm, or whose data can't be read, keeps nothing."""
        if not _can_start_warm(launch.spec):
            return
        try:
            recipe = self._recipe(launch)
        except (ProviderError, OSError):
            return
        commitments, hold_back = launch.commitments, launch.hold_back

        def stage(target: Path) -> None:
            try:
                self._stage_data(target, commitments, hold_back)
            except DatasetError as exc:
                raise StagingError("the data can't be staged ahead of a job") from exc

        tell(recipe, stage)

    def run(
        self, launch: Launch, *, on_start: Callable[[], None], cancelled: Callable[[], bool]
    ) -> RunReport:
        """Run the job to its end; `on_start` is called when its data is in place and its container is to be used.

        Raises:
            DatasetError: `dataset-unreadable` or `dataset-changed`; nothing ran.
            EngineUnavailableError, ImageMissingError, RuntimeMissingError, StagingError: see `run_sealed`.
        """
        container = self._take(launch)
        if container is not None:
            try:
                return self._run_warm(launch, container, on_start, cancelled)
            except WarmLostError:
                pass  # nothing of the job ran there
            finally:
                self._let_go(container)
        self._stage_data(launch.spec.inputs, launch.commitments, launch.hold_back)
        stage_job(launch.spec.inputs, launch.bundle, launch.parameters)
        on_start()
        return run_sealed(
            self._engine, launch.spec, folder=launch.folder, on_event=_ignore, cancelled=cancelled
        )

    def _run_warm(
        self,
        launch: Launch,
        container: WarmContainer,
        on_start: Callable[[], None],
        cancelled: Callable[[], bool],
    ) -> RunReport:
        stage_job(container.inputs, launch.bundle, launch.parameters)
        on_start()
        return run_sealed(
            self._engine,
            container.fit(launch.spec),
            folder=launch.folder,
            on_event=_ignore,
            cancelled=cancelled,
            waiting=container.channel,
        )

    def _let_go(self, container: WarmContainer) -> None:
        """Remove a container and its data; an engine that is away by then doesn't undo how the run ended."""
        container.channel.close()
        try:
            self._engine.remove(container.spec.run_id)
        except EngineUnavailableError:
            log.warning("a warm container could not be removed now; it is with the next one")
        cleanup(container.inputs.parent)

    def _take(self, launch: Launch) -> WarmContainer | None:
        if self._pool is None or not _can_start_warm(launch.spec):
            return None
        try:
            return self._pool.take(self._recipe(launch), launch.spec.argv, patience_s=WARM_PATIENCE_S)
        except (ProviderError, OSError):
            return None  # a cold start says what is wrong with the data

    def _recipe(self, launch: Launch) -> Recipe:
        spec = launch.spec
        facts = [
            [commitment.hex(), *(_facts_of(file) for file in self._find_data(asset_id)[1])]
            for asset_id, commitment in launch.commitments.items()
        ]
        contents = digest_of(canonical_json([facts, _facts_of_rule(launch.hold_back)]))
        return Recipe(spec.image, spec.runtime, spec.limits, spec.dataset_ids, contents, spec.argv[0])

    def _find_data(self, asset_id: str) -> tuple[DatasetRecord, tuple[DatasetFile, ...]]:
        record = self._catalogue.find_dataset(asset_id)
        if record is None:
            raise DatasetError("a dataset of this job has no record")
        return record, list_files(resolve_data_path(self._load_data_root(), record.path))

    def stage_whole(self, target: Path, launch: Launch) -> tuple[StagedDataset, ...]:
        """Copy all rows of the job's data into a new folder for the gate's own eyes, and return what was copied.

        Raises:
            DatasetError: see `run`.
        """
        self._stage_data(target, launch.commitments, None)
        return tuple(self._find_staged(asset_id, b"", None) for asset_id in launch.commitments)

    def _stage_data(self, target: Path, commitments: dict[str, bytes], hold_back: HoldBack | None) -> None:
        """Copy the data of these assets into a new folder, without the rows held back, or leave none.

        Raises:
            DatasetError: `dataset-unreadable`, or `dataset-changed` when the bytes copied are not those committed to.
        """
        try:
            sources = [self._find_staged(*item, hold_back) for item in commitments.items()]
            staged = stage_datasets(target, sources)
        except (ProviderError, StagingError, OSError) as exc:
            raise DatasetError("a dataset can't be read where it lies", code="dataset-unreadable") from exc
        for asset_id, commitment in commitments.items():
            if commit_copied(staged.datasets[asset_id]) != commitment:
                cleanup(target)
                raise DatasetError("a dataset is not the one committed to", code="dataset-changed")

    def _find_staged(self, asset_id: str, commitment: bytes, hold_back: HoldBack | None) -> StagedDataset:
        record, files = self._find_data(asset_id)
        paths, names = tuple(file.path for file in files), tuple(file.name for file in files)
        rewrite = MembersOnly(commitment, hold_back) if hold_back else None
        return StagedDataset(asset_id, paths, names, record.name, record.description, rewrite)


def _facts_of_rule(rule: HoldBack | None) -> list[str | int]:
    if rule is None:
        return []
    if rule.unit is None:
        return [rule.part]
    return [rule.part, rule.unit.column, rule.unit.max_rows]


def _facts_of(file: DatasetFile) -> list[str | int]:
    """Return what changes when a file is written or replaced; nanoseconds and inodes as text, they pass 2^53."""
    facts = file.path.lstat()
    return [file.name, facts.st_size, str(facts.st_mtime_ns), str(facts.st_ctime_ns), str(facts.st_ino)]


def _can_start_warm(spec: RunSpec) -> bool:
    return not spec.gpus and fits(spec.argv)


def _ignore(_event: str) -> None:
    """Hear nothing: the job's state is moved by who runs it."""
