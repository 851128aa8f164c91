"""Reads the schema of a dataset's tables: names and types of columns, and how many rows.

Nothing else of the content is kept: no value, range, category or count of values. A header that looks like a row of
data is refused, because the header is published.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from provider.datasets import DatasetFile, open_file, table_format
from provider.errors import DatasetError

ColumnKind = Literal["boolean", "integer", "float", "text", "date", "time", "other"]
CHUNK_ROWS = 50_000
MAX_COLUMNS = 10_000
MAX_COLUMN_CHARS = 200
MAX_HEADER_CHARS = 2**20


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column: its name and the kind of its values."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class TableProfile:
    """One table: the file it stands in (its path within the dataset), its columns in order, its number of rows."""

    file: str
    rows: int
    columns: tuple[ColumnProfile, ...]


@dataclass(frozen=True, slots=True)
class DatasetProfile:
    """The tables of a dataset, in byte order of their files; other files have none."""

    tables: tuple[TableProfile, ...]


def profile_dataset(files: Sequence[DatasetFile]) -> DatasetProfile:
    """Return the schema of every CSV and Parquet file.

    Raises:
        DatasetError: `dataset-unreadable`, `dataset-header`, or `dataset-empty` for a table without rows.
    """
    tables = []
    for file in files:
        kind = table_format(file.name)
        if kind is not None:
            with open_file(file) as stream:
                tables.append(_profile_table(file.name, kind, stream))
    return DatasetProfile(tuple(tables))


def _profile_table(name: str, kind: str, stream: BinaryIO) -> TableProfile:
    try:
        rows, columns = _read_csv(stream) if kind == "csv" else _read_parquet(stream)
    except (ValueError, OSError, csv.Error, pa.ArrowException) as exc:
        raise DatasetError(
            f"dataset: expected a table in {kind} form, got a file that can't be read as one",
            code="dataset-unreadable",
            remedy="write it again as UTF-8, comma-separated, as many fields in every row as in the header",
        ) from exc
    if rows == 0:
        raise DatasetError("dataset: expected a table with rows, got none", code="dataset-empty")
    return TableProfile(name, rows, columns)


def _read_csv(stream: BinaryIO) -> tuple[int, tuple[ColumnProfile, ...]]:
    names = _read_csv_header(stream)
    stream.seek(0)
    rows = 0
    kinds: list[ColumnKind | None] = [None] * len(names)
    for chunk in _iterate_csv(stream):
        rows += len(chunk)
        kinds = [_widen(kind, _csv_kind(chunk.iloc[:, at])) for at, kind in enumerate(kinds)]
    columns = tuple(ColumnProfile(name, kind or "text") for name, kind in zip(names, kinds, strict=True))
    return rows, columns


def _iterate_csv(stream: BinaryIO) -> Iterator[pd.DataFrame]:
    with pd.read_csv(stream, chunksize=CHUNK_ROWS, low_memory=False, encoding="utf-8-sig") as reader:
        yield from reader


def _read_csv_header(stream: BinaryIO) -> list[str]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        rows = csv.reader(iter(lambda: text.readline(MAX_HEADER_CHARS), ""), strict=True)
        names, first = next(rows, []), next(rows, None)
    finally:
        text.detach()
    if first is None:
        raise DatasetError("dataset: expected a table with rows, got none", code="dataset-empty")
    if len(first) != len(names):
        raise ValueError("the first row has another number of fields than the header")
    return _check_header(names)


def _check_header(names: list[str]) -> list[str]:
    bad = any(not name.strip() or len(name) > MAX_COLUMN_CHARS or _is_number(name) for name in names)
    if bad or not names or len(names) > MAX_COLUMNS or len(set(names)) < len(names):
        raise DatasetError(
            "dataset: expected a header of unique column names that are not numbers, got something else",
            code="dataset-header",
            remedy="put a line of column names first; it is published, so it must hold no data",
        )
    return names


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _csv_kind(column: pd.Series) -> ColumnKind | None:
    if column.isna().all():
        return None
    if pd.api.types.is_bool_dtype(column.dtype):
        return "boolean"
    if pd.api.types.is_integer_dtype(column.dtype):
        return "integer"
    return "float" if pd.api.types.is_float_dtype(column.dtype) else "text"


def _widen(seen: ColumnKind | None, new: ColumnKind | None) -> ColumnKind | None:
    if seen is None or new is None or seen == new:
        return seen or new
    return "float" if {seen, new} == {"integer", "float"} else "text"


def _read_parquet(stream: BinaryIO) -> tuple[int, tuple[ColumnProfile, ...]]:
    file = pq.ParquetFile(stream)
    schema = file.schema_arrow
    names = _check_header(list(schema.names))
    columns = tuple(
        ColumnProfile(name, _arrow_kind(kind)) for name, kind in zip(names, schema.types, strict=True)
    )
    return int(file.metadata.num_rows), columns


def _arrow_kind(kind: pa.DataType) -> ColumnKind:
    tests: tuple[tuple[ColumnKind, bool], ...] = (
        ("boolean", pa.types.is_boolean(kind)),
        ("integer", pa.types.is_integer(kind)),
        ("float", pa.types.is_floating(kind) or pa.types.is_decimal(kind)),
        ("text", pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)),
        ("date", pa.types.is_date(kind)),
        ("time", pa.types.is_timestamp(kind)),
    )
    return next((name for name, matches in tests if matches), "other")
