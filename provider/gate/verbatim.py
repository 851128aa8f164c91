"""Looks for rows of a dataset in the values of tensors.

- Sequences of `SHORT` or `LONG` values in the orders and forms of `numbertable`: as they are, under one factor, under one
  factor and shift. Compared to 8 bits of fraction, or to as many as a tensor's numbers have, so that neither a change
  of type nor rounding hides them. Of whole numbers, and of few values, which models have for themselves, only long ones.
- Sequences of `WIDE` values where columns have few values, such as yes and no, or of whether each is another than the last.
- The text of the rows, where values are its characters, under any factor and shift.

A sequence counts if it says at least `MIN_BITS`, were its values drawn one by one as often as they are in the data: others
stand in an honest model by chance. Not found here: rows in another order, mixed, encrypted, or spread over bits; see
`textscan` and `lowbits`, and the bound in bits for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from provider.gate.mantissa import FORMATS, round_numbers
from provider.gate.moments import Moments
from provider.gate.numbertable import NumberSequence, NumberTable
from provider.gate.safetensors import TensorEntry, read_joined
from provider.gate.tables import Values, join_rows
from provider.gate.widewindows import MANY_TIMES, WIDE, WideIndex, mark_rows, says_enough, surprises
from provider.gate.windows import Bools, Codes, WindowIndex

SHORT, LONG = 6, 16
MIN_DISTINCT = 4
MIN_DISTINCT_TEXT = 6
NEARLY = 1e-9
PIECE = 2**13
FRACTION_BITS = 8
WHOLE_BITS = 16
"""Of a number that keeps so many bits or more, rounding hardly ever changes the first `FRACTION_BITS`."""
_SINGLE = FORMATS["F32"]
_HALF = np.uint32(1 << (_SINGLE.fraction - FRACTION_BITS - 1))
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
Numbers = NDArray[np.floating]
Places = NDArray[np.intp]


class RowIndex:
    """A dataset's rows, in every form that is looked for; `moments` are those of its columns.

    `apart` are the places of columns that an algorithm may have left out: the one to tell, and the one of units.
    """

    def __init__(
        self, rows: Sequence[Values], moments: Sequence[Moments], *, apart: Sequence[int] = ()
    ) -> None:
        self._table = NumberTable(rows, moments, apart)
        self._scaled, self._shifted = WindowIndex(SHORT, LONG), WindowIndex(SHORT, LONG)
        _add_all(self._scaled, self._table.plain_sequences(), _ratios)
        _add_all(self._shifted, self._table.plain_sequences(), _shifted)
        _add_text(self._scaled, rows, _ratios)
        _add_text(self._shifted, rows, _shifted)
        self._plain: dict[int, tuple[WindowIndex, WideIndex]] = {}
        self.covers = self._find_covered()
        """The part of the rows that would be known again as they are."""

    def stands_in(
        self, source: BinaryIO, entries: Sequence[TensorEntry], *, mantissa_bits: int | None = None
    ) -> bool:
        """Tell whether a sequence of the rows stands in a tensor of the file, which was rounded to `mantissa_bits`."""
        return any(
            self._stands_in_values(_to_values(piece, dtype), _kept_bits(dtype, mantissa_bits))
            for dtype, piece in read_joined(source, entries, carry=WIDE)
        )

    def _stands_in_values(self, values: Numbers, kept_bits: int) -> bool:
        plain, wide = self._index(kept_bits)
        codes = _encode(values, kept_bits)
        shortest = LONG if _has_few_values(values, codes) else SHORT
        return (
            plain.stands_in(codes, shortest=shortest)
            or self._scaled.stands_in(_encode(_ratios(values)), shortest=shortest)
            or self._shifted.stands_in(_encode(_shifted(values)), shortest=shortest)
            or wide.stands_in(codes)
        )

    def _index(self, kept_bits: int) -> tuple[WindowIndex, WideIndex]:
        """Return the rows as they are, each number rounded to so many bits of fraction; made once, when it is asked for."""
        if kept_bits not in self._plain:
            index = WindowIndex(*((SHORT, LONG) if kept_bits >= FRACTION_BITS else (LONG,)))
            _add_all(index, self._table.sequences(), _same, kept_bits)
            codes = _encode(self._table.numbers, kept_bits, of_data=True)
            wide = WideIndex([codes[:, columns] for columns in self._table.of_few_values()])
            self._plain[kept_bits] = index, wide
        return self._plain[kept_bits]

    def _find_covered(self) -> float:
        numbers = self._table.numbers
        if not numbers.size:
            return 0.0
        first = next(self._table.plain_sequences())
        codes = _encode(first.values)
        covered = np.zeros(numbers.shape, dtype=np.bool_)
        narrow = [marked for _, marked in _mark(first, first.values, codes, (SHORT, LONG))]
        for marked in (*narrow, mark_rows(codes.reshape(numbers.shape))):
            covered.ravel()[: len(marked)] |= marked
        return float(covered.any(axis=1).mean())


def _add_all(
    index: WindowIndex,
    sequences: Iterable[NumberSequence],
    change: Callable[[Numbers], Numbers],
    kept_bits: int = WHOLE_BITS,
) -> None:
    for sequence in sequences:
        values = change(sequence.values)
        codes = _encode(values, kept_bits, of_data=True)
        for length, marked in _mark(sequence, values, codes, index.lengths):
            index.add(codes, marked, length)


def _add_text(index: WindowIndex, rows: Sequence[Values], change: Callable[[Numbers], Numbers]) -> None:
    text = np.frombuffer(join_rows(rows), dtype=np.uint8)
    values = change(text.astype(np.float64))
    codes = _encode(values)
    index.add(codes, _mark_text(values, codes), LONG)


def _mark(
    sequence: NumberSequence, values: Numbers, codes: Codes, lengths: Iterable[int]
) -> Iterator[tuple[int, Bools]]:
    """Tell for each length which windows of `values`, made of the sequence's, say enough to be known again.

    They do with bits enough, several values, no gap, and where the sequence doesn't just count, as positions in a model do.
    """
    made_of = len(sequence.values) - len(values)
    bits = surprises(codes, sequence.columns[made_of:])
    for length in lengths:
        marked = says_enough(bits, length)
        marked &= _is_bent(sequence.values, length + made_of)
        for places in _in_pieces(np.flatnonzero(marked)):
            reach = places[:, None] + np.arange(length)
            marked[places] = _count_distinct(codes[reach]) >= MIN_DISTINCT
            marked[places] &= np.isfinite(values[reach]).all(axis=1)
        yield length, marked


def _is_bent(values: Numbers, length: int) -> Bools:
    """Tell which windows have steps of different sizes."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.diff(values)
        bends = np.abs(np.diff(steps)) > NEARLY * np.abs(steps[1:])
    sums = np.concatenate([[0], np.cumsum(bends)])
    found: Bools = sums[length - 2 :] > sums[: max(len(sums) - length + 2, 0)]
    return found


