"""Writes rows of a schema as the files that a public description tells of: their names, formats, order and types of columns.

What the description doesn't tell is not imitated: a whole number's width in a Parquet file, how a CSV file writes a day. Files
that are no tables are there, empty, so that each file has its number. A description's author may be anybody: no name leads
out of the folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cli.errors import InputError

if TYPE_CHECKING:
    from policies.schema import ColumnSchema, DatasetSchema
    from provider.description import Description, Table

MAX_CELLS = 50_000_000
"""Of what is made at once; more is for a machine that has the data."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PREFIXES = {"identifier": "id-", "text": "text-"}
"""What stands before the number that an identifier or a text is drawn as."""
CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"


def check_layout(description: Description, schema: DatasetSchema, rows: int) -> None:
    """Check that `rows` rows of a schema can be laid out as a description tells, before any is drawn.

    Raises:
        InputError: the description contradicts itself or its schema, or the rows are too few or too many.
    """
    names = [file.name for file in description.files]
    if len(set(names)) < len(names) or not all(NAME.fullmatch(name) for name in names):
        raise _contradictory("its files don't have plain names of their own")
    tables = [table.file for table in description.tables]
    if not tables or len(set(tables)) < len(tables) or not set(tables) <= set(names):
        raise _contradictory("its tables don't each stand in one of its files")
    wanted = [column.name for column in schema.columns]
    if any([column.name for column in table.columns] != wanted for table in description.tables):
        raise _contradictory("its tables don't have the columns of its schema")
    if not len(tables) <= rows <= MAX_CELLS // len(wanted):
        raise InputError(
            f"rows: expected {len(tables)} to {MAX_CELLS // len(wanted)} for {len(tables)} tables of"
            f" {len(wanted)} columns, got {rows}",
            code="rows-invalid",
        )


def write_tables(description: Description, schema: DatasetSchema, rows: pd.DataFrame, folder: Path) -> None:
    """Write rows into a new folder, to each table its part of them; `check_layout` has passed.

    Raises:
        InputError: the folder is there already, or can't be written.
    """
    try:
        folder.mkdir(parents=True)
        for file in description.files:
            (folder / file.name).touch()
        shares = share_rows([table.rows for table in description.tables], len(rows))
        at = 0
        for table, share in zip(description.tables, shares, strict=True):
            _write_table(description, schema, table, rows.iloc[at : at + share], folder)
            at += share
    except FileExistsError as exc:
        raise InputError(
            f"{folder} is there already", code="target-exists", remedy="choose another folder"
        ) from exc
    except OSError as exc:
        raise InputError(f"{folder}: can't be written: {exc.strerror}", code="target-unwritable") from exc


def share_rows(real: Sequence[int | None], rows: int) -> list[int]:
    """Return how many of `rows` each table gets: one at least, and the others as the real ones are shared, if that is told."""
    weights = [float(count or 0) for count in real] if None not in real and any(real) else [1.0] * len(real)
    spare, total = rows - len(real), sum(weights)
    shares = [1 + int(spare * weight / total) for weight in weights]
    shares[weights.index(max(weights))] += rows - sum(shares)
    return shares


def _write_table(
    description: Description, schema: DatasetSchema, table: Table, rows: pd.DataFrame, folder: Path
) -> None:
    file = next(file for file in description.files if file.name == table.file)
    is_text = file.encoding == CSV
    frame = pd.DataFrame(
        {
            column.name: shape_column(rows[column.name], column, told.kind, is_text=is_text)
            for column, told in zip(schema.columns, table.columns, strict=True)
        }
    )
    if is_text:
        frame.to_csv(folder / file.name, index=False)
    elif file.encoding == PARQUET:
        frame.to_parquet(folder / file.name, index=False)
    else:
        raise _contradictory(f"the table {table.name!r} stands in a file that is no table")


def shape_column(values: pd.Series, column: ColumnSchema, told: str, *, is_text: bool) -> pd.Series:
    """Return values as a file holds them where the description tells the type `told`; gaps stay gaps.

    A file of text has whole numbers without a point, also where gaps made whoever described it call them floats.
    """
    if is_text and column.kind in {"integer", "identifier", "category"} and told == "sc:Float":
        told = "sc:Integer"
    try:
        make, dtype = SHAPES[told]
        return pd.Series([None if pd.isna(value) else make(value) for value in values], dtype=dtype)
    except (
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
    ):  # text, also where a description says numbers of what are none
        prefix = PREFIXES.get(column.kind, "")
        texts = [None if pd.isna(value) else prefix + _to_text(value) for value in values]
        return pd.Series(texts, dtype="object")


def _to_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _to_integer(value: object) -> int:
    return int(str(value))


def _to_float(value: object) -> float:
    return float(str(value))


SHAPES: Mapping[str, tuple[Callable[[object], object], str]] = {
    "sc:Boolean": (lambda value: str(value) in {"True", "true", "1"}, "boolean"),
    "sc:Integer": (_to_integer, "Int64"),
    "sc:Float": (_to_float, "Float64"),
    "sc:Date": (lambda value: value, "object"),
    "sc:DateTime": (lambda value: value, "datetime64[us]"),
}


def _contradictory(problem: str) -> InputError:
    return InputError(
        f"description: {problem}",
        code="description-contradictory",
        remedy="ask the dataset's owner to register it anew",
    )
