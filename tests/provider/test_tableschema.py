"""An owner's schema is taken only where every table has its columns, in its order, of kinds that fit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from policies.errors import DocumentError
from policies.schema import DatasetSchema, parse_schema
from provider.columns import DatasetProfile, profile_dataset
from provider.datasets import list_files
from provider.errors import DatasetError
from provider.tableschema import check_schema, read_schema
from tests.schema_samples import SCHEMA, TABLE, every_kind


def _profile(folder: Path, *tables: str) -> DatasetProfile:
    for at, text in enumerate(tables):
        (folder / f"{at}.csv").write_text(text)
    return profile_dataset(list_files(folder))


def _column(kind: str) -> DatasetSchema:
    return parse_schema(f"columns: [{{name: x, {kind}}}]".encode())


def test_a_schema_of_every_kind_is_taken_for_each_table_that_it_describes(tmp_path: Path) -> None:
    assert read_schema(SCHEMA, _profile(tmp_path, TABLE, TABLE)) == every_kind()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("dose", "doses", "table 2, column 3: expected 'dose', got 'doses'"),
        (",note", "", "table 2: expected 7 columns, got 6"),
        ("patient,age", "age,patient", "table 2, column 1: expected 'patient', got 'age'"),
        (
            "P-001,61,0.5",
            "P-001,old,0.5",
            "table 2, column 'age': expected what can be read as integer, got text",
        ),
        ("P-001,61,0.5", "P-001,,0.5", "if values are missing, say nullable: true"),
    ],
)
def test_a_table_that_differs_is_named_with_its_column(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    other = TABLE.replace(old, new)
    if new == "":
        other = "\n".join(line.rsplit(",", 1)[0] for line in TABLE.splitlines())
    with pytest.raises(DatasetError) as caught:
        check_schema(every_kind(), _profile(tmp_path, TABLE, other))
    assert caught.value.code == "schema-differs"
    assert problem in str(caught.value)


def test_no_value_is_held_against_its_bounds_nor_told_of(tmp_path: Path) -> None:
    check_schema(_column("kind: number, min: '0', max: '1'"), _profile(tmp_path, "x\n-5\n99.5\n"))
    with pytest.raises(DatasetError) as caught:
        check_schema(_column("kind: boolean"), _profile(tmp_path, "x\n-5\n99.5\n"))
    assert "99.5" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("values", "kind", "taken"),
    [
        ("1\n2\n", "kind: number, min: '0', max: '9'", True),
        ("1\n2.5\n", "kind: integer, min: '0', max: '9'", False),
        ("1\n2.5\n", "kind: integer, min: '0', max: '9', nullable: true", True),
        ("True\nno\n", "kind: boolean", False),
        ("True\nno\n", "kind: boolean, nullable: true", True),
        ("1\n2\n", "kind: category, categories: ['1', '2']", True),
        ("0.5\n2\n", "kind: category, categories: ['0.5', '2']", False),
        ("1\n2\n", "kind: identifier", True),
        ("0.5\n2\n", "kind: identifier", False),
        ("0.5\n2\n", "kind: text", True),
        ("True\nFalse\n", "kind: date", False),
    ],
)
def test_a_kind_is_taken_where_such_values_can_stand(
    tmp_path: Path, values: str, kind: str, *, taken: bool
) -> None:
    profile = _profile(tmp_path, f"x\n{values}")
    if taken:
        check_schema(_column(kind), profile)
    else:
        with pytest.raises(DatasetError, match="expected what can be read as"):
            check_schema(_column(kind), profile)


def test_dates_of_a_parquet_file_are_dates(tmp_path: Path) -> None:
    pd.DataFrame({"x": pd.to_datetime(["2020-01-01", "2021-01-01"])}).to_parquet(tmp_path / "t.parquet")
    check_schema(_column("kind: date"), profile_dataset(list_files(tmp_path)))
    with pytest.raises(DatasetError, match="expected what can be read as text, got time"):
        check_schema(_column("kind: text"), profile_dataset(list_files(tmp_path)))


def test_a_schema_needs_a_table(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").write_bytes(b"DICM")
    with pytest.raises(DatasetError, match="expected a CSV or Parquet file"):
        check_schema(every_kind(), profile_dataset(list_files(tmp_path)))


def test_what_is_no_schema_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"schema: line 4: columns\.1"):
        read_schema(SCHEMA.replace('min: "0", max: "120", ', ""), _profile(tmp_path, TABLE))


def test_bounds_that_are_one_number_where_it_is_computed_are_refused() -> None:
    with pytest.raises(DocumentError, match="min is not below max"):
        _column("kind: number, min: '1', max: '1.00000000000000000001'")
