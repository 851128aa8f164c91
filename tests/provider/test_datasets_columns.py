"""The published schema of tables: names and types, and nothing of the rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from provider import columns
from provider.columns import profile_dataset
from provider.datasets import DatasetFile
from provider.errors import DatasetError


def _profile(folder: Path, content: bytes, name: str = "t.csv") -> tuple[int, list[tuple[str, str]]]:
    (folder / name).write_bytes(content)
    (table,) = profile_dataset([DatasetFile(name, folder / name)]).tables
    return table.rows, [(column.name, column.kind) for column in table.columns]


def test_a_csv_file_is_told_by_its_columns_and_rows(tmp_path: Path) -> None:
    content = "id,ok,weight,näme,when,note\n1,True,1.5,x,2020-01-01,\n2,False,2,y,2020-01-02,\n".encode()
    assert _profile(tmp_path, content) == (
        2,
        [
            ("id", "integer"),
            ("ok", "boolean"),
            ("weight", "float"),
            ("näme", "text"),
            ("when", "text"),
            ("note", "text"),
        ],
    )


def test_kinds_widen_over_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "CHUNK_ROWS", 2)
    content = b"a,b,c,d\n1,1,,True\n2,2,,True\n3,x,5,7\n4,4,6,7\n0.5,5,7,7\n"
    assert _profile(tmp_path, content) == (
        5,
        [("a", "float"), ("b", "text"), ("c", "integer"), ("d", "text")],
    )


def test_quotes_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf"a, b",c\r\n"x\r\ny",2\r\n'
    assert _profile(tmp_path, content) == (1, [("a, b", "text"), ("c", "integer")])


def test_a_parquet_file_is_told_by_its_schema(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [0.5, 1],
            "b": [True, False],
            "t": ["x", "y"],
            "w": pd.to_datetime(["2020", "2021"]),
            "l": [[1], [2]],
        }
    )
    frame.to_parquet(tmp_path / "x.parquet")
    expected = [
        ("i", "integer"),
        ("f", "float"),
        ("b", "boolean"),
        ("t", "text"),
        ("w", "time"),
        ("l", "other"),
    ]
    assert _profile(tmp_path, (tmp_path / "x.parquet").read_bytes(), "t.PARQUET") == (2, expected)


def test_files_that_are_no_tables_have_no_columns(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").write_bytes(b"DICM")
    assert profile_dataset([DatasetFile("scan.dcm", tmp_path / "scan.dcm")]).tables == ()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "dataset-empty"),
        (b"a,b\n", "dataset-empty"),
        (b"a,b\n1,2\n1,2,3\n", "dataset-unreadable"),
        (b"a,b\n1,2,3\n", "dataset-unreadable"),
        (b"a,b\n\xff,2\n", "dataset-unreadable"),
        (b'a,b\n"1,2\n', "dataset-unreadable"),
        (b"PK\x03\x04\0\0\n\xff\xfe", "dataset-unreadable"),
        (b"17.99,10.38\n20.57,17.77\n", "dataset-header"),
        (b"a,\n1,2\n", "dataset-header"),
        (b"a,a\n1,2\n", "dataset-header"),
        (b"x" * 300 + b",a\n1,2\n", "dataset-header"),
    ],
    ids=[
        "no bytes",
        "a header alone",
        "a row with more fields",
        "a first row with more fields",
        "not UTF-8",
        "an open quote",
        "an archive",
        "no header, so that the first row would be published",
        "a column without a name",
        "two columns of one name",
        "a name without end",
    ],
)
def test_a_table_that_can_not_be_described_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(DatasetError) as caught:
        _profile(tmp_path, content)
    assert caught.value.code == code
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_broken_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DatasetError) as caught:
        _profile(tmp_path, content, "t.parquet")
    assert caught.value.code == "dataset-unreadable"


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": pd.Series([], dtype="int64")}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DatasetError) as caught:
        _profile(tmp_path, (tmp_path / "x.parquet").read_bytes(), "t.parquet")
    assert caught.value.code == "dataset-empty"
