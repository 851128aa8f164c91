"""Makes rows from a released synthesis: fits a distribution to its noisy counts and draws from that. Post-processing, so it is free.

What the counts don't tell is drawn from the schema alone: where in its cell a number lies, and the columns that weren't counted.
The fit is mbi's (McKenna, Sheldon and Miklau 2019, "Graphical-model based estimation and inference for differential privacy").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cli.errors import InputError
from cli.synthetic import draw_column
from provider.gate.errors import OutputRefusedError
from provider.gate.safetensors import check_declared, parse_header
from sandbox.counting import NumberCells, tensor_name

if TYPE_CHECKING:
    from policies.schema import DatasetSchema
    from sandbox.counting import Counted, SynthesisRecipe

MAX_ROUNDS = 1000
EXTRA = "synth"
Floats = NDArray[np.float64]
Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One histogram: its columns and its noisy counts, without the cells of what no row can have here."""

    columns: tuple[str, ...]
    counts: Floats


def read_counts(path: Path, recipe: SynthesisRecipe) -> dict[str, Floats]:
    """Return the released tensors by name, as the recipe has them.

    Raises:
        InputError: the file can't be read, or is not what this recipe releases.
    """
    declared = recipe.outputs().weights
    try:
        with path.open("rb") as file:
            entries = parse_header(file, path.stat().st_size)
            check_declared(entries, declared.tensors if declared else [])
            found = {}
            for entry in entries:
                file.seek(entry.begin)
                values = np.frombuffer(file.read(entry.end - entry.begin), dtype="<f4")
                found[entry.name] = values.reshape(entry.shape).astype(np.float64)
    except OutputRefusedError as exc:
        raise InputError(
            f"{path}: is not what this recipe releases: {exc.problem}",
            code="counts-differ",
            remedy="give the recipe's bundle that the job ran with",
        ) from exc
    except OSError as exc:
        raise InputError(f"{path} can't be read: {exc.strerror}", code="file-unreadable") from exc
    return found


def draw_measured(
    recipe: SynthesisRecipe, schema: DatasetSchema, counts: Mapping[str, Floats], rows: int, *, seed: int
) -> pd.DataFrame:
    """Return `rows` rows with the schema's columns, drawn from a distribution that is fitted to the counts.

    Raises:
        InputError: the recipe is for another schema, or the library is not there.
    """
    problem = recipe.find_problem(schema)
    if problem is not None:
        raise InputError(f"the recipe is not for this dataset: {problem}", code="schema-differs")
    measured = [
        _measure(schema, names, counts[tensor_name(number)])
        for number, names in enumerate(recipe.histograms, start=1)
    ]
    cells = fit_and_draw(measured, rows, seed=seed)
    source = np.random.default_rng(seed)
    features = {feature.column: feature for feature in recipe.features}
    return pd.DataFrame(
        {
            column.name: decode(features[column.name], cells[column.name], source)
            if column.name in cells
            else draw_column(column, rows, source)
            for column in schema.columns
        }
    )


def fit_and_draw(measured: list[Measured], rows: int, *, seed: int) -> dict[str, Cells]:
    """Return the cells of `rows` rows for each column, drawn from the distribution that fits best.

    Raises:
        InputError: mbi is not installed.
    """
    mbi = _import_mbi()
    widths = {item.columns[0]: len(item.counts) for item in measured if len(item.columns) == 1}
    domain = mbi.Domain(list(widths), list(widths.values()))
    measurements = [
        mbi.marginal_loss.LinearMeasurement(item.counts.ravel(), item.columns) for item in measured
    ]
    model = mbi.estimation.MirrorDescent().estimate(domain, measurements, iters=MAX_ROUNDS)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the library draws from numpy's global generator
    drawn = model.synthetic_data(rows=rows, method="sample")
    order = np.random.default_rng(seed).permutation(rows)
    return {name: np.asarray(drawn.data[name], dtype=np.int64)[order] for name in widths}


def _import_mbi() -> Any:  # noqa: ANN401 - a module without types
    try:
        settings = import_module("jax").config
        settings.update("jax_enable_x64", True)  # noqa: FBT003 - its signature; counts need more than 24 bits
        settings.update("jax_enable_compilation_cache", False)  # noqa: FBT003 - as mbi asks for
        return import_module("mbi")
    except ImportError as exc:
        raise InputError(
            f"the library that fits a distribution is not installed: {exc.name}",
            code="extra-missing",
            remedy=f"pip install 'sealroom[{EXTRA}]'",
        ) from exc


def _measure(schema: DatasetSchema, names: tuple[str, ...], counts: Floats) -> Measured:
    """Leave out the last cell of a column without gaps: what was counted there is noise, or not what the schema says."""
    kept = counts
    for axis, name in enumerate(names):
        column = schema.find(name)
        if column is not None and not column.nullable:
            kept = np.delete(kept, -1, axis=axis)
    return Measured(names, kept)


def decode(feature: Counted, cells: Cells, source: np.random.Generator) -> pd.Series:
    """Return a value within each cell; None in the cell of what is missing."""
    if isinstance(feature, NumberCells):
        values = _spread(feature, cells, source)
    else:
        options = [False, True] if feature.kind == "boolean" else list(feature.categories)
        values = [options[cell] if cell < len(options) else None for cell in cells]
    return pd.Series(values, dtype=object)


def _spread(feature: NumberCells, cells: Cells, source: np.random.Generator) -> list[object]:
    low, high, width = Decimal(feature.min), Decimal(feature.max), feature.width
    values: list[object] = []
    for cell, part in zip(cells, source.random(len(cells)), strict=True):
        begin, end = (
            low + (high - low) * (int(edge) ** feature.power) / width**feature.power
            for edge in (cell, cell + 1)
        )
        values.append(None if cell == width else _choose(feature, begin, end, float(part)))
    return values


def _choose(feature: NumberCells, begin: Decimal, end: Decimal, part: float) -> float | int:
    if feature.kind == "number":
        return min(float(feature.max), max(float(feature.min), float(begin) + part * float(end - begin)))
    first, last = int(begin.to_integral_value(ROUND_CEILING)), int(end.to_integral_value(ROUND_FLOOR))
    top = int(Decimal(feature.max).to_integral_value(ROUND_FLOOR))
    last = last - 1 if last == end and last != top else last
    return first + min(last - first, math.floor(part * (last - first + 1)))
