"""The draft of a schema has names and kinds, no value, and gaps that keep it from being taken as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.schemadraft import draft_schema
from policies.errors import DocumentError
from policies.schema import parse_schema
from provider.columns import ColumnProfile, profile_dataset
from provider.datasets import list_files
from provider.tableschema import check_schema
from tests.schema_samples import TABLE


def _draft(path: Path) -> str:
    return draft_schema(profile_dataset(list_files(path)).tables[0].columns)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "wards.csv").write_text(TABLE)
    return tmp_path / "wards.csv"


def test_a_draft_is_refused_until_its_gaps_are_filled_in_and_then_describes_the_data(table: Path) -> None:
    draft = _draft(table)
    with pytest.raises(DocumentError, match=r"columns\.1\.min"):
        parse_schema(draft.encode())
    filled = draft.replace("min: FILL-IN", 'min: "0"').replace("max: FILL-IN", 'max: "200"')
    check_schema(parse_schema(filled.encode()), profile_dataset(list_files(table)))


def test_no_value_of_the_data_stands_in_a_draft(table: Path) -> None:
    draft = _draft(table)
    assert not any(word in draft for word in ("P-001", "61", "47", "1.25", "steady", "2020", "III"))


def test_any_name_of_a_column_is_written_so_that_it_is_read_again() -> None:
    names = ["a: b", "#x", '"quoted"', "- y", "näme", "null", "2020-01-01", "line\nbreak"]
    text = draft_schema([ColumnProfile(name, "text") for name in names])
    assert [column.name for column in parse_schema(text.encode()).columns] == names