def _mark_text(values: Numbers, codes: Codes) -> Bools:
    marked = np.ones(max(len(values) - LONG + 1, 0), dtype=np.bool_)
    for places in _in_pieces(np.flatnonzero(marked)):
        reach = places[:, None] + np.arange(LONG)
        marked[places] = (_count_distinct(codes[reach]) >= MIN_DISTINCT_TEXT) & ~np.isnan(values[reach]).any(
            axis=1
        )
    return marked


def _has_few_values(values: Numbers, codes: Codes) -> bool:
    """Tell whether these are whole numbers, or so few different ones that short sequences of them stand anywhere."""
    different = np.count_nonzero(np.bincount(codes))
    return bool(different * MANY_TIMES <= len(codes) or (values == np.rint(values)).all())


def _in_pieces(places: Places) -> Iterator[Places]:
    for begin in range(0, len(places), PIECE):
        yield places[begin : begin + PIECE]


def _count_distinct(windows: Codes) -> Places:
    found: Places = 1 + (np.diff(np.sort(windows, axis=1), axis=1) != 0).sum(axis=1)
    return found


def _encode(values: NDArray[np.floating], kept_bits: int = WHOLE_BITS, *, of_data: bool = False) -> Codes:
    """Return each number as its sign, exponent and `FRACTION_BITS` of fraction, or fewer where fewer are kept.

    What is of the data is rounded first to as many bits as a tensor's numbers are already.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        bits: Codes = values.astype(np.float32).view(np.uint32)
    if of_data and kept_bits < WHOLE_BITS:
        bits = round_numbers(bits, _SINGLE, kept_bits)
    if kept_bits > FRACTION_BITS:
        bits += _HALF
    bits >>= np.uint32(_SINGLE.fraction - min(kept_bits, FRACTION_BITS))
    return bits


def _same(values: Numbers) -> Numbers:
    return values


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


def _kept_bits(dtype: str, mantissa_bits: int | None) -> int:
    return min(FORMATS[dtype].kept(mantissa_bits), WHOLE_BITS) if dtype in FORMATS else WHOLE_BITS


def _to_values(piece: bytes, dtype: str) -> Numbers:
    """Return a tensor's values in single precision where that has them whole, and else in double."""
    if dtype == "BF16":
        wide = np.frombuffer(piece, dtype="<u2").astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32)
    kind = np.float64 if dtype in _WIDER_THAN_SINGLE else np.float32
    values: Numbers = np.frombuffer(piece, dtype=_TYPES[dtype]).astype(kind, copy=False)
    return values
