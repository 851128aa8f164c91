"""Gathers what the privacy tests look at: rows of both sides, and what the algorithm's own scorer says of the weights.

The scorer runs in a second sealed container, of the same image, seal and limits, and gets the bundle, the weights that
would leave and the rows' features, never a label. What it writes is read by the host alone and leaves nowhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from random import SystemRandom
from typing import Protocol

from policies.policy import OutputsPolicy
from policies.privacy import MeasuredTests
from provider.errors import DatasetError
from provider.gate.candidates import write_candidates
from provider.gate.declaration import effective_mantissa_bits
from provider.gate.holdback import Division, HoldBack
from provider.gate.measured import Evidence, PrivacyResult, not_applicable, run_tests
from provider.gate.report import GateReport
from provider.gate.sample import Sample, draw_sample
from provider.gate.tables import Table
from sandbox.bundle import Bundle, ScorerDeclaration
from sandbox.engine import Engine
from sandbox.errors import EngineUnavailableError, SandboxError
from sandbox.run import run_sealed
from sandbox.spec import ExitReason, Limits, RunReport, RunSpec
from sandbox.staging import StagedDataset, add_inputs, cleanup, stage

log = logging.getLogger(__name__)
ROWS_FILE = "rows.csv"
MODELS_FOLDER = "models"
SCORE_BYTES = 41


class Run(Protocol):
    """What is known of the run whose release is to be tested; `provider.jobs.launch.Launch` is one."""

    @property
    def bundle(self) -> Bundle:
        """The algorithm that ran."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """Its parameters."""

    @property
    def spec(self) -> RunSpec:
        """How it ran."""

    @property
    def folder(self) -> Path:
        """Where its outputs lie; the tests work beside it."""

    @property
    def commitments(self) -> Mapping[str, bytes]:
        """To what each dataset hashes, by asset id."""

    @property
    def allowance(self) -> OutputsPolicy:
        """What may leave."""

    @property
    def hold_back(self) -> HoldBack | None:
        """Which rows the algorithm did not see."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One job's release that is to be tested: what the gate let pass of it."""

    launch: Run
    tests: MeasuredTests
    gate: GateReport

    @property
    def folder(self) -> Path:
        """Where the tests may put files."""
        return self.launch.folder.with_name("measured")


def measure(
    engine: Engine, measurement: Measurement, stage_whole: Callable[[Path], Sequence[StagedDataset]]
) -> tuple[PrivacyResult, ...]:
    """Make every privacy test of what the gate let pass; `stage_whole` copies all rows of the data into a new folder.

    Raises:
        EngineUnavailableError: the engine is away; the job waits for it.
    """
    hold_back = measurement.launch.hold_back
    if hold_back is None or len(measurement.launch.commitments) != 1:
        return not_applicable(measurement.tests)
    try:
        sample = _draw(stage_whole, measurement, hold_back)
    except DatasetError as exc:
        log.warning("privacy tests are not applicable: %s", exc)
        return not_applicable(measurement.tests)
    return run_tests(_gather(engine, measurement, hold_back, sample))


def _draw(
    stage_whole: Callable[[Path], Sequence[StagedDataset]], measurement: Measurement, hold_back: HoldBack
) -> Sample:
    root = measurement.folder / "whole"
    try:
        (dataset,) = stage_whole(root)
        folder = root / "data" / "inputs" / dataset.asset_id
        tables = [Table(folder / str(number), name) for number, name in enumerate(dataset.names)]
        commitment = measurement.launch.commitments[dataset.asset_id]
        return draw_sample(tables, Division(commitment, hold_back), SystemRandom())
    finally:
        cleanup(root)


