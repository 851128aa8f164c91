"""Looks for rows of a dataset in what a job wrote: in the values of tensors, in metrics, in names.

- Tensors: sequences of `WINDOW` values that stand in a row, in a row backwards, or down a column, as they are, scaled by
  one factor, or each column scaled to 0..1 or to mean 0 and deviation 1. Compared to 8 bits of fraction, so that a change
  of type hides nothing. Integers are looked at as numbers.
- Metrics: a number of five or more significant digits that stands in the data. Names: a word of the data in them.

Not found here: rows in another order, encrypted, or spread over bits; see `lowbits`, and the bound in bits for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from provider.gate.safetensors import TensorEntry, read_pieces
from provider.gate.tables import Values
from provider.gate.windows import Bools, Codes, WindowIndex

WINDOW = 6
MIN_DISTINCT = 4
MIN_NUMERIC_PART = 0.9
MIN_DIGITS = 5
MIN_WORD_CHARS = 5
_DROPPED_BITS = np.uint32(15)
_HALF = np.uint32(1 << 14)
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
}
Floats = NDArray[np.float64]
Numbers = NDArray[np.floating]


class RowIndex:
    """The windows of a dataset's rows, in every form that is looked for."""

    def __init__(self, rows: Sequence[Values]) -> None:
        numbers = numeric_columns(rows)
        sequences = [sequence for form in _forms(numbers) for sequence in _orders(form)]
        ratios = [_ratios(sequence) for sequence in _orders(numbers)]
        self._plain = WindowIndex(map(_mark_informative, sequences), WINDOW)
        self._scaled = WindowIndex(map(_mark_informative, ratios), WINDOW)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for: too few numbers, or all alike."""
        return len(self._plain) == 0

    def stands_in(self, source: BinaryIO, entries: Sequence[TensorEntry]) -> bool:
        """Tell whether a sequence of the rows stands in a tensor of the file."""
        return any(self._stands_in(source, entry) for entry in entries)

    def _stands_in(self, source: BinaryIO, entry: TensorEntry) -> bool:
        carried = np.empty(0, dtype=np.float32)
        for values in _read_values(source, entry):
            joined = np.concatenate([carried, values])
            if self._plain.stands_in(_codes(joined)) or self._scaled.stands_in(_codes(_ratios(joined))):
                return True
            carried = joined[-WINDOW:]
        return False


def numeric_columns(rows: Sequence[Values]) -> Floats:
    """Return the columns that hold numbers, shape (rows, columns); what is no number among them is NaN."""
    columns = [np.array([_to_number(value) for value in column]) for column in zip(*rows, strict=True)]
    kept = [column for column in columns if np.isfinite(column).mean() >= MIN_NUMERIC_PART]
    return np.stack(kept, axis=1) if kept else np.empty((len(rows), 0))


def find_in_metrics(metrics: Sequence[Decimal], rows: Sequence[Values]) -> bool:
    """Tell whether a metric of many digits is a number of the data."""
    precise = {
        value.normalize() for value in metrics if len(value.normalize().as_tuple().digits) >= MIN_DIGITS
    }
    if not precise:
        return False
    wanted = {float(value) for value in precise}
    return any(_to_number(value) in wanted for row in rows for value in row)


def find_in_names(names: Sequence[str], rows: Sequence[Values]) -> bool:
    """Tell whether a word of the data stands in a name."""
    joined = "\n".join(names).lower()
    words = {value.strip().lower() for row in rows for value in row}
    return any(len(word) >= MIN_WORD_CHARS and word in joined for word in words)


def _to_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _forms(numbers: Floats) -> Iterator[Floats]:
    """Give the columns as they are, scaled to 0..1, and to mean 0 and deviation 1."""
    yield numbers
    if not numbers.size:
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.nanmin(numbers, axis=0), np.nanmax(numbers, axis=0)
        yield (numbers - low) / (high - low)
        yield (numbers - np.nanmean(numbers, axis=0)) / np.nanstd(numbers, axis=0)


def _orders(numbers: Floats) -> Iterator[Floats]:
    """Give the numbers row by row, that backwards, and column by column."""
    flat = numbers.ravel()
    yield flat
    yield flat[::-1]
    yield numbers.T.ravel()


def _codes(values: Numbers) -> Codes:
    """Return each number as its sign, exponent and 8 bits of fraction, rounded."""
    with np.errstate(over="ignore", invalid="ignore"):
        bits = values.astype(np.float32).view(np.uint32)
    bits += _HALF
    bits >>= _DROPPED_BITS
    return bits


def _ratios(values: Numbers) -> Numbers:
    """Return each number by the one before it: a common factor falls out."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found: Numbers = values[1:] / values[:-1]
    return found


def _mark_informative(values: Numbers) -> tuple[Codes, Bools]:
    """Return the codes, and which of their windows say something: no gap, several values, and no plain count."""
    codes = _codes(values)
    if len(values) < WINDOW:
        return codes, np.zeros(0, dtype=np.bool_)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(codes, WINDOW), axis=1)
    distinct = 1 + (np.diff(windows, axis=1) != 0).sum(axis=1)
    shown = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
    with np.errstate(invalid="ignore", over="ignore"):
        counting = np.ptp(np.diff(shown, axis=1), axis=1) == 0
    return codes, np.isfinite(shown).all(axis=1) & (distinct >= MIN_DISTINCT) & ~counting


def _read_values(source: BinaryIO, entry: TensorEntry) -> Iterator[NDArray[np.float32]]:
    """Give a tensor's values as far as single precision has them, which is further than windows are compared."""
    for piece in read_pieces(source, entry) if entry.dtype != "BOOL" else ():
        if entry.dtype == "BF16":
            wide = np.frombuffer(piece, dtype="<u2").astype(np.uint32) << np.uint32(16)
            yield wide.view(np.float32)
        else:
            with np.errstate(over="ignore"):
                yield np.frombuffer(piece, dtype=_TYPES[entry.dtype]).astype(np.float32, copy=False)
