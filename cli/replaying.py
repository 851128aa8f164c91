"""Repeats a job from its receipt: the same bundle, image, data, parameters and limits, in the same seal, through the same gate.

- Nothing runs before bundle, image, parameters and data are found to be those of the receipt.
- Data is copied into one folder, which its owner removes; what leaves that are digests, and released files when asked for.
- The policy's caps are not applied again: they bound what the algorithm declares, and were judged before the job ran.
- Rows are held back and weights rounded as the receipt says. Privacy tests are not made again: they draw rows at random.

Not checked here: signatures, log and chain. `sealroom receipt verify` does that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cli.errors import InputError, MismatchError
from cli.localruns import WIDEST, check_image, list_dataset, name_run, run_here
from cli.repetition import RepeatableJob, Replay, compare
from policies.canonical import DIGEST_PREFIX, canonical_json, digest_of, digest_text, parse_digest
from policies.model import MAX_OUTPUT_BYTES, WeightsAllowance
from policies.privacy import ColumnUnit
from provider.datasets import SCHEME, commit_copied
from provider.description import Description
from provider.gate.decide import check_release
from provider.gate.holdback import HoldBack, MembersOnly
from provider.gate.report import GateReport
from provider.limits import parse_limits, run_limits
from provider.receipts.errors import FieldError, StatementRefusedError
from provider.receipts.facts import DatasetFacts, HoldBackFacts
from sandbox.bundle import Bundle, check_parameters
from sandbox.engine import Engine
from sandbox.errors import RuntimeMissingError
from sandbox.spec import ExitReason, RunReport, RunSpec, Runtime
from sandbox.staging import StagedDataset, stage_datasets, stage_job


@dataclass(frozen=True, slots=True)
class Materials:
    """What a job is repeated from; data and descriptions in the order of the receipt's datasets, or no descriptions."""

    job: RepeatableJob
    bundle: Bundle
    data: tuple[Path, ...]
    descriptions: tuple[Description, ...] = ()


def check_materials(materials: Materials) -> None:
    """Check that bundle, image and parameters are those of the receipt, and that there is data for each dataset.

    Raises:
        InputError: not one path is given for each dataset.
        MismatchError: what is at hand is not what the receipt names.
    """
    inputs, bundle = materials.job.facts.inputs, materials.bundle
    if len(materials.data) != len(inputs.datasets):
        raise InputError(
            f"data: expected {len(inputs.datasets)} paths, one for each dataset of the receipt, got {len(materials.data)}",
            code="data-missing",
            remedy="give --data once for each dataset, in the receipt's order",
        )
    _check_same("algorithm", inputs.algorithm, bundle.digest, remedy="give the very bundle that ran")
    _check_same("image", inputs.image or "none", bundle.manifest.image, remedy="ask the provider to explain")
    found = digest_of(canonical_json(inputs.parameters))
    _check_same("parameters", inputs.parameters_digest, found, remedy="ask the provider to explain")
    check_parameters(bundle.manifest, inputs.parameters)


def replay(
    engine: Engine,
    materials: Materials,
    folder: Path,
    *,
    any_runtime: bool,
    on_start: Callable[[RunSpec], None],
) -> Replay:
    """Run the job again below `folder`, which must not exist yet, and compare; `on_start` is called before it runs.

    `any_runtime` admits a weaker or stronger seal than the receipt's, where the engine doesn't have that.

    Raises:
        InputError, MismatchError: see `check_materials`; or the data can't be read or is not the one committed to.
        ImageMissingError: the engine doesn't hold the image.
        StackError: the container could not be sealed or was lost.
        StagingError: a file of the data is no plain file.
        EngineUnavailableError, RuntimeMissingError, DeviceMissingError: see `run_sealed`.
    """
    check_materials(materials)
    bundle = materials.bundle
    check_image(engine, bundle.manifest.image)
    spec = plan(engine, materials, folder / "inputs", any_runtime=any_runtime)
    _stage(spec.inputs, materials)
    on_start(spec)
    report = run_here(engine, spec, folder / "outputs", kind="replay")
    kept = materials.job.facts.egress.mantissa_bits
    gate = _judge(bundle, report, folder / "released", mantissa_bits=kept)
    return compare(materials.job, report, gate, described=bool(materials.descriptions))


