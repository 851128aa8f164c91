"""A row is read as if it stood alone, whatever stands beside it: what the privacy of a unit rests on before any gradient."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.guest.trainer.encoding import read_booleans, read_codes, read_numbers, read_words
from sandbox.guest.trainer.noise import Keystream
from sandbox.guest.trainer.tables import read_tables
from sandbox.guest.trainer.units import gather_units

CATEGORIES = ["None", "nan", "1", "2", "3.0", "True", "x", "2026-01-02"]
WORDS = st.sampled_from(
    ["1", "2", "-7", "true", "x", "", "1e400", "99999999999999999999", "nan", "é"]
) | st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=5)
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "integers": (pa.int64(), st.sampled_from([1, 2, -(2**62), 2**62 + 1])),
    "unsigned": (pa.uint64(), st.sampled_from([1, 2, 2**64 - 1])),
    "small integers": (pa.int8(), st.sampled_from([1, 2, -128])),
    "floats": (pa.float64(), st.sampled_from([1.0, 3.0, 0.1, float("inf"), float("nan"), 1e300])),
    "booleans": (pa.bool_(), st.booleans()),
    "text": (pa.string(), WORDS),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), WORDS),
    "decimals": (pa.decimal128(20, 2), st.sampled_from([Decimal("1.00"), Decimal("2.50")])),
    "dates": (pa.date32(), st.sampled_from([dt.date(2026, 1, 2), 2**31 - 1, -(2**31)])),
    "seconds": (pa.timestamp("s"), st.sampled_from([0, 1_767_312_000, 2**50])),
    "times": (pa.timestamp("us"), st.sampled_from([0, 1_767_312_000_000_000, 2**62])),
    "times of day": (pa.time64("ns"), st.sampled_from([0, 1, 86_399_999_999_999])),
    "durations": (pa.duration("us"), st.sampled_from([dt.timedelta(1), dt.timedelta(999_999)])),
    "bytes": (pa.binary(), st.sampled_from([b"1", b"\xff", b""])),
    "lists": (pa.list_(pa.int64()), st.lists(st.none() | st.integers(0, 9), max_size=3)),
    "structures": (pa.struct({"a": pa.int64()}), st.sampled_from([{"a": 1}, {"a": None}])),
    "nothing": (pa.null(), st.none()),
}


def readings(files: list[bytes]) -> list[tuple[str, ...]]:
    """Return all that the trainer can make of each value of the column `v` in these files."""
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(files):
            Path(folder, str(number)).write_bytes(content)
        column = read_tables(folder, ["v"])["v"]
    made = [
        read_words(column).tolist(),  # of which unit it is
        read_codes(column, CATEGORIES).tolist(),
        np.char.mod("%r", read_numbers(column)).tolist(),
        read_booleans(column).tolist(),
    ]
    return [tuple(map(str, row)) for row in zip(*made, strict=True)]


def parquet(kind: pa.DataType, values: list[Any]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"v": pa.array(values, kind), "other": [0] * len(values)}), content)
    return content.getvalue()


def csv_file(rows: list[list[str]]) -> bytes:
    content = io.StringIO(newline="")
    csv.writer(content).writerows([["before", "v", "after"], *rows])
    return content.getvalue().encode()


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_row_of_a_parquet_file_is_read_as_if_it_stood_alone(kind: str, data: st.DataObject) -> None:
    stored_as, values = VALUES[kind]
    rows = data.draw(st.lists(st.none() | values, min_size=1, max_size=6))
    stored_there, other_values = VALUES[data.draw(st.sampled_from(sorted(VALUES)))]
    elsewhere = data.draw(st.lists(st.none() | other_values, max_size=2))
    together = readings([parquet(stored_as, rows), parquet(stored_there, elsewhere)])
    alone = [readings([parquet(stored_as, [row]), parquet(stored_there, [])]) for row in rows]
    alone += [readings([parquet(stored_as, []), parquet(stored_there, [row])]) for row in elsewhere]
    assert together == [row for one in alone for row in one]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(WORDS, min_size=2, max_size=5), min_size=1, max_size=6))
def test_a_row_of_a_csv_file_is_read_as_if_it_stood_alone(rows: list[list[str]]) -> None:
    assert readings([csv_file(rows)]) == [row for line in rows for row in readings([csv_file([line])])]


def test_a_missing_value_leaves_everybody_else_in_their_category() -> None:
    whole = parquet(pa.int64(), [1, 2, None])
    assert [codes for _, codes, *_ in readings([whole])] == ["2", "3", "-1"]


def test_a_missing_value_leaves_everybody_in_the_other_files_as_they_were() -> None:
    floats = parquet(pa.float64(), [1.0, 3.0])
    without, with_one = (readings([parquet(pa.int64(), rows), floats]) for rows in ([1, 2], [1, 2, None]))
    assert [unit for unit, *_ in without] == ["1", "2", "1.0", "3.0"]
    assert [*with_one[:2], *with_one[3:]] == without


def test_text_that_is_no_utf8_is_text_with_a_mark_and_leaves_the_rest_as_it_was() -> None:
    broken = pa.array([b"a\xffb", b"x", None], pa.binary())
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        column = (
            broken.cast(kind, safe=False) if not pa.types.is_dictionary(kind) else broken.dictionary_encode()
        )
        if pa.types.is_dictionary(kind):
            words = column.dictionary.cast(pa.string(), safe=False)
            column = pa.DictionaryArray.from_arrays(column.indices, words)
        content = io.BytesIO()
        pq.write_table(pa.table({"v": column}), content)
        assert [unit for unit, *_ in readings([content.getvalue()])] == ["a\ufffdb", "x", ""]


def test_a_field_too_many_in_the_first_row_moves_nobody_s_columns() -> None:
    read = readings([csv_file([["a", "1", "b", "too many"], ["c", "2", "d"]])])
    assert [unit for unit, *_ in read] == ["1", "2"]


@pytest.mark.parametrize(
    "content",
    [
        parquet(pa.string(), ["a", None, "b", None, "a"]),
        parquet(pa.int64(), [1, None, 2, None, 1]),
        csv_file([["0", "a", "0"], ["0"], ["0", "b", "0"], ["0", "", "0"], ["0", "a", "0"]]),
    ],
    ids=["text", "integers", "csv"],
)
def test_rows_of_nobody_are_one_unit_together(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0").write_bytes(content)
    units = gather_units(
        read_tables(str(tmp_path), ["v"]), {"column": "v", "max_rows": 3}, Keystream(bytes(32))
    )
    members = [set(units.take(np.array([unit])).used().tolist()) for unit in range(len(units))]
    assert members == [{0, 4}, {1, 3}, {2}]


def test_a_column_that_was_once_an_index_is_a_column_like_others(tmp_path: Path) -> None:
    pd.DataFrame({"v": ["p", "q"], "w": [3, 4]}).set_index("v").to_parquet(tmp_path / "0")
    assert read_tables(str(tmp_path), ["v"])["v"].tolist() == ["p", "q"]
