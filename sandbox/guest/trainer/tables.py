"""Reads a dataset's tables, only the columns asked for, and as text: what a value means is the recipe's to say.

Nothing in a value can end the reading: what can't be understood later counts as missing, so that no error tells of data.
No row changes how another one is read, or one row would touch every unit: not by a missing value in a column of integers,
which pandas would make floating-point numbers of all, not by one field too many, which would shift the columns of all, and not
by what stands in another file, which pandas would find one type for with this one's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

PARQUET = b"PAR1"


class ColumnMissingError(Exception):
    """A table doesn't have a column that the recipe reads: it is not the data that the recipe was made for."""


def read_tables(folder: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return these columns of all tables in `folder`, one below the other in the order of the files' numbers.

    Raises:
        ColumnMissingError: a table lacks one of the columns; no table has all of them.
    """
    names = sorted(os.listdir(folder), key=int)
    wanted = list(dict.fromkeys(columns))
    tables = [_read_table(f"{folder}/{name}", wanted) for name in names]
    if not tables:
        raise ColumnMissingError
    return concat(tables)


def concat(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return tables of the same columns one below the other, each value as it was."""
    mixed = [
        name
        for name in tables[0].columns
        if any(table[name].dtype != tables[0][name].dtype for table in tables)
    ]
    return pd.concat([table.astype(dict.fromkeys(mixed, object)) for table in tables], ignore_index=True)


def _read_table(path: str, columns: list[str]) -> pd.DataFrame:
    with open(path, "rb") as stream:
        is_parquet = stream.read(len(PARQUET)) == PARQUET
    try:
        return _read_parquet(path, columns) if is_parquet else read_csv(path, columns)
    except (ValueError, KeyError, pa.ArrowException) as exc:
        raise ColumnMissingError from exc


def read_csv(path: str, columns: list[str]) -> pd.DataFrame:
    """Return these columns of one file, as text; see the module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote lines
        table = pd.read_csv(
            path,
            usecols=columns,
            index_col=False,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            encoding_errors="replace",
            on_bad_lines="skip",
        )
    return table[columns]


def _read_parquet(path: str, columns: list[str]) -> pd.DataFrame:
    table = pq.read_table(path, columns=columns)
    for place, column in enumerate(table.columns):
        table = table.set_column(place, table.column_names[place], _readable(column))
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True, ignore_metadata=True)[columns]
    return frame


def _readable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of which pandas can take every value: dates of any year, and text with what is no UTF-8 replaced."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return column.cast(pa.string())
    if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = column.cast(pa.large_binary()).to_pylist()
        words = [None if value is None else value.decode("utf-8", "replace") for value in values]
        return pa.chunked_array([pa.array(words, pa.large_string())])
    return column
