"""Looks for rows of a dataset in the values of tensors.

- Sequences of `WINDOW` values that stand in a row, in a row backwards, or down a column: as they are; with each column scaled
  to 0..1, or to mean 0 and deviation 1; under one factor; under one factor and shift. Compared to 8 bits of fraction, so
  that a change of type hides nothing. Integers are looked at as numbers.
- Where columns have few values, such as yes and no, sequences of `WIDE` values, or of whether each is another than the last.
- The text of the rows, where values are its characters, under any factor and shift.

Not found here: rows in another order, mixed, encrypted, or spread over bits; see `textscan` and `lowbits`, and the bound in
bits for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from provider.gate.moments import Moments, to_numbers
from provider.gate.safetensors import TensorEntry, read_pieces
from provider.gate.tables import Values
from provider.gate.widewindows import WIDE, WideIndex
from provider.gate.windows import Bools, Codes, WindowIndex

WINDOW = 6
MIN_DISTINCT = 4
TEXT_WINDOW = 16
MIN_DISTINCT_TEXT = 6
WELL_COVERED = 0.9
"""The part of the rows from which on narrow windows are enough."""
MIN_NUMERIC_PART = 0.9
PIECE = 2**16
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
    "BOOL": "u1",
}
_WIDER_THAN_SINGLE = {"F64", "I64", "I32"}
Floats = NDArray[np.float64]
Numbers = NDArray[np.floating]


class RowIndex:
    """The windows of a dataset's rows, in every form that is looked for; `moments` are those of its columns."""

    def __init__(self, rows: Sequence[Values], moments: Sequence[Moments]) -> None:
        numbers, kept = _numeric_columns(rows, moments)
        orders = list(_orders(numbers))
        sequences = [sequence for form in _forms(numbers, kept) for sequence in _orders(form)]
        self._plain = WindowIndex(map(_mark_rows, sequences), WINDOW)
        self._scaled = WindowIndex((_mark_rows(_ratios(order)) for order in orders), WINDOW)
        self._shifted = WindowIndex((_mark_rows(_shifted(order)) for order in orders), WINDOW)
        text = "\n".join(map(",".join, rows)).encode()
        characters = np.frombuffer(text, dtype=np.uint8).astype(np.float32)
        self._spelled = WindowIndex(
            [_mark(_shifted(characters), TEXT_WINDOW, MIN_DISTINCT_TEXT)], TEXT_WINDOW
        )
        covered = _starts_in_rows(_mark_rows(orders[0])[1], numbers.shape)
        self._wide: WideIndex | None = None
        if numbers.size and covered.mean() < WELL_COVERED:
            self._wide = WideIndex(_codes(numbers))
            covered |= _starts_in_rows(self._wide.marked, numbers.shape)
        self.covers = float(covered.mean()) if numbers.size else 0.0
        """The part of the rows that would be known again as they are."""

    def stands_in(self, source: BinaryIO, entries: Sequence[TensorEntry]) -> bool:
        """Tell whether a sequence of the rows stands in a tensor of the file."""
        return any(self._stands_in(source, entry) for entry in entries)

    def _stands_in(self, source: BinaryIO, entry: TensorEntry) -> bool:
        carried: Numbers = np.empty(0, dtype=np.float32)
        for values in _read_values(source, entry):
            joined = np.concatenate([carried, values])
            if self._stands_in_values(joined):
                return True
            carried = joined[-WIDE:]
        return False

    def _stands_in_values(self, values: Numbers) -> bool:
        codes, shifted = _codes(values), _codes(_shifted(values))
        return (
            self._plain.stands_in(codes)
            or self._scaled.stands_in(_codes(_ratios(values)))
            or self._shifted.stands_in(shifted)
            or self._spelled.stands_in(shifted)
            or (self._wide is not None and self._wide.stands_in(codes))
        )


def _numeric_columns(rows: Sequence[Values], moments: Sequence[Moments]) -> tuple[Floats, list[Moments]]:
    """Return the columns that hold numbers, shape (rows, columns), and their moments; what is no number there is NaN."""
    if not rows:
        return np.empty((0, 0)), []
    numbers = to_numbers(rows)
    kept = np.isfinite(numbers).mean(axis=0) >= MIN_NUMERIC_PART
    return numbers[:, kept], [one for one, is_kept in zip(moments, kept, strict=True) if is_kept]


def _forms(numbers: Floats, moments: Sequence[Moments]) -> Iterator[Floats]:
    """Give the columns as they are, scaled to 0..1, and to mean 0 and deviation 1."""
    yield numbers
    low, high, mean, deviation = (
        np.array([getattr(one, name) for one in moments]) for name in ("low", "high", "mean", "deviation")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        yield (numbers - low) / (high - low)
        yield (numbers - mean) / deviation


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


def _shifted(values: Numbers) -> Numbers:
    """Return each step between neighbours by the one before it: a common factor and a common shift fall out."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.diff(values)
    return _ratios(steps)


def _mark_rows(values: Numbers) -> tuple[Codes, Bools]:
    return _mark(values, WINDOW, MIN_DISTINCT)


def _mark(values: Numbers, length: int, min_distinct: int) -> tuple[Codes, Bools]:
    """Return the codes, and which of their windows say something: no gap, several values, and no plain count."""
    codes = _codes(values)
    marked = np.zeros(max(len(values) - length + 1, 0), dtype=np.bool_)
    for begin in range(0, len(marked), PIECE):
        end = min(begin + PIECE, len(marked))
        reach = slice(begin, end + length - 1)
        windows = np.sort(np.lib.stride_tricks.sliding_window_view(codes[reach], length), axis=1)
        distinct = 1 + (np.diff(windows, axis=1) != 0).sum(axis=1)
        shown = np.lib.stride_tricks.sliding_window_view(values[reach], length)
        with np.errstate(invalid="ignore", over="ignore"):
            steps = np.diff(shown, axis=1)
        marked[begin:end] = distinct >= min_distinct
        marked[begin:end] &= np.isfinite(shown).all(axis=1) & (steps != steps[:, :1]).any(axis=1)
    return codes, marked


def _starts_in_rows(marked: Bools, shape: tuple[int, ...]) -> Bools:
    """Tell for each row whether a marked window begins in it."""
    starts = np.zeros(shape, dtype=np.bool_)
    starts.ravel()[: len(marked)] = marked
    found: Bools = np.logical_or.reduce(starts, axis=1)
    return found


def _read_values(source: BinaryIO, entry: TensorEntry) -> Iterator[Numbers]:
    """Give a tensor's values in single precision where that has them whole, and else in double."""
    for piece in read_pieces(source, entry):
        if entry.dtype == "BF16":
            wide = np.frombuffer(piece, dtype="<u2").astype(np.uint32) << np.uint32(16)
            yield wide.view(np.float32)
        else:
            kind = np.float64 if entry.dtype in _WIDER_THAN_SINGLE else np.float32
            yield np.frombuffer(piece, dtype=_TYPES[entry.dtype]).astype(kind, copy=False)
