"""Rows made from a schema alone: every value may stand in its column, and the files are those of the description."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.context import Session
from cli.errors import ExitCode, InputError
from cli.main import run
from cli.synthetic import MISSING_PART, draw_rows
from cli.tablewriting import check_layout, share_rows, write_tables
from policies.canonical import canonical_json
from policies.schema import ColumnSchema, DatasetSchema
from provider.columns import profile_dataset
from provider.croissant import build_croissant
from provider.datasets import hash_files, list_files
from provider.description import parse_description
from provider.tableschema import check_schema, read_schema
from tests.schema_samples import SCHEMA, TABLE, every_kind


def describe(folder: Path) -> bytes:
    files = list_files(folder)
    profile = profile_dataset(files)
    return build_croissant("Study", "", hash_files(files), profile, read_schema(SCHEMA, profile))


@pytest.fixture
def described(tmp_path: Path) -> bytes:
    """A folder with a table as CSV, the same as Parquet, and a file that is no table."""
    study = tmp_path / "study"
    study.mkdir()
    (study / "b.csv").write_text(TABLE)
    frame = pd.read_csv(study / "b.csv").assign(admitted=lambda rows: pd.to_datetime(rows["admitted"]))
    frame.to_parquet(study / "c.parquet")
    (study / "a.dcm").write_bytes(b"DICM")
    return describe(study)


def bounds() -> st.SearchStrategy[tuple[str, str]]:
    numbers = st.decimals(-(10**6), 10**6, places=3)
    return (
        st.tuples(numbers, numbers)
        .filter(lambda pair: pair[0] < pair[1])
        .map(lambda pair: (f"{pair[0]:f}", f"{pair[1]:f}"))
    )


@settings(max_examples=40, deadline=None)
@given(bounds(), st.integers(0, 2**64 - 1))
def test_a_number_lies_within_its_bounds_whatever_they_are(pair: tuple[str, str], seed: int) -> None:
    column = ColumnSchema(name="x", kind="number", min=pair[0], max=pair[1])
    drawn = draw_rows(DatasetSchema(columns=(column,)), 50, seed=seed)["x"]
    assert all(float(pair[0]) <= value <= float(pair[1]) for value in drawn)


@settings(max_examples=40, deadline=None)
@given(bounds(), st.integers(0, 2**64 - 1))
def test_a_whole_number_lies_within_its_bounds_whatever_they_are(pair: tuple[str, str], seed: int) -> None:
    low, high = Decimal(pair[0]), Decimal(pair[1]) + 1
    column = ColumnSchema(name="x", kind="integer", min=pair[0], max=f"{high:f}")
    drawn = draw_rows(DatasetSchema(columns=(column,)), 50, seed=seed)["x"]
    assert all(isinstance(value, int) and low <= value <= high for value in drawn)


def test_values_are_of_their_kinds_and_repeat_as_units_do() -> None:
    rows = draw_rows(every_kind(), 3000, seed=1)
    assert set(rows["stage"]) == {"I", "II", "III", "IV"}
    assert set(rows["smoker"]) == {True, False}
    assert all(isinstance(day, date) for day in rows["admitted"])
    assert rows["patient"].value_counts().mean() > 2
    assert 0 < rows["note"].isna().mean() < 2 * MISSING_PART
    assert not rows.drop(columns="note").isna().any(axis=None)


def test_a_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (draw_rows(every_kind(), 100, seed=seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again)
    assert not first["dose"].equals(other["dose"])


def test_the_files_have_the_names_formats_columns_and_types_that_the_description_tells(
    described: bytes, tmp_path: Path
) -> None:
    description = parse_description(described)
    check_layout(description, every_kind(), 40)
    write_tables(description, every_kind(), draw_rows(every_kind(), 40, seed=1), tmp_path / "out")
    found = list_files(tmp_path / "out")
    assert [file.name for file in found] == ["file-0001.dcm", "file-0002.csv", "file-0003.parquet"]
    profile = profile_dataset(found)
    check_schema(every_kind(), profile)
    again = build_croissant("Study", "", hash_files(found), profile, every_kind())
    told = [[column.kind for column in table.columns] for table in parse_description(again).tables]
    assert told == [[column.kind for column in table.columns] for table in description.tables]
    assert sum(table.rows for table in profile.tables) == 40


def test_a_gap_makes_no_fraction_of_a_whole_number_in_a_file_of_text(tmp_path: Path) -> None:
    gaps = TABLE.replace("P-001,61", "P-001,")
    (tmp_path / "wards.csv").write_text(gaps)
    files = list_files(tmp_path / "wards.csv")
    profile = profile_dataset(files)
    schema = read_schema(SCHEMA.replace('max: "120"', 'max: "120", nullable: true'), profile)
    description = parse_description(build_croissant("W", "", hash_files(files), profile, schema))
    write_tables(description, schema, draw_rows(schema, 200, seed=1), tmp_path / "out")
    ages = pd.read_csv(tmp_path / "out" / "data.csv", dtype=str)["age"]
    assert ages.isna().any()
    assert all(text.isdigit() for text in ages.dropna())


@pytest.mark.parametrize(
    ("real", "rows", "shares"),
    [
        ([100, 100], 10, [5, 5]),
        ([300, 100], 8, [6, 2]),
        ([10**9, 1], 2, [1, 1]),
        ([None, 5], 4, [2, 2]),
        ([0, 0], 5, [3, 2]),
    ],
)
def test_tables_share_the_rows_as_the_real_ones_do(
    real: list[int | None], rows: int, shares: list[int]
) -> None:
    assert share_rows(real, rows) == shares


def _change_file(document: dict[str, Any], name: str) -> None:
    document["distribution"][1]["name"] = name
    for field in document["recordSet"][0]["field"]:
        field["source"]["fileObject"]["@id"] = name


@pytest.mark.parametrize(
    "change",
    [
        lambda document: _change_file(document, "../evil.csv"),
        lambda document: _change_file(document, "/etc/evil.csv"),
        lambda document: _change_file(document, "..csv"),
        lambda document: _change_file(document, "file-0003.parquet"),
        lambda document: document["recordSet"].clear(),
        lambda document: document["recordSet"][0]["field"].pop(),
        lambda document: document["recordSet"][0]["field"][0].update(name="other"),
        lambda document: document["recordSet"][0]["field"][0].pop("source"),
        lambda document: document["distribution"].pop(1),
    ],
)
def test_a_description_that_contradicts_itself_or_leads_out_of_the_folder_is_not_followed(
    described: bytes, change: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(described)
    change(document)
    with pytest.raises(InputError) as caught:
        check_layout(parse_description(canonical_json(document)), every_kind(), 40)
    assert caught.value.code == "description-contradictory"


@pytest.mark.parametrize("rows", [1, 10**9])
def test_too_few_and_too_many_rows_are_refused_before_any_is_drawn(described: bytes, rows: int) -> None:
    with pytest.raises(InputError, match="rows: expected 2 to"):
        check_layout(parse_description(described), every_kind(), rows)


def test_the_command_makes_them_from_a_file_and_asks_nobody(
    described: bytes, tmp_path: Path, bare_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "croissant.json").write_bytes(described)
    words = ["dataset", "synth", "--description", str(tmp_path / "croissant.json"), "--rows", "30"]
    words += ["--output", str(tmp_path / "out"), "--json"]
    assert run(words, bare_session()) is ExitCode.OK
    assert json.loads(capsys.readouterr().out)["rows"] == 30
    assert len(pd.read_parquet(tmp_path / "out" / "file-0003.parquet")) == 15
    assert run(words, bare_session()) is ExitCode.USAGE
    assert "is there already" in capsys.readouterr().err


def test_a_dataset_without_a_schema_has_nothing_to_make_rows_from(
    tmp_path: Path, bare_session: Callable[..., Session], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wards.csv").write_text(TABLE)
    files = list_files(tmp_path / "wards.csv")
    (tmp_path / "c.json").write_bytes(build_croissant("W", "", hash_files(files), profile_dataset(files)))
    words = ["dataset", "synth", "--description", str(tmp_path / "c.json"), "--output", str(tmp_path / "out")]
    assert run(words, bare_session()) is ExitCode.USAGE
    assert "has published no schema" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
