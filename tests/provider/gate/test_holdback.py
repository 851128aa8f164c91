"""Which rows are held back: always the same, whole units, byte for byte, and none that an algorithm sees."""

from __future__ import annotations

import io
from pathlib import Path
from random import SystemRandom

import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest

from policies.privacy import ColumnUnit
from provider.errors import DatasetError
from provider.gate.holdback import Division, HoldBack, MembersOnly, Side
from provider.gate.sample import draw_sample
from provider.gate.tables import Table, read_rows

COMMITMENT = b"\x07" * 32
QUARTER = HoldBack("0.25")
PATIENTS = HoldBack("0.25", ColumnUnit(column="patient", max_rows=3))
ROWS = [(f"p{number // 5}", str(number), f'said "{number}",\nand more') for number in range(1000)]


def write_csv(path: Path, rows: list[tuple[str, str, str]] = ROWS, *, end: str = "\r\n") -> Table:
    frame = pd.DataFrame(rows, columns=["patient", "value", "note"])
    path.write_bytes(frame.to_csv(index=False, lineterminator=end).encode())
    return Table(path, "ward.csv")


def sides(table: Table, rule: HoldBack, commitment: bytes = COMMITMENT) -> list[Side]:
    division = Division(commitment, rule)
    division.begin(table)
    return [division.place(number, values) for number, values in enumerate(read_rows(table))]


def test_the_same_commitment_holds_the_same_rows_back_and_another_one_others(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "0")
    first = sides(table, QUARTER)
    assert first == sides(table, QUARTER)
    assert first != sides(table, QUARTER, b"\x08" * 32)
    assert 200 < first.count(Side.HELD_BACK) < 300
    assert Side.UNUSED not in first


def test_all_rows_of_a_patient_are_on_one_side_and_no_more_than_allowed_are_used(tmp_path: Path) -> None:
    found = sides(write_csv(tmp_path / "0"), PATIENTS)
    for patient in range(200):
        of_one = found[5 * patient : 5 * patient + 5]
        assert of_one[3:] == [Side.UNUSED] * 2
        assert len(set(of_one[:3])) == 1


def test_what_an_algorithm_sees_are_the_bytes_of_the_members_under_the_same_header(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "0")
    whole, expected = table.path.read_bytes(), sides(table, QUARTER)
    MembersOnly(COMMITMENT, QUARTER)(table.path, table.name)
    seen = pd.read_csv(io.BytesIO(table.path.read_bytes()), dtype=str)
    kept = [row for row, side in zip(ROWS, expected, strict=True) if side is Side.MEMBER]
    assert list(seen.itertuples(index=False, name=None)) == kept
    records = whole.split(b"\r\n")
    assert set(table.path.read_bytes().split(b"\r\n")) <= set(records)
    assert table.path.read_bytes().startswith(records[0] + b"\r\n")


def test_parquet_keeps_its_types_and_holds_back_the_same_patients(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["patient", "value", "note"]).astype({"value": "int32"})
    frame.to_parquet(tmp_path / "1")
    csv = sides(write_csv(tmp_path / "0"), PATIENTS)
    MembersOnly(COMMITMENT, PATIENTS)(tmp_path / "1", "ward.parquet")
    seen = pd.read_parquet(tmp_path / "1")
    assert seen["value"].dtype == "int32"
    assert seen["value"].tolist() == [number for number, side in enumerate(csv) if side is Side.MEMBER]


def test_no_value_of_a_row_held_back_is_left_in_a_dictionary(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["patient", "value", "note"]).astype("category")
    frame.to_parquet(tmp_path / "1", compression=None)
    MembersOnly(COMMITMENT, PATIENTS)(tmp_path / "1", "ward.parquet")
    read = pq.read_table(tmp_path / "1")
    assert [str(kind) for kind in read.schema.types] == ["string"] * 3
    held = {
        row[0]
        for row, side in zip(ROWS, sides(write_csv(tmp_path / "0"), PATIENTS), strict=True)
        if side is Side.HELD_BACK
    }
    assert len(held) > 20
    assert not held & set(read["patient"].to_pylist())
    assert not held & set(pd.read_parquet(tmp_path / "1")["patient"].astype(str))


def test_a_dictionary_within_a_structure_is_refused(tmp_path: Path) -> None:
    kind = pa.struct({"name": pa.dictionary(pa.int32(), pa.string())})
    pq.write_table(pa.table({"who": pa.array([{"name": "a"}, {"name": "b"}], kind)}), tmp_path / "0")
    with pytest.raises(DatasetError):
        MembersOnly(COMMITMENT, QUARTER)(tmp_path / "0", "ward.parquet")


def test_units_are_counted_over_all_files(tmp_path: Path) -> None:
    rule = MembersOnly(COMMITMENT, HoldBack("0.000001", ColumnUnit(column="patient", max_rows=1)))
    for name in ("0", "1"):
        table = write_csv(tmp_path / name, ROWS[:5])
        rule(table.path, f"{name}.csv")
    assert [len(list(read_rows(Table(tmp_path / name, "t.csv")))) for name in ("0", "1")] == [1, 0]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"a,b\n1,2\n", "picture.png"),
        (b"a,b\n1,2\n3\n", "ward.csv"),
        (b'a,b\n1,"2\n', "ward.csv"),
        (b"a,b\n1,\xff\n", "ward.csv"),
        (b"no parquet", "ward.parquet"),
    ],
    ids=["no table", "a short row", "an open quote", "no UTF-8", "no parquet"],
)
def test_what_can_not_be_read_row_by_row_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / "0").write_bytes(content)
    with pytest.raises(DatasetError):
        MembersOnly(COMMITMENT, QUARTER)(tmp_path / "0", name)


def test_a_table_without_the_unit_s_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DatasetError):
        MembersOnly(COMMITMENT, PATIENTS)(tmp_path / "0", "ward.csv")


def test_the_rows_that_are_scored_are_one_of_each_unit_and_lack_what_is_left_out(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "0")
    sample = draw_sample([table], Division(COMMITMENT, PATIENTS), SystemRandom())
    assert sample.members + sample.held_back == 200 == len(sample.scored)
    assert len({row[0] for row in sample.scored}) == 200
    held = {row[0] for row, side in zip(ROWS, sides(table, PATIENTS), strict=True) if side is Side.HELD_BACK}
    assert {row[0] for row, member in zip(sample.scored, sample.member, strict=True) if not member} == held
    shown = pd.read_csv(io.BytesIO(sample.table_without(["patient", "note"])))
    assert list(shown.columns) == ["value"]
    assert [str(value) for value in shown["value"]] == [row[1] for row in sample.scored]
