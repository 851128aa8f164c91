"""Reads the rows of a dataset's tables one by one, and writes some of them again, byte for byte where the format is CSV.

A CSV record ends at a line end outside quotes (RFC 4180, §2); empty lines are no rows. What can't be read so is refused,
because a row that two readers count differently would be held back in one place and shown in the other.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from provider.datasets import table_format
from provider.errors import DatasetError

MAX_RECORD_BYTES = 2**24
BATCH_ROWS = 16_384
BOM = b"\xef\xbb\xbf"
QUOTE = b'"'
Values = list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """One table file: where it lies, and its name within its dataset."""

    path: Path
    name: str


def _unreadable() -> DatasetError:
    return DatasetError("dataset: a table can't be read row by row", code="dataset-unreadable")


def is_table(name: str) -> bool:
    """Tell whether a file of this name is read as a table."""
    return table_format(name) is not None


def read_header(table: Table) -> Values:
    """Return the column names.

    Raises:
        DatasetError: `dataset-unreadable`, here and in every other function of this module.
    """
    try:
        if table_format(table.name) == "parquet":
            return [str(name) for name in pq.ParquetFile(table.path).schema_arrow.names]
        with table.path.open("rb") as stream:
            return _parse_record(next(_records(stream), b""))
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise _unreadable() from exc


def read_rows(table: Table) -> Iterator[Values]:
    """Give the values of every row as text, in order; a missing value is empty."""
    try:
        if table_format(table.name) == "parquet":
            for batch in pq.ParquetFile(table.path).iter_batches(batch_size=BATCH_ROWS):
                yield from _batch_rows(batch)
        else:
            with table.path.open("rb") as stream:
                yield from (values for _, values in _csv_rows(stream))
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise _unreadable() from exc


def join_rows(rows: Sequence[Values]) -> bytes:
    """Return rows as characters: values with commas between them, a line for each row, and nothing quoted."""
    return "\n".join(map(",".join, rows)).encode()


def keep_rows(table: Table, target: Path, keep: Callable[[int, Values], bool]) -> None:
    """Write the rows for which `keep(number, values)` holds into a new file of the same format and columns."""
    try:
        if table_format(table.name) == "parquet":
            _keep_parquet(table.path, target, keep)
        else:
            _keep_csv(table.path, target, keep)
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise _unreadable() from exc


def _keep_csv(source: Path, target: Path, keep: Callable[[int, Values], bool]) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        writer.write(next(_records(reader), b""))
        reader.seek(0)
        for number, (record, values) in enumerate(_csv_rows(reader)):
            if keep(number, values):
                writer.write(record if record.endswith((b"\n", b"\r")) else record + b"\n")


def _keep_parquet(source: Path, target: Path, keep: Callable[[int, Values], bool]) -> None:
    file, number = pq.ParquetFile(source), 0
    schema = _without_dictionaries(file.schema_arrow)
    with pq.ParquetWriter(target, schema) as writer:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            mask = [keep(number + at, values) for at, values in enumerate(_batch_rows(batch))]
            kept = pa.Table.from_batches([batch]).filter(pa.array(mask, pa.bool_()))
            writer.write_table(kept.cast(schema))
            number += len(mask)


def _without_dictionaries(schema: pa.Schema) -> pa.Schema:
    """Return the schema with values in place of references to them: a dictionary keeps those of rows that are gone."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    if any("dictionary<" in str(field.type) for field in fields):
        raise ValueError("a dictionary within a structure")
    return pa.schema(fields, metadata=schema.metadata)


def _csv_rows(stream: BinaryIO) -> Iterator[tuple[bytes, Values]]:
    records = _records(stream)
    width = len(_parse_record(next(records, b"")))
    for record in records:
        values = _parse_record(record)
        if values and len(values) != width:
            raise ValueError("a row has another number of fields than the header")
        if values:
            yield record, values


def _records(stream: BinaryIO) -> Iterator[bytes]:
    parts: list[bytes] = []
    size, inside = 0, False
    for line in iter(lambda: stream.readline(MAX_RECORD_BYTES), b""):
        parts.append(line)
        size += len(line)
        inside ^= line.count(QUOTE) % 2 == 1
        if size >= MAX_RECORD_BYTES:
            raise ValueError("a record is too long")
        if not inside:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        raise ValueError("a quote is never closed")


def _parse_record(record: bytes) -> Values:
    text = record.removeprefix(BOM).decode()
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as exc:
        raise ValueError("a record is not CSV") from exc
    return rows[0] if rows else []


def _batch_rows(batch: pa.RecordBatch) -> Iterator[Values]:
    columns = [[_to_text(value) for value in column.to_pylist()] for column in batch.columns]
    return (list(values) for values in zip(*columns, strict=True))


def _to_text(value: object) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)