def plan(engine: Engine, materials: Materials, inputs: Path, *, any_runtime: bool) -> RunSpec:
    """Return the run that the receipt tells of, on its runtime; with `any_runtime`, on another where the engine lacks that.

    Raises:
        RuntimeMissingError: the engine lacks it.
        StatementRefusedError: the receipt's runtime or limits are not known to this version.
    """
    job, manifest = materials.job, materials.bundle.manifest
    try:
        wanted, limits = Runtime(job.sandbox.runtime), run_limits(parse_limits(job.sandbox.limits))
    except FieldError as exc:
        raise StatementRefusedError(exc.path, exc.problem) from exc
    except ValueError as exc:
        raise StatementRefusedError("predicate.sandbox.runtime", "is not known to this version") from exc
    have = engine.runtimes()
    if wanted not in have and not any_runtime:
        raise RuntimeMissingError(wanted.value)
    run_id, owner = name_run("replay")
    return RunSpec(
        run_id=run_id,
        owner=owner,
        image=manifest.image,
        runtime=wanted if wanted in have else min(have, default=wanted),
        argv=manifest.argv,
        inputs=inputs,
        dataset_ids=tuple(item.asset_id for item in job.facts.inputs.datasets),
        algorithm_id=materials.bundle.digest.removeprefix(DIGEST_PREFIX),
        limits=limits,
        gpus=manifest.gpus,
    )


def _stage(target: Path, materials: Materials) -> None:
    """Copy data and job into a new folder; the bytes that were copied are those committed to."""
    inputs = materials.job.facts.inputs
    titles = [(item.name, item.description) for item in materials.descriptions]
    datasets = [
        _list(dataset, path, *title, hold_back=inputs.hold_back)
        for dataset, path, title in zip(
            inputs.datasets, materials.data, titles or [("", "")] * len(inputs.datasets), strict=True
        )
    ]
    staged = stage_datasets(target, datasets)
    for dataset in inputs.datasets:
        found = digest_text(commit_copied(staged.datasets[dataset.asset_id]))
        remedy = "give the data as it was registered: every byte, and the name of every file, is part of it"
        _check_same(f"dataset {dataset.asset_id}", dataset.commitment, found, remedy=remedy)
    stage_job(target, materials.bundle, inputs.parameters)


def _list(
    dataset: DatasetFacts, path: Path, title: str, description: str, *, hold_back: HoldBackFacts | None
) -> StagedDataset:
    if dataset.scheme != SCHEME:
        raise InputError(f"dataset {dataset.asset_id}: its scheme {dataset.scheme!r} is not known here")
    listed = list_dataset(dataset.asset_id, path, title, description)
    return replace(listed, rewrite=_members_only(dataset, hold_back)) if hold_back else listed


def _members_only(dataset: DatasetFacts, stated: HoldBackFacts) -> MembersOnly:
    unit = None
    if stated.column is not None and stated.max_rows is not None:
        unit = ColumnUnit(column=stated.column, max_rows=stated.max_rows)
    return MembersOnly(parse_digest(dataset.commitment), HoldBack(stated.part, unit))


def _judge(
    bundle: Bundle, report: RunReport, folder: Path, *, mantissa_bits: int | None
) -> GateReport | None:
    if report.reason is not ExitReason.COMPLETED:
        return None
    weights = WeightsAllowance(max_bytes=MAX_OUTPUT_BYTES, mantissa_bits=mantissa_bits)
    allowance = WIDEST.model_copy(update={"weights": weights})
    return check_release(
        bundle.manifest.outputs, allowance, produced=report.outputs, folder=folder, refused=report.refused
    )


def _check_same(what: str, expected: str, got: str, *, remedy: str) -> None:
    if expected != got:
        code = f"{what.split(maxsplit=1)[0]}-differs"
        raise MismatchError(f"{what}: the receipt has {expected}, here is {got}", code=code, remedy=remedy)
