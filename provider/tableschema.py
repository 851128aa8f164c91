"""Holds an owner's schema against the tables that it is to describe: their columns, in order, and kinds that can hold such values.

Names and kinds only, which the public description tells as well. Whether every value lies within its bounds is not looked at:
an answer to that is a fact about single rows, and whoever reads the data by the schema clips to it in any case.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.schema import ColumnSchema, DatasetSchema, Kind, parse_schema
from provider.columns import ColumnKind, ColumnProfile, DatasetProfile, TableProfile
from provider.errors import DatasetError

FITTING: Mapping[Kind, frozenset[ColumnKind]] = {
    "number": frozenset({"integer", "float"}),
    "integer": frozenset({"integer"}),
    "boolean": frozenset({"boolean"}),
    "category": frozenset({"text", "integer", "boolean"}),
    "text": frozenset({"text", "integer", "float"}),
    "date": frozenset({"date", "time", "text"}),
    "identifier": frozenset({"text", "integer"}),
}
"""What a file may hold where the schema says the key. A file of text has no dates: there they are text."""
FITTING_WITH_GAPS: Mapping[Kind, frozenset[ColumnKind]] = {
    "integer": frozenset({"float"}),
    "boolean": frozenset({"text"}),
    "category": frozenset({"float"}),
    "identifier": frozenset({"float"}),
}
"""What it may hold as well where values may be missing: a gap makes whole numbers floats, and truth values text."""


def read_schema(text: str, profile: DatasetProfile) -> DatasetSchema:
    """Return the schema that a document states, once every table fits it.

    Raises:
        DocumentError: it is no schema.
        DatasetError: see `check_schema`.
    """
    schema = parse_schema(text.encode())
    check_schema(schema, profile)
    return schema


def check_schema(schema: DatasetSchema, profile: DatasetProfile) -> None:
    """Check that every table has the schema's columns, in its order, of kinds that fit.

    Raises:
        DatasetError: `schema-differs`, with the first table (by its number) and column that differ.
    """
    if not profile.tables:
        raise _differing("expected a CSV or Parquet file that has these columns, got none")
    for number, table in enumerate(profile.tables, start=1):
        _check_table(schema, table, number)


def fits(column: ColumnSchema, kind: ColumnKind) -> bool:
    """Tell whether a column of that kind in a file can be what the schema says."""
    gaps = FITTING_WITH_GAPS.get(column.kind, frozenset()) if column.nullable else frozenset()
    return kind in FITTING[column.kind] or kind in gaps


def _check_table(schema: DatasetSchema, table: TableProfile, number: int) -> None:
    if len(table.columns) != len(schema.columns):
        raise _differing(f"table {number}: expected {len(schema.columns)} columns, got {len(table.columns)}")
    for at, (wanted, found) in enumerate(zip(schema.columns, table.columns, strict=True), start=1):
        if wanted.name != found.name:
            raise _differing(f"table {number}, column {at}: expected {wanted.name!r}, got {found.name!r}")
        if not fits(wanted, found.kind):
            raise _differing(f"table {number}, column {found.name!r}: {_misfit(wanted, found)}")


def _misfit(wanted: ColumnSchema, found: ColumnProfile) -> str:
    gaps = FITTING_WITH_GAPS.get(wanted.kind, frozenset())
    hint = "; if values are missing, say nullable: true" if found.kind in gaps else ""
    return f"expected what can be read as {wanted.kind}, got {found.kind}{hint}"


def _differing(problem: str) -> DatasetError:
    return DatasetError(
        f"schema: {problem}",
        code="schema-differs",
        remedy="write the columns as they stand in the files; `sealroom dataset schema-draft` writes them down",
    )
