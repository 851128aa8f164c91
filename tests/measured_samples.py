"""A small dataset, an honest model of it with its scorer, and the way of what a job wrote through gate and privacy tests.

The scorer is called here instead of being started in a container; everything else is the provider's own code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import SystemRandom
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from policies.model import MetricsAllowance, OutputsPolicy, WeightsAllowance
from policies.privacy import MeasuredTests
from provider.gate.candidates import write_candidates
from provider.gate.decide import check_release
from provider.gate.declaration import effective_mantissa_bits
from provider.gate.holdback import Division, HoldBack, Side
from provider.gate.measured import Evidence, PrivacyResult, run_tests
from provider.gate.report import GateReport, GateVerdict, add_results
from provider.gate.sample import Sample, draw_sample
from provider.gate.tables import Table, read_rows
from sandbox.bundle import OutputsDeclaration, ScorerDeclaration
from tests.gate_samples import METRICS, WEIGHTS, write_outputs

Tensors = dict[str, NDArray[Any]]
Scorer = Callable[[Tensors, NDArray[np.float64]], NDArray[np.float64]]
FEATURES, HIDDEN, ROWS = 8, 96, 1500
COMMITMENT = bytes(range(32))
TESTS = MeasuredTests()
RULE = HoldBack(TESTS.hold_back)
SCORER = ScorerDeclaration(
    entrypoint="python $ALGO --score", target="ill", task="classification", classes=["no", "yes"]
)
ALLOWANCE = OutputsPolicy(
    weights=WeightsAllowance(max_bytes=2**20), metrics=MetricsAllowance(max_count=4, max_digits=9)
)
COLUMNS = (*(f"value_{number}" for number in range(FEATURES)), "ill")


def make_csv(rows: int = ROWS, *, seed: int = 7) -> bytes:
    """Return rows of numbers and a label that follows from them, but for noise."""
    draw = np.random.default_rng(seed)
    values = draw.normal(50, 12, (rows, FEATURES))
    chance = 1 / (1 + np.exp(-(values - 50) @ np.linspace(-0.25, 0.3, FEATURES)))
    ill = draw.random(rows) < chance
    lines = [
        ",".join([*(f"{value:.3f}" for value in row), "yes" if label else "no"])
        for row, label in zip(values, ill, strict=True)
    ]
    return "\n".join([",".join(COLUMNS), *lines, ""]).encode()


@dataclass(frozen=True, slots=True)
class Ward:
    """The dataset on disk, and what an algorithm sees of it."""

    table: Table
    seen: NDArray[np.float64]
    labels: NDArray[np.float64]
    rows: tuple[list[str], ...]

    def sample(self) -> Sample:
        return draw_sample([self.table], Division(COMMITMENT, RULE), SystemRandom())


def make_ward(folder: Path, content: bytes | None = None) -> Ward:
    path = folder / "ward.csv"
    path.write_bytes(content or make_csv())
    table, division = Table(path, "ward.csv"), Division(COMMITMENT, RULE)
    division.begin(table)
    members = [
        values
        for number, values in enumerate(read_rows(table))
        if division.place(number, values) is Side.MEMBER
    ]
    seen = np.array([[float(value) for value in row[:-1]] for row in members])
    labels = np.array([row[-1] == "yes" for row in members], dtype=np.float64)
    return Ward(table, seen, labels, tuple(members))


def scale(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return (rows - 50) / 12


def fit(ward: Ward, *, hidden: int = HIDDEN, ridge: float = 30.0, seed: int = 3) -> Tensors:
    """Fit a network of one random layer and a readout by penalised least squares, in closed form."""
    draw = np.random.default_rng(seed)
    inner = draw.normal(0, 0.4, (FEATURES, hidden)).astype(np.float32)
    shift = draw.normal(0, 1, hidden).astype(np.float32)
    activations = np.tanh(scale(ward.seen) @ inner + shift)
    matrix = activations.T @ activations + ridge * np.eye(hidden)
    readout = np.linalg.solve(matrix, activations.T @ (ward.labels - 0.5))
    return {"inner": inner, "shift": shift, "readout": readout.astype(np.float32)}


def predict(tensors: Tensors, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each class, for each row."""
    model = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    logit = 5 * (np.tanh(scale(rows) @ model["inner"] + model["shift"]) @ model["readout"])
    yes = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
    return np.stack([1 - yes, yes], axis=1)


def accuracy(tensors: Tensors, ward: Ward) -> str:
    right = predict(tensors, ward.seen).argmax(axis=1) == ward.labels
    return f"{right.mean():.3f}"


@dataclass(frozen=True, slots=True)
class Job:
    """What a job wrote, what it had declared, and how its scorer answers."""

    tensors: Tensors
    metrics: Mapping[str, str] = field(default_factory=dict)
    scorer: Scorer = predict
    mantissa_bits: int | None = None
    declared: Mapping[str, Any] | None = None
    declared_metrics: tuple[str, ...] | None = None
    content: bytes | None = None
    digits: int = 3

    def outputs(self) -> OutputsDeclaration:
        kinds = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "uint8": "U8"}
        tensors = [
            {"name": name, "dtype": kinds[str(tensor.dtype)], "shape": list(tensor.shape)}
            for name, tensor in (self.declared or self.tensors).items()
        ]
        names = self.metrics if self.declared_metrics is None else self.declared_metrics
        return OutputsDeclaration.model_validate(
            {
                "weights": {"tensors": tensors, "mantissa_bits": self.mantissa_bits},
                "metrics": {
                    "values": [{"name": name, "min": 0, "max": 100, "digits": self.digits} for name in names]
                },
            }
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate said, and how each privacy test ended; none was made where the gate withheld before."""

    report: GateReport
    results: tuple[PrivacyResult, ...] = ()

    @property
    def outcomes(self) -> dict[str, str]:
        return {result.name: result.outcome.value for result in self.results}


def judge(folder: Path, ward: Ward, job: Job, *, review: bool = False) -> Judged:
    """Send a job's files through the gate, have them scored, and make the privacy tests."""
    outputs = job.outputs()
    metrics = json.dumps({name: float(value) for name, value in job.metrics.items()}).encode()
    files = {WEIGHTS: job.content or save(job.tensors), METRICS: metrics}
    produced = write_outputs(folder / "produced", files)
    report = check_release(outputs, ALLOWANCE, produced, folder / "released")
    if report.verdict is not GateVerdict.RELEASED:
        return Judged(report)
    sample = ward.sample()
    released = {file.name: file.path for file in report.released}
    models = folder / "models"
    models.mkdir()
    candidates = write_candidates(released[WEIGHTS], models, SystemRandom())
    table = np.array([[float(value) for value in row[:-1]] for row in sample.scored])
    evidence = Evidence(
        outputs=outputs,
        mantissa_bits=effective_mantissa_bits(outputs, ALLOWANCE),
        tests=TESTS,
        sample=sample,
        scorer=SCORER,
        unit=None,
        weights=released[WEIGHTS],
        metrics=json.loads(released[METRICS].read_bytes(), parse_float=Decimal, parse_int=Decimal),
        scores={name: write_scores(job.scorer(load_file(path), table)) for name, path in candidates.items()},
    )
    results = run_tests(evidence)
    return Judged(add_results(report, results, review=review), results)


def write_scores(scores: NDArray[np.float64]) -> bytes:
    return b"".join(",".join(f"{value:.12f}" for value in row).encode() + b"\n" for row in scores)


def honest(ward: Ward, **changes: Any) -> Job:
    tensors = fit(ward)
    return replace(Job(tensors, {"accuracy": accuracy(tensors, ward)}), **changes)