def _gather(engine: Engine, measurement: Measurement, hold_back: HoldBack, sample: Sample) -> Evidence:
    launch, manifest = measurement.launch, measurement.launch.bundle.manifest
    declared = manifest.outputs.weights
    released = {file.name: file.path for file in measurement.gate.released}
    scores: Mapping[str, bytes] = {}
    unit = hold_back.unit.column if hold_back.unit else None
    if declared is not None and manifest.scorer is not None:
        left_out = [manifest.scorer.target, *([unit] if unit else [])]
        rows = sample.table_without(left_out)
        scores = _score(
            engine, measurement, manifest.scorer, released[declared.file], rows, len(sample.scored)
        )
    return Evidence(
        outputs=manifest.outputs,
        mantissa_bits=effective_mantissa_bits(manifest.outputs, launch.allowance),
        tests=measurement.tests,
        sample=sample,
        scorer=manifest.scorer,
        unit=unit,
        weights=released[declared.file] if declared else None,
        metrics=_read_metrics(measurement, released),
        scores=scores,
    )


def _read_metrics(measurement: Measurement, released: Mapping[str, Path]) -> dict[str, Decimal]:
    declared = measurement.launch.bundle.manifest.outputs.metrics
    if declared is None:
        return {}
    found: dict[str, Decimal] = json.loads(
        released[declared.file].read_bytes(), parse_float=Decimal, parse_int=Decimal
    )
    return found


def _score(
    engine: Engine,
    measurement: Measurement,
    scorer: ScorerDeclaration,
    weights: Path,
    rows: bytes,
    count: int,
) -> dict[str, bytes]:
    """Return what the scorer wrote about each candidate; nothing of a scorer that did not end well.

    Raises:
        EngineUnavailableError: the engine is away.
    """
    folder = measurement.folder
    models = folder / "models"
    models.mkdir(mode=0o700, parents=True)
    candidates = write_candidates(weights, models, SystemRandom())
    size_bytes = count * (len(scorer.classes) or 1) * SCORE_BYTES
    limits = _limits(measurement.launch.spec.limits, files=len(candidates), size_bytes=size_bytes)
    files: dict[str, bytes | Path] = {f"{MODELS_FOLDER}/{path.name}": path for path in candidates.values()}
    report = _run_scorer(engine, measurement, scorer, limits, files | {ROWS_FILE: rows})
    if report is None or report.reason is not ExitReason.COMPLETED:
        log.info(
            "a scorer ended with %s", report.reason.value if report else "nothing, for it could not be run"
        )
        return {}
    written = {file.path: file.content for file in report.outputs if file.size_bytes <= size_bytes}
    found = {name: written.get(f"{path.stem}.csv") for name, path in candidates.items()}
    return {name: content.read_bytes() for name, content in found.items() if content is not None}


def _run_scorer(
    engine: Engine,
    measurement: Measurement,
    scorer: ScorerDeclaration,
    limits: Limits,
    files: Mapping[str, bytes | Path],
) -> RunReport | None:
    """Run the scorer sealed, with `files` below its inputs; None where it could not even start."""
    launch, inputs = measurement.launch, measurement.folder / "inputs"
    spec = replace(
        launch.spec,
        run_id=f"{launch.spec.run_id}-score",
        argv=scorer.argv,
        inputs=inputs,
        dataset_ids=(),
        limits=limits,
    )
    try:
        stage(inputs, [], launch.bundle, launch.parameters)
        add_inputs(inputs, files)
        folder = measurement.folder / "scores"
        return run_sealed(engine, spec, folder=folder, on_event=lambda _: None, cancelled=lambda: False)
    except EngineUnavailableError:
        raise
    except SandboxError as exc:
        log.warning("a scorer could not be run: %s", exc)
        return None


def _limits(limits: Limits, *, files: int, size_bytes: int) -> Limits:
    """Return the job's limits, with room for scores."""
    output_bytes = max(limits.output_bytes, files * size_bytes)
    return replace(
        limits,
        output_files=max(limits.output_files, files),
        output_bytes=output_bytes,
        file_bytes=max(limits.file_bytes, output_bytes),
    )
