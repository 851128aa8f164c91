"""Rounding of weights to fewer bits of fraction: half to even, in every format, and never more values than counted."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save

from policies.model import WeightsAllowance
from provider.gate.mantissa import FORMATS, is_finite, kept_bits, round_numbers
from provider.gate.report import GateVerdict
from sandbox.bundle import OutputsDeclaration
from tests.gate_samples import ALLOWANCE, WEIGHTS, release

SHORT = ("F16", "BF16")


def all_finite(dtype: str) -> np.ndarray:
    numbers = np.arange(2**16, dtype=FORMATS[dtype].bits)
    mask = FORMATS[dtype].exponent_mask
    finite: np.ndarray = numbers[(numbers & mask) != mask]
    return finite


def value_of(number: int, dtype: str) -> Fraction:
    """Return a number's exact value, written against IEEE 754 and not against numpy."""
    known = FORMATS[dtype]
    fraction, rest = number & ((1 << known.fraction) - 1), number >> known.fraction
    width = known.width - 1 - known.fraction
    exponent, bias = rest & ((1 << width) - 1), (1 << (width - 1)) - 1
    significand = fraction + ((1 << known.fraction) if exponent else 0)
    magnitude = significand * Fraction(2) ** (max(exponent, 1) - bias - known.fraction)
    return -magnitude if rest >> width else magnitude


@pytest.mark.parametrize(("dtype", "kept"), [*itertools.product(SHORT, (0, 1, 3, 6))])
def test_every_number_of_a_short_format_becomes_the_nearest_and_of_two_the_even_one(
    dtype: str, kept: int
) -> None:
    numbers = all_finite(dtype)[::97]
    rounded = round_numbers(numbers, FORMATS[dtype], kept)
    step = 1 << (FORMATS[dtype].fraction - kept)
    for before, after in zip(numbers.tolist(), rounded.tolist(), strict=True):
        below = before - before % step
        sign = before & (1 << 15)
        low, high = (value_of(pattern, dtype) for pattern in (below, below + step))
        exact = value_of(before, dtype)
        nearer = abs(exact - low) < abs(exact - high)
        is_even = abs(exact - low) == abs(exact - high) and (below // step) % 2 == 0
        expected = below if nearer or is_even or before == below else below + step
        assert after == (0 if expected == sign else expected), (hex(before), hex(after))


@pytest.mark.parametrize(("dtype", "kept"), [*itertools.product(SHORT, (0, 2, 5))])
def test_no_more_values_are_left_than_the_bits_that_are_counted(dtype: str, kept: int) -> None:
    left = np.unique(round_numbers(all_finite(dtype), FORMATS[dtype], kept))
    assert len(left) <= 2 ** kept_bits(dtype, kept)
    assert 1 << 15 not in left


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 23))
def test_rounding_again_changes_nothing(value: float, kept: int) -> None:
    numbers = np.array([value], dtype="<f4").view("<u4")
    once = round_numbers(numbers, FORMATS["F32"], kept)
    if is_finite(once, FORMATS["F32"]):
        assert (round_numbers(once, FORMATS["F32"], kept) == once).all() or kept == FORMATS["F32"].fraction


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-(2.0**1000), max_value=2.0**1000))
def test_a_double_of_seven_bits_is_as_near_as_it_can_be(value: float) -> None:
    numbers = np.array([value], dtype="<f8").view("<u8")
    (after,) = round_numbers(numbers, FORMATS["F64"], 7).view("<f8")
    assert abs(Fraction(float(after)) - Fraction(value)) <= max(
        abs(Fraction(value)) / 2**8, Fraction(1, 2**1030)
    )


@pytest.mark.parametrize(
    ("dtype", "kept", "bits"),
    [("F64", None, 64), ("F64", 7, 19), ("F32", 0, 9), ("F32", 30, 32), ("BF16", 3, 12), ("F16", 4, 10)],
)
def test_sign_exponent_and_kept_fraction_are_counted(dtype: str, kept: int | None, bits: int) -> None:
    assert kept_bits(dtype, kept) == bits


def _outputs(**weights: int) -> OutputsDeclaration:
    tensors = [{"name": "w", "dtype": "F32", "shape": [4]}, {"name": "n", "dtype": "I64", "shape": [2]}]
    return OutputsDeclaration.model_validate({"weights": {"tensors": tensors, **weights}})


def _file(values: list[float]) -> dict[str, bytes]:
    tensors: dict[str, np.ndarray] = {
        "w": np.array(values, dtype=np.float32),
        "n": np.array([3, 2**40 + 1], dtype=np.int64),
    }
    return {WEIGHTS: save(tensors)}


@pytest.mark.parametrize(("declared", "allowed"), [(4, None), (None, 4), (4, 9), (20, 4)])
def test_weights_leave_rounded_to_the_fewer_bits_of_declaration_and_policy(
    tmp_path: Path, declared: int | None, allowed: int | None
) -> None:
    outputs = _outputs() if declared is None else _outputs(mantissa_bits=declared)
    allowance = ALLOWANCE.model_copy(
        update={"weights": WeightsAllowance(max_bytes=4096, mantissa_bits=allowed)}
    )
    report = release(tmp_path, _file([1.03125, -1.09375, -0.0, 1e-45]), outputs=outputs, allowance=allowance)
    left = load_file(report.released[0].path)
    assert left["w"].tolist() == [1.0, -1.125, 0.0, 0.0]
    assert not np.signbit(left["w"][2])
    assert left["n"].tolist() == [3, 2**40 + 1]
    assert report.information_bits == 6 + 4 * (9 + 4) + 2 * 64


def test_a_number_that_rounds_to_an_infinity_is_withheld(tmp_path: Path) -> None:
    report = release(tmp_path, _file([3.4e38, 0, 0, 0]), outputs=_outputs(mantissa_bits=2))
    assert (report.verdict, report.rule) == (GateVerdict.WITHHELD, "weights-finite")


def test_a_not_a_number_whose_bits_would_carry_over_is_withheld(tmp_path: Path) -> None:
    content = _file([0, 0, 0, 0])[WEIGHTS]
    begin = content.index(b"}}") + 2
    begin += (-begin) % 8 + 16
    worst = content[:begin] + b"\xff\xff\xff\x7f" + content[begin + 4 :]
    report = release(tmp_path, {WEIGHTS: worst}, outputs=_outputs(mantissa_bits=2))
    assert (report.verdict, report.rule) == (GateVerdict.WITHHELD, "weights-finite")
