"""A metric that leaves is one of the numbers that its declaration allows, in one form."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.gate.errors import OutputRefusedError
from provider.gate.metrics import count_values, parse_metrics, round_metrics, serialise_metrics
from sandbox.bundle import MetricDeclaration


def _declare(low: str, high: str, digits: int) -> list[MetricDeclaration]:
    return [MetricDeclaration(name="m", min=low, max=high, digits=digits)]


def _release(number: str, declared: list[MetricDeclaration]) -> str:
    values = parse_metrics(b'{"m": ' + number.encode() + b"}", declared)
    return serialise_metrics(round_metrics(values, declared)).decode()


@pytest.mark.parametrize(
    ("number", "digits", "released"),
    [
        ("0.91249999", 3, "0.912"),
        ("0.9125", 3, "0.912"),
        ("0.9135", 3, "0.914"),
        ("0.5", 0, "0"),
        ("1.5", 0, "2"),
        ("1", 3, "1.000"),
        ("1E0", 3, "1.000"),
        ("10000e-4", 2, "1.00"),
        ("-0.0001", 3, "0.000"),
        ("-0", 0, "0"),
        ("-0.0", 2, "0.00"),
        ("1e-999999999", 3, "0.000"),
        ("-1.25", 1, "-1.2"),
    ],
)
def test_hole_16_spare_digits_exponents_and_the_sign_of_zero_do_not_leave(
    number: str, digits: int, released: str
) -> None:
    assert _release(number, _declare("-5", "5", digits)) == f'{{"m":{released}}}'


@given(st.decimals(-100, 100, allow_nan=False), st.integers(0, 9))
def test_what_leaves_reads_back_within_half_a_step(value: Decimal, digits: int) -> None:
    number = f"{value:f}"
    if len(number) <= 64:
        released = json.loads(
            _release(number, _declare("-100", "100", digits)), parse_float=Decimal, parse_int=Decimal
        )
        assert abs(released["m"] - Decimal(number)) * 2 <= Decimal(10) ** -digits


@given(
    st.binary(max_size=60)
    | st.text(alphabet='{}[]":,.0123456789-+eEmNaIinfty truelsnu', max_size=40).map(str.encode)
)
def test_any_bytes_are_metrics_or_a_refusal(data: bytes) -> None:
    declared = _declare("0", "1", 2)
    try:
        values = round_metrics(parse_metrics(data, declared), declared)
    except OutputRefusedError as error:
        refused = error.rule
    else:
        refused = ""
        assert values.keys() == {"m"}
    assert refused in ("", "metrics-declared", "metrics-range")


@pytest.mark.parametrize(
    ("low", "high", "digits", "count"),
    [
        ("0", "1", 0, 2),
        ("0", "1", 3, 1001),
        ("-1", "1", 1, 21),
        ("5", "5", 4, 1),
        ("0", "0.04", 1, 1),
        ("0.95", "0.95", 1, 1),
    ],
)
def test_the_count_of_values_is_what_rounding_leaves(low: str, high: str, digits: int, count: int) -> None:
    assert count_values(_declare(low, high, digits)[0]) == count


def test_the_widest_range_that_can_be_declared_can_be_counted_and_rounded() -> None:
    declared = _declare("-" + "9" * 30, "9" * 30 + "." + "9" * 30, 9)
    assert count_values(declared[0]) == 2 * 10**39 - 10**9 + 1
    assert _release("9" * 30 + ".12345678951", declared) == '{"m":' + "9" * 30 + ".123456790}"
