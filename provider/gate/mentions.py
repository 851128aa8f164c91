"""Looks for the data in a job's words and few numbers: a metric that is a value of a row, a name that has a word of one.

A metric is taken for a value that it lies closer to than chance explains: among values as dense as those around it, a number
that knows nothing of them comes as close with a chance of `MAX_CHANCE` at most. So a digit changed far behind the point
hides nothing, and a metric of few digits beside very many values says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from provider.gate.moments import to_numbers
from provider.gate.tables import Values

MIN_DIGITS = 5
MIN_VALUE_DIGITS = 3
MIN_WORD_CHARS = 5
MAX_CHANCE = 0.005
NEIGHBOURHOOD = 0.05
"""A metric's neighbours are the values that differ by this part of it at most."""
_NEARLY = 1e-9
Floats = NDArray[np.float64]


def find_in_metrics(metrics: Sequence[Decimal], rows: Sequence[Values]) -> bool:
    """Tell whether a metric of many digits, written with all its digits, is a number of the data."""
    precise = [value for value in metrics if len(value.normalize().as_tuple().digits) >= MIN_DIGITS]
    if not precise or not rows:
        return False
    known = _telling(np.unique(to_numbers(rows)))
    return any(_is_one_of(value, known) for value in precise)


def find_in_names(names: Sequence[str], rows: Sequence[Values]) -> bool:
    """Tell whether a word of the data stands in a name."""
    joined = "\n".join(names).lower()
    words = {value.strip().lower() for row in rows for value in row}
    return any(len(word) >= MIN_WORD_CHARS and word in joined for word in words)


def _telling(values: Floats) -> Floats:
    """Keep the numbers that have digits enough to be told from a round one."""
    found = values[np.isfinite(values) & (values != 0)]
    scaled = found / 10.0 ** (np.floor(np.log10(np.abs(found))) - MIN_VALUE_DIGITS + 2)
    kept: Floats = found[np.abs(scaled - np.round(scaled)) > _NEARLY]
    return kept


def _is_one_of(metric: Decimal, known: Floats) -> bool:
    value, reach = float(metric), NEIGHBOURHOOD * abs(float(metric))
    first, last = np.searchsorted(known, [value - reach, value + reach])
    near = known[first:last]
    if not len(near):
        return False
    distance = max(float(np.abs(near - value).min()), 10.0 ** int(metric.as_tuple().exponent) / 2)
    return len(near) * distance / reach <= MAX_CHANCE
