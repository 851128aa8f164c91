"""What is read of a public description: files, tables, and the owner's schema; garbage is no description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policies.canonical import canonical_json
from provider.columns import profile_dataset
from provider.croissant import build_croissant
from provider.datasets import hash_files, list_files
from provider.description import parse_description, parse_description_schema
from provider.receipts.errors import MalformedError
from provider.tableschema import read_schema
from tests.schema_samples import SCHEMA, TABLE, every_kind


@pytest.fixture
def described(tmp_path: Path) -> bytes:
    (tmp_path / "study").mkdir()
    for name in ("anna", "bert"):
        (tmp_path / "study" / f"{name}.csv").write_text(TABLE)
    (tmp_path / "study" / "about.txt").write_text("x")
    files = list_files(tmp_path / "study")
    profile = profile_dataset(files)
    return build_croissant("Study", "", hash_files(files), profile, read_schema(SCHEMA, profile))


def test_the_schema_that_was_written_in_is_the_one_that_is_read(described: bytes) -> None:
    assert parse_description_schema(described) == every_kind()


def test_tables_are_told_with_their_rows_and_files(described: bytes) -> None:
    found = parse_description(described)
    assert [(table.file, table.rows) for table in found.tables] == [
        ("file-0002.csv", 3),
        ("file-0003.csv", 3),
    ]
    assert found.row_count == 6


def test_a_description_without_a_schema_has_none(described: bytes) -> None:
    document = json.loads(described)
    del document["tableSchema"]
    assert parse_description_schema(canonical_json(document)) is None


def test_rows_that_are_not_told_are_not_guessed(described: bytes) -> None:
    document = json.loads(described)
    document["recordSet"][0]["description"] = "about 3 rows"
    assert parse_description(canonical_json(document)).row_count is None
    document["recordSet"] = []
    assert parse_description(canonical_json(document)).row_count is None


@pytest.mark.parametrize(
    "schema",
    [
        {},
        None,
        "x",
        {"columns": []},
        {"columns": [{"name": "age", "kind": "number"}]},
        {"columns": [{"name": "age", "kind": "magic"}]},
        {"version": 2, "columns": [{"name": "ok", "kind": "boolean"}]},
        {"columns": [{"name": "ok", "kind": "boolean"}, {"name": "ok", "kind": "boolean"}]},
        {"columns": [{"name": "ok", "kind": "boolean", "secret": 1}]},
    ],
)
def test_a_schema_that_is_none_spoils_the_description(described: bytes, schema: Any) -> None:
    document = json.loads(described) | {"tableSchema": schema}
    if schema is None:
        assert parse_description_schema(canonical_json(document)) is None
        return
    with pytest.raises(MalformedError):
        parse_description_schema(canonical_json(document))
