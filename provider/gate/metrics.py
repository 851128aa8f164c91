"""Reads the metrics file and writes it anew: exactly the declared numbers, in range, rounded, in one form.

Numbers are decimal from the first byte on, so nothing is lost or added by binary floating point, and a released number
is one of the values that its declaration allows: sign of zero, spare digits, exponents and white space carry nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any, NoReturn

from provider.gate.errors import OutputRefusedError
from sandbox.bundle import MetricDeclaration

MAX_METRICS_BYTES = 64 * 1024
MAX_NUMBER_CHARS = 64
_PRECISION = 128  # a declared bound has at most 30 digits on each side of the point
_CONTEXT = Context(prec=_PRECISION, rounding=ROUND_HALF_EVEN)
_DECLARED = "metrics-declared"
_RANGE = "metrics-range"


def parse_metrics(data: bytes, declared: Sequence[MetricDeclaration]) -> dict[str, Decimal]:
    """Parse the metrics file strictly (RFC 8259) into one number for each declared name.

    Raises:
        OutputRefusedError: `metrics-declared`, for anything but a flat object of exactly the declared numbers.
    """
    if len(data) > MAX_METRICS_BYTES:
        raise _refuse("the metrics file is too large")
    try:
        values = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_refuse_duplicates,
            parse_float=_parse_number,
            parse_int=_parse_number,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as exc:
        raise _refuse("the metrics file is not JSON") from exc
    names = {item.name for item in declared}
    if not isinstance(values, dict) or values.keys() != names or len(names) != len(declared):
        raise _refuse("the metrics are not exactly those declared")
    if not all(isinstance(value, Decimal) for value in values.values()):
        raise _refuse("a metric is not a number")
    return values


def round_metrics(values: dict[str, Decimal], declared: Sequence[MetricDeclaration]) -> dict[str, Decimal]:
    """Return the values rounded half to even to their declared digits; minus zero becomes zero.

    Raises:
        OutputRefusedError: `metrics-range`, for a value outside its declared range.
    """
    rounded = {}
    for item in declared:
        if not Decimal(item.min) <= values[item.name] <= Decimal(item.max):
            raise OutputRefusedError(_RANGE, "a metric is outside its declared range")
        rounded[item.name] = _quantize(values[item.name], item.digits)
    return rounded


def serialise_metrics(values: dict[str, Decimal]) -> bytes:
    """Write rounded metrics as JSON: sorted names, no white space, every number with all its digits."""
    members = (f"{json.dumps(name)}:{values[name]:f}" for name in sorted(values))
    return ("{" + ",".join(members) + "}").encode()


def count_values(declared: MetricDeclaration) -> int:
    """Return how many different numbers can leave under this declaration."""
    low, high = (_quantize(Decimal(bound), declared.digits) for bound in (declared.min, declared.max))
    return int(_CONTEXT.scaleb(_CONTEXT.subtract(high, low), declared.digits)) + 1


def _quantize(value: Decimal, digits: int) -> Decimal:
    rounded = value.quantize(Decimal((0, (1,), -digits)), context=_CONTEXT)
    return rounded or abs(rounded)


def _refuse(problem: str) -> OutputRefusedError:
    return OutputRefusedError(_DECLARED, problem)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _refuse("a name stands twice")
    return values


def _parse_number(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_CHARS:
        raise _refuse("a number is longer than any metric needs")
    try:
        return Decimal(text)
    except DecimalException as exc:
        raise _refuse("a number can't be read") from exc


def _refuse_constant(_text: str) -> NoReturn:
    raise _refuse("a metric is not a finite number")
