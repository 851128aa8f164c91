"""How far apart two files are, against numpy's own arithmetic, and for files that aren't what they should be."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from safetensors.numpy import save_file

from cli.distances import CHUNK_ELEMENTS, MetricDistance, TensorDistance, measure_metrics, measure_weights
from cli.errors import InputError
from sandbox.bundle import MetricDeclaration

LOSS = [MetricDeclaration(name="loss", min=0, max=10, digits=4)]
FLOATS = st.floats(-(2.0**60), 2.0**60, width=32)
SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
PAIRS = SHAPES.flatmap(
    lambda shape: st.tuples(*(arrays(np.float32, shape, elements=FLOATS) for _ in range(2)))
)


def save(folder: Path, name: str, **tensors: NDArray[np.generic]) -> Path:
    save_file(dict(tensors), folder / name)
    return folder / name


def measure(folder: Path, before: NDArray[np.generic], after: NDArray[np.generic]) -> TensorDistance:
    (found,) = measure_weights(save(folder, "a", w=before), save(folder, "b", w=after))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@given(PAIRS)
def test_distances_are_those_of_plain_arithmetic(
    folder: Path, pair: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    before, after = (item.astype(np.float64).ravel() for item in pair)
    found = measure(folder, *pair)
    assert (found.problem, found.elements) == ("", before.size)
    assert found.differing == np.count_nonzero(pair[0].view(np.uint32) != pair[1].view(np.uint32))
    apart = np.abs(before - after)
    assert found.max_absolute == pytest.approx(apart.max(initial=0))
    sizes = np.maximum(np.abs(before), np.abs(after))
    assert found.max_relative == pytest.approx((apart[sizes > 0] / sizes[sizes > 0]).max(initial=0))
    lengths = np.linalg.norm(before) * np.linalg.norm(after)
    assert found.cosine == (pytest.approx(before @ after / lengths) if lengths else None)


@given(PAIRS)
def test_a_file_is_no_way_from_itself(
    folder: Path, pair: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    found = measure(folder, pair[0], pair[0].copy())
    assert (found.differing, found.max_absolute, found.max_relative) == (0, 0, 0)
    assert found.cosine is None or found.cosine == pytest.approx(1)


def test_what_differs_in_the_last_of_many_pieces_is_found(tmp_path: Path) -> None:
    before = np.zeros(CHUNK_ELEMENTS * 2 + 3, dtype=np.float16)
    after = before.copy()
    after[-1] = 1
    found = measure(tmp_path, before, after)
    assert (found.elements, found.differing, found.max_absolute) == (before.size, 1, 1)


def test_minus_zero_is_another_element_and_no_distance(tmp_path: Path) -> None:
    found = measure(tmp_path, np.zeros(2, dtype=np.float32), -np.zeros(2, dtype=np.float32))
    assert (found.differing, found.max_absolute) == (2, 0)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"])
def test_every_type_that_may_leave_can_be_measured(tmp_path: Path, dtype: str) -> None:
    found = measure(tmp_path, np.array([0, 1], dtype=dtype), np.array([1, 1], dtype=dtype))
    assert (found.differing, found.max_absolute, found.max_relative) == (1, 1, 1)


def test_whole_numbers_are_told_apart_beyond_what_a_double_holds(tmp_path: Path) -> None:
    found = measure(tmp_path, np.array([2**62], dtype="i8"), np.array([2**62 + 1], dtype="i8"))
    assert (found.differing, found.max_absolute) == (1, 1)


def test_half_floats_of_the_other_kind_are_read_as_what_they_are(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, upper in zip(paths, (0x3F80, 0x4000), strict=True):  # 1.0 and 2.0
        path.write_bytes(len(header).to_bytes(8, "little") + header + upper.to_bytes(2, "little"))
    (found,) = measure_weights(*paths)
    assert (found.max_absolute, found.max_relative) == (1, 0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_no_distance_and_is_still_json(tmp_path: Path, value: float) -> None:
    found = measure(tmp_path, np.array([value], dtype="f8"), np.array([1.0], dtype="f8"))
    assert found.differing == 1
    assert found.max_absolute is None
    json.dumps(asdict(found), allow_nan=False)


def test_tensors_of_other_names_types_and_shapes_are_named(tmp_path: Path) -> None:
    one = np.ones((2, 3), dtype=np.float32)
    before = save(tmp_path, "a", gone=one, turned=one, wide=one)
    after = save(tmp_path, "b", new=one, turned=one.T.copy(), wide=one.astype(np.float64))
    assert [(item.name, item.problem) for item in measure_weights(before, after)] == [
        ("gone", "only in the release"),
        ("new", "only in the replay"),
        ("turned", "F32 [2, 3] there, F32 [3, 2] here"),
        ("wide", "F32 [2, 3] there, F64 [2, 3] here"),
    ]


def test_metrics_are_compared_as_decimals(tmp_path: Path) -> None:
    before, after = tmp_path / "a", tmp_path / "b"
    before.write_text('{"loss":0.3000}')
    after.write_text('{"loss":0.1000}')
    assert measure_metrics(before, after, LOSS) == (MetricDistance("loss", "-0.2000"),)


@pytest.mark.parametrize("junk", [b"", b"{}", b"[1]", b'{"loss":NaN}', b'{"loss":"1"}', b"\xff"])
def test_a_file_that_is_not_what_the_gate_writes_is_refused(tmp_path: Path, junk: bytes) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text('{"loss":0.1}')
    bad.write_bytes(junk)
    with pytest.raises(InputError):
        measure_metrics(good, bad, LOSS)
    with pytest.raises(InputError):
        measure_weights(save(tmp_path, "w", w=np.ones(1)), bad)
