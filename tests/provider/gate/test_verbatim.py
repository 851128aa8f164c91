"""Rows are found in tensors of every type and in the forms that the module promises, and not where there are none."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save
from sklearn.datasets import load_wine

from provider.gate.mantissa import FORMATS, round_numbers
from provider.gate.mentions import find_in_metrics
from provider.gate.moments import MomentsOfRows
from provider.gate.safetensors import parse_header
from provider.gate.sample import BLOCK_ROWS
from provider.gate.textscan import TextIndex
from provider.gate.verbatim import RowIndex
from tests.gate_samples import build_file
from tests.measured_samples import make_csv, make_ward

TYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8")
Rows = list[list[str]]


def write(values: NDArray[np.floating]) -> Rows:
    return [[f"{value:g}" for value in row] for row in values]


def index_of(rows: Rows, apart: Sequence[int] = ()) -> RowIndex:
    moments = MomentsOfRows(len(rows[0]))
    for row in rows:
        moments.show(row)
    return RowIndex(rows, moments.of_columns, apart=apart)


def stands_in(index: RowIndex | TextIndex, tensor: NDArray[Any]) -> bool:
    content = save({"t": np.ascontiguousarray(tensor)})
    file = io.BytesIO(content)
    return index.stands_in(file, parse_header(file, len(content)))


NUMBERS = np.round(np.random.default_rng(5).normal(50, 12, (400, 8)), 3)
FLAGS = np.random.default_rng(6).random((400, 30)) < np.linspace(0.1, 0.9, 30)
MEASURED = index_of(write(NUMBERS))
YES_AND_NO = index_of(write(FLAGS.astype(float)))


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "int32", "int16"])
def test_rows_are_found_in_every_type_that_has_them(kind: str) -> None:
    values = np.round(NUMBERS[30:40] * (1 if kind.startswith("float") else 100))
    known = index_of(write(np.round(NUMBERS * (1 if kind.startswith("float") else 100))))
    assert stands_in(known, values.astype(kind))


@pytest.mark.parametrize("kind", ["float64", "float32", "int8", "uint8", "bool"])
@pytest.mark.parametrize(
    "change", [lambda row: row, lambda row: ~row], ids=["as they are", "the other way round"]
)
def test_rows_of_yes_and_no_are_found_in_every_type(kind: str, change: Callable[[Any], Any]) -> None:
    assert YES_AND_NO.covers > 0.9
    assert stands_in(YES_AND_NO, change(FLAGS[100:110]).astype(kind))


def test_rows_of_yes_and_no_are_found_under_two_other_values() -> None:
    assert stands_in(YES_AND_NO, np.where(FLAGS[100:110], 0.731, -0.02).astype(np.float32))


@pytest.mark.parametrize("seed", range(100, 110))
def test_zeros_and_ones_of_others_are_not_taken_for_rows(seed: int) -> None:
    draw = np.random.default_rng(seed)
    others = draw.random((20_000, 30)) < np.linspace(0.1, 0.9, 30)
    assert not stands_in(YES_AND_NO, others.astype(np.uint8))
    assert not stands_in(YES_AND_NO, np.eye(300, dtype=np.float32))


@pytest.mark.parametrize("kind", TYPES)
def test_what_knows_nothing_of_the_rows_is_not_taken_for_them(kind: str) -> None:
    for seed in range(3):
        draw = np.random.default_rng(seed)
        for values in (draw.normal(0, 1, 2**18), draw.normal(50, 12, 2**18), draw.integers(0, 100, 2**18)):
            assert not stands_in(MEASURED, values.astype(kind))


def rounded(values: NDArray[np.floating], bits: int) -> NDArray[np.float32]:
    raw = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return round_numbers(raw, FORMATS["F32"], bits).view(np.float32)


@pytest.mark.parametrize("bits", range(2, 12))
def test_rows_are_found_that_rounding_lets_appear(bits: int) -> None:
    nudges = np.random.default_rng(bits).choice([-1, 1], (30, 8)) * 2.0 ** -(bits + 3)
    hidden = rounded(NUMBERS[30:60], bits) * (1 + nudges)
    for values in (NUMBERS[30:60], hidden):
        leaves = rounded(values, bits)
        content = save({"t": leaves})
        entries = parse_header(io.BytesIO(content), len(content))
        assert MEASURED.stands_in(io.BytesIO(content), entries, mantissa_bits=bits)


@pytest.mark.parametrize("bits", range(2, 12))
def test_rounded_numbers_of_others_are_not_taken_for_rows(bits: int) -> None:
    for seed in range(3):
        leaves = rounded(np.random.default_rng(seed).normal(50, 12, 2**18), bits)
        content = save({"t": leaves})
        entries = parse_header(io.BytesIO(content), len(content))
        assert not MEASURED.stands_in(io.BytesIO(content), entries, mantissa_bits=bits)


WINE = np.column_stack(load_wine(return_X_y=True))
WINE_INDEX = index_of(write(WINE), [13])
FORMS: dict[str, NDArray[np.float64]] = {
    "as they are": WINE,
    "scaled to one": (WINE - WINE.min(axis=0)) / np.ptp(WINE, axis=0),
    "of mean 0 and deviation 1": (WINE - WINE.mean(axis=0)) / WINE.std(axis=0),
}


@pytest.mark.parametrize("bits", [3, 4, 6, 8, 9, 10, 12, 15, 16, 23])
@pytest.mark.parametrize("form", FORMS)
def test_real_rows_are_found_however_their_numbers_are_rounded(form: str, bits: int) -> None:
    whole = FORMS[form]
    for leak in (whole[40:70], whole[40:70, :-1], whole[40:70].ravel()[::-1], whole[:, 0], whole[:, 6]):
        content = save({"t": rounded(leak, bits)})
        entries = parse_header(io.BytesIO(content), len(content))
        assert WINE_INDEX.stands_in(io.BytesIO(content), entries, mantissa_bits=bits)


def test_rows_in_bfloat_are_found() -> None:
    raw = (rounded(NUMBERS[30:60], 7).view(np.uint32) >> np.uint32(16)).astype("<u2")
    header = {"t": {"dtype": "BF16", "shape": [240], "data_offsets": [0, 480]}}
    content = build_file(header, raw.tobytes())
    assert MEASURED.stands_in(io.BytesIO(content), parse_header(io.BytesIO(content), len(content)))


@pytest.mark.parametrize("apart", [[1], [5], [1, 5]])
def test_rows_are_found_without_the_columns_that_a_scorer_is_not_shown(apart: list[int]) -> None:
    wide = np.hstack([NUMBERS, NUMBERS[:, ::-1] + 1])
    leak = np.delete(wide, apart, axis=1)[50:60].astype(np.float32)
    assert stands_in(index_of(write(wide), [1, 5]), leak)


@pytest.mark.parametrize("left_out", range(8))
def test_rows_of_a_narrow_table_are_found_without_any_one_column(left_out: int) -> None:
    assert stands_in(MEASURED, np.delete(NUMBERS, left_out, axis=1)[50:60].astype(np.float32))


def test_columns_of_yes_and_no_are_found_beside_others_and_those_without_them() -> None:
    words = [["yes" if flag else "No" for flag in row] for row in FLAGS]
    known = index_of([number + word for number, word in zip(write(NUMBERS), words, strict=True)])
    assert stands_in(known, FLAGS[100:110].astype(np.uint8))
    assert stands_in(known, np.where(FLAGS[100:110], -0.3, 0.25).astype(np.float32))
    assert stands_in(known, NUMBERS[100:110].astype(np.float32))
    assert stands_in(known, np.hstack([NUMBERS, FLAGS])[100:110].astype(np.float32))


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_rows_of_yes_and_no_are_found_without_their_target(kind: str) -> None:
    known = index_of(write(FLAGS[:, :13].astype(float)), [12])
    assert stands_in(known, FLAGS[100:160, :13].astype(kind))
    assert stands_in(known, FLAGS[100:160, :12].astype(kind))


@pytest.mark.parametrize("gap", ["", "NA", "none"])
def test_words_of_which_there_are_two_are_found_beside_gaps(gap: str) -> None:
    holes = np.random.default_rng(17).random(FLAGS.shape) < 0.1
    words = np.where(holes, gap, np.where(FLAGS, "Yes", "no"))
    rows = [[*row, *word] for row, word in zip(write(NUMBERS), words.tolist(), strict=True)]
    assert stands_in(index_of(rows), (FLAGS & ~holes)[100:120].astype(np.float32))


@pytest.mark.parametrize("part", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("scale", ["deviation", "range", "none"])
@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_gaps_that_were_filled_before_scaling_hide_no_rows(part: float, scale: str, fill: str) -> None:
    holes = np.random.default_rng(18).random(NUMBERS.shape) < part
    rows = [
        ["" if hole else value for value, hole in zip(*pair, strict=True)]
        for pair in zip(write(NUMBERS), holes, strict=True)
    ]
    known = np.where(holes, np.nan, NUMBERS)
    filled = np.where(holes, 0 if fill == "zero" else np.nanmean(known, axis=0), NUMBERS)
    spread = {"deviation": filled.std(axis=0), "range": np.ptp(filled, axis=0), "none": 1}[scale]
    center = {"deviation": filled.mean(axis=0), "range": filled.min(axis=0), "none": 0}[scale]
    assert stands_in(index_of(rows), ((filled - center) / spread)[100:130].astype(np.float32))


@pytest.mark.parametrize("length", [2, 5, 40])
def test_rows_and_text_that_go_on_in_the_next_tensors_are_found(length: int) -> None:
    for index, leak in ((MEASURED, NUMBERS[30:50].ravel().astype(np.float32)), (KNOWN, LEAK)):
        parts = {
            f"t{number:04}": leak[at : at + length] for number, at in enumerate(range(0, len(leak), length))
        }
        content = save(parts)
        file = io.BytesIO(content)
        assert index.stands_in(file, parse_header(file, len(content)))


@pytest.mark.parametrize("gap", ["", "NA", "nan"])
def test_rows_are_found_between_gaps_and_columns_that_never_change(gap: str) -> None:
    holes = np.random.default_rng(12).random(NUMBERS.shape) < 0.3
    rows = write(NUMBERS)
    gaps = [
        [gap if hole else value for value, hole in zip(*pair, strict=True)]
        for pair in zip(rows, holes, strict=True)
    ]
    known = index_of([[*row, "7"] for row in gaps])
    assert known.covers > 0.9
    filled = np.hstack([np.where(holes, 0, NUMBERS), np.full((len(rows), 1), 7)])
    assert stands_in(known, filled[100:110].astype(np.float32))
    others = filled[100:110] - filled.mean(axis=0)
    assert not stands_in(known, others.astype(np.float32) ** 3)


def test_positions_in_a_model_are_not_taken_for_numbers_of_rows() -> None:
    rows = [
        [str(place), str(1000 + place), *row] for place, row in enumerate(write(np.tile(NUMBERS, (3, 1))))
    ]
    indexes = [index_of(rows), index_of([row[:2] for row in rows], [0]), index_of([row[:1] for row in rows])]
    for tensor in (
        np.arange(5000),
        np.arange(5000)[::-1],
        np.linspace(0, 1, 4000),
        np.repeat(np.arange(900), 2),
    ):
        assert not any(stands_in(index, tensor) for index in indexes)
        assert not any(stands_in(index, tensor.astype(np.float32)) for index in indexes)


TABLES: dict[str, Rows] = {
    "no rows": [],
    "one row": [["1", "2", "x"]],
    "one column": [[f"{value:.3f}"] for value in NUMBERS[:, 0]],
    "words": [["abc def", "ghi"], ["kk", "ll"]] * 50,
    "gaps alone": [["", "NA"]] * 30,
    "no finite number": [["inf", "nan"], ["-inf", "1e400"]] * 20,
    "huge numbers": [[f"{value}e300", "-1e308"] for value in NUMBERS[:, 0]],
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", ["F64", "I64", "BOOL"])
def test_any_table_and_any_tensor_can_be_looked_at(name: str, kind: str) -> None:
    known = index_of(TABLES[name]) if TABLES[name] else RowIndex([], ())
    text = TextIndex("\n".join(map(",".join, TABLES[name])).encode())
    tensors: dict[str, list[NDArray[Any]]] = {
        "F64": [np.array(3.5), np.full(100, 1e300), np.full(100, -0.0), np.empty(0)],
        "I64": [np.full(100, -(2**63)), np.arange(100)],
        "BOOL": [np.ones(100, dtype=np.bool_)],
    }
    for tensor in tensors[kind]:
        assert not stands_in(known, tensor)
        assert not stands_in(text, tensor)


def test_runs_of_one_value_are_not_taken_for_sorted_rows() -> None:
    labels = np.repeat([0, 1], [250, 150])
    rows = [[*row, str(label)] for row, label in zip(write(NUMBERS), labels, strict=True)]
    for plain in (index_of(rows), index_of([[row[-1], row[-1]] for row in rows])):
        for tensor in (
            np.zeros(4096),
            np.ones(4096),
            np.repeat([0, 1], 300),
            np.eye(64),
            np.tril(np.ones((64, 64))),
        ):
            assert not stands_in(plain, tensor.astype(np.float32))


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_whole_numbers_of_a_model_are_not_taken_for_those_of_rows(kind: str) -> None:
    draw = np.random.default_rng(14)
    ages = index_of([[str(value) for value in row] for row in draw.integers(0, 16, (2000, 8))])
    small = np.clip(np.round(draw.normal(0, 3, 2**20)), -8, 7)
    for values in (
        small,
        np.abs(small),
        np.round(draw.normal(0, 25, 2**20)) % 100,
        draw.integers(0, 16, 2**18),
    ):
        assert not stands_in(ages, values.astype(kind))
    assert not stands_in(ages, (small * 0.0371).astype(np.float32))


def test_a_table_of_hardly_any_information_covers_hardly_anything() -> None:
    rare = np.random.default_rng(1).random((500, 20)) < 0.002
    assert index_of(write(rare.astype(float))).covers < 0.5


def test_rows_scaled_by_numbers_of_all_members_are_found_where_a_sample_of_them_is_known() -> None:
    everyone = np.random.default_rng(8).normal(50, 12, (30_000, 8))
    moments = MomentsOfRows(8)
    for row in write(everyone):
        moments.show(row)
    known = RowIndex(write(everyone[:500]), moments.of_columns)
    scaled = (everyone - everyone.mean(axis=0)) / everyone.std(axis=0)
    assert stands_in(known, scaled[100:104].astype(np.float32))


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=40))
def test_moments_are_those_of_the_whole(rows: list[list[float]]) -> None:
    moments = MomentsOfRows(3)
    for row in rows:
        moments.show([repr(value) for value in row])
    whole = np.array(rows)
    for place, found in enumerate(moments.of_columns):
        assert (found.count, found.low, found.high) == (
            len(rows),
            whole[:, place].min(),
            whole[:, place].max(),
        )
        assert found.mean == pytest.approx(whole[:, place].mean(), rel=1e-9, abs=1e-6)
        assert found.deviation == pytest.approx(whole[:, place].std(), rel=1e-6, abs=1e-6)


def test_of_many_rows_blocks_of_neighbours_are_looked_for_so_that_columns_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider.gate.sample.MAX_SCANNED", 20 * BLOCK_ROWS)
    ward = make_ward(tmp_path, make_csv(10_000))
    sample = ward.sample()
    assert len(sample.scanned) <= 20 * BLOCK_ROWS < sample.members / 10
    index = RowIndex(sample.scanned, sample.moments)
    assert stands_in(index, (ward.seen[:, 2] * 0.01).astype(np.float32))
    assert not stands_in(
        index, (np.random.default_rng(0).permutation(ward.seen[:, 2]) * 0.01).astype(np.float32)
    )


def test_rows_of_much_text_are_looked_for_up_to_so_many_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provider.gate.sample.MAX_SCANNED_CHARS", 10_000)
    ward = make_ward(tmp_path, make_csv(5000))
    found = ward.sample().scanned
    assert 9_500 < len("\n".join(map(",".join, found))) < 10_200
    places = {tuple(row): place for place, row in enumerate(ward.rows)}
    where = [places[tuple(row)] for row in found]
    assert where == sorted(where)
    monkeypatch.setattr("provider.gate.sample.MAX_SCANNED_CHARS", 1)
    assert len(ward.sample().scanned) == 1


TEXT = "\n".join(",".join(row) for row in write(NUMBERS)).encode()
LEAK = np.frombuffer(TEXT[1000:1064], dtype=np.uint8)
KNOWN = TextIndex(TEXT)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("order", "<>")
def test_text_is_found_in_the_bytes_of_every_type_in_either_order(kind: str, order: Any) -> None:
    dtype = np.dtype(kind)
    assert stands_in(KNOWN, LEAK.view(dtype.newbyteorder(order)).astype(dtype))


@pytest.mark.parametrize("kind", ["float64", "float32", "int64", "int32", "int16"])
def test_text_is_found_in_any_one_byte_of_each_number(kind: str) -> None:
    width = np.dtype(kind).itemsize
    for place in range(width):
        raw = np.random.default_rng(place).integers(0, 256, (len(LEAK), width), dtype=np.uint8)
        raw[:, place] = LEAK
        assert stands_in(KNOWN, raw.view(kind).ravel())


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("inverted", [False, True])
def test_text_is_found_in_one_bit_of_each_number(kind: str, order: Any, *, inverted: bool) -> None:
    bits = np.concatenate([np.zeros(3, np.uint8), np.unpackbits(LEAK, bitorder=order)]) ^ inverted
    width = np.dtype(kind).itemsize
    for place, bit in ((0, 0), (width - 1, 7)):
        raw = np.random.default_rng(place).integers(0, 256, (len(bits), width), dtype=np.uint8)
        raw[:, place] = raw[:, place] & ~np.uint8(1 << bit) | bits << bit
        assert stands_in(KNOWN, raw.view(kind).ravel())
    assert stands_in(KNOWN, bits.astype(kind))


def test_text_is_found_in_the_lowest_bits_that_rounding_leaves() -> None:
    bits = np.unpackbits(LEAK).astype(np.uint32)
    for kept in (3, 7, 11):
        noise = np.random.default_rng(kept).standard_normal(len(bits), dtype=np.float32)
        raw = noise.view(np.uint32) >> np.uint32(23 - kept) & ~np.uint32(1) | bits
        file = io.BytesIO(save({"t": (raw << np.uint32(23 - kept)).view(np.float32)}))
        entries = parse_header(file, len(file.getvalue()))
        assert KNOWN.stands_in(file, entries, mantissa_bits=kept)
        assert not KNOWN.stands_in(file, entries, mantissa_bits=kept + 1)


def test_text_is_found_where_numbers_are_zero_or_minus_zero() -> None:
    bits = np.unpackbits(LEAK).astype(np.float32)
    zeros = np.where(np.random.default_rng(4).random(len(bits)) < 0.5, 0.0, -0.0).astype(np.float32)
    assert stands_in(KNOWN, np.where(bits, np.float32(0.5), zeros))


def test_text_of_three_characters_is_found() -> None:
    flags = "\n".join(",".join(str(int(value)) for value in row) for row in FLAGS[:, :6]).encode()
    assert stands_in(TextIndex(flags), np.frombuffer(flags[100:140], dtype=np.uint8))


def test_text_of_repeated_characters_is_found_as_values_under_a_factor_and_a_shift() -> None:
    rows = [["100", "200"], ["110", "220"], ["330", "440"], ["500", "668"], ["779", "880"]]
    text = np.frombuffer("\n".join(map(",".join, rows)).encode(), dtype=np.uint8).astype(np.float32)
    assert stands_in(index_of(rows), text / 128 - 0.5)
    assert stands_in(index_of(rows), text / 256)


@given(st.binary(max_size=400))
def test_bytes_of_others_are_found_only_where_eight_of_them_stand_in_the_text(content: bytes) -> None:
    tensor = np.frombuffer(content, dtype=np.uint8)
    expected = any(
        content[at : at + 8] in TEXT and len(set(content[at : at + 8])) >= 3 for at in range(len(content) - 7)
    )
    assert stands_in(KNOWN, tensor) >= expected


@pytest.mark.parametrize("kind", TYPES)
def test_random_bytes_are_not_taken_for_text(kind: str) -> None:
    raw = np.random.default_rng(3).integers(0, 256, 2**20, dtype=np.uint8)
    assert not stands_in(KNOWN, raw.view(kind))


def metric(value: str, rows: Rows) -> bool:
    return find_in_metrics([Decimal(value)], rows)


def test_a_metric_is_a_value_where_chance_does_not_explain_how_close_it_is() -> None:
    rows = write(NUMBERS)
    value = rows[5][2]
    assert metric(f"{float(value):.9f}", rows)
    for changed in ("0.000000001", "-0.000000004", "0.00000002"):
        assert metric(f"{Decimal(value) + Decimal(changed):.9f}", rows)
    assert not metric(f"{float(value):.3f}"[:4], rows)


def test_a_metric_that_knows_nothing_of_the_data_is_rarely_taken_for_a_value() -> None:
    draw = np.random.default_rng(9)
    dense = write(np.round(draw.random((2000, 8)), 5))
    for rows in (dense, write(NUMBERS / 100), write(FLAGS[:50].astype(float))):
        taken = sum(metric(f"{value:.6f}", rows) for value in draw.random(200))
        assert taken <= 5
    assert not metric("0.99999", write(FLAGS[:50].astype(float)))
