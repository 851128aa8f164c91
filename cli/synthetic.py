"""Draws rows from a schema alone: values that may stand in its columns, told by nothing but what the owner published. Pure.

Every column is drawn on its own and evenly between its bounds, so code can be tried on the rows and no result means anything.
One seed gives the same rows wherever the same numpy draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd

from policies.schema import ColumnSchema, DatasetSchema, Kind

MISSING_PART = 0.05
"""Of the values of a column in which some may be missing."""
ROWS_PER_UNIT = 3
"""Rows that share a value of an identifier, on average: a patient comes more than once."""
DIGITS = 4
"""Decimal digits that a number's range is divided into; more would only be longer."""
FIRST_DAY = np.datetime64("2000-01-01")
DAYS = 9000
NOTES = 50


def draw_rows(schema: DatasetSchema, rows: int, *, seed: int) -> pd.DataFrame:
    """Return `rows` rows with the schema's columns; None where missing.

    Numbers are floats, categories text, dates days; identifiers and text are whole numbers, for which whoever writes them down
    finds words.
    """
    streams = np.random.SeedSequence(seed).spawn(len(schema.columns))
    return pd.DataFrame(
        {
            column.name: draw_column(column, rows, np.random.default_rng(stream))
            for column, stream in zip(schema.columns, streams, strict=True)
        }
    )


def draw_column(column: ColumnSchema, rows: int, source: np.random.Generator) -> pd.Series:
    """Return one column of `rows` values, each of the column's kind and within its bounds."""
    values = pd.Series(list(DRAWS[column.kind](column, rows, source)), dtype=object)
    if column.nullable:
        values[source.random(rows) < MISSING_PART] = None
    return values


def _draw_numbers(column: ColumnSchema, rows: int, source: np.random.Generator) -> list[float]:
    low, high = Decimal(column.min or 0), Decimal(column.max or 0)
    steps = source.integers(0, 10**DIGITS, rows, endpoint=True)
    return [float(low + (high - low) * int(step) / 10**DIGITS) for step in steps]


def _draw_integers(column: ColumnSchema, rows: int, source: np.random.Generator) -> list[int]:
    low, high = find_integer_bounds(column)
    parts = source.random(rows)
    return [min(high, low + int(part * (high - low + 1))) for part in parts]


def find_integer_bounds(column: ColumnSchema) -> tuple[int, int]:
    """Return the smallest and the largest whole number within a column's bounds."""
    low, high = Decimal(column.min or 0), Decimal(column.max or 0)
    return int(low.to_integral_value("ROUND_CEILING")), int(high.to_integral_value("ROUND_FLOOR"))


def _draw_truths(_: ColumnSchema, rows: int, source: np.random.Generator) -> list[bool]:
    return [bool(value) for value in source.integers(0, 2, rows)]


def _draw_categories(column: ColumnSchema, rows: int, source: np.random.Generator) -> list[str]:
    categories = column.categories or ()
    return [categories[at] for at in source.integers(0, len(categories), rows)]


def _draw_dates(_: ColumnSchema, rows: int, source: np.random.Generator) -> Sequence[object]:
    return list((FIRST_DAY + source.integers(0, DAYS, rows)).astype(object))


def _draw_identifiers(_: ColumnSchema, rows: int, source: np.random.Generator) -> list[int]:
    return [int(number) for number in source.integers(1, max(1, rows // ROWS_PER_UNIT), rows, endpoint=True)]


def _draw_text(_: ColumnSchema, rows: int, source: np.random.Generator) -> list[int]:
    return [int(number) for number in source.integers(1, NOTES, rows, endpoint=True)]


DRAWS: Mapping[Kind, Callable[[ColumnSchema, int, np.random.Generator], Sequence[object]]] = {
    "number": _draw_numbers,
    "integer": _draw_integers,
    "boolean": _draw_truths,
    "category": _draw_categories,
    "text": _draw_text,
    "date": _draw_dates,
    "identifier": _draw_identifiers,
}
