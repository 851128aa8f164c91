"""Looks for the data's text in what a job wrote, in every place of a tensor where characters can stand as they are.

- In bytes: all bytes of the numbers in either byte order, one chosen byte of each, the lowest two, the highest two;
  of numbers that are rounded also the lowest byte that is left.
- In bits, eight to a character: the signs of numbers, their lowest bits, and whether they are zero (Song et al. 2017,
  "Machine Learning Models that Remember Too Much", §4).

A run of `WINDOW` characters that has `MIN_DISTINCT` different ones is found. Not found here: what is compressed, encoded
or encrypted; the bound in bits is for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from policies.egress import BITS_PER_BYTE
from provider.gate.mantissa import FORMATS
from provider.gate.safetensors import ITEM_BYTES, TensorEntry, read_joined

WINDOW = 8
"""Characters: as many as a 64-bit number has bytes, so that a window is one number."""
MIN_DISTINCT = 3
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Numbers = NDArray[np.unsignedinteger]
_RUN = bytes([1]) * WINDOW
_FOUR = np.uint32(0x01010101)
_SAME = np.arange(2**BITS_PER_BYTE, dtype=np.uint8)
_MIRRORED = np.packbits(np.unpackbits(_SAME, bitorder="little"))
_BIT_READINGS = (_SAME, ~_SAME, _MIRRORED, ~_MIRRORED)
"""A set bit is a one or a zero, and a character's highest bit comes first or last."""


class TextIndex:
    """The windows of a text, that is asked whether one stands in tensors.

    Bytes are first told apart by whether the text has them at all; only where `WINDOW` such bytes follow on each other in an
    order that is read, the windows themselves are looked for.
    """

    def __init__(self, text: bytes) -> None:
        windows = _windows(np.frombuffer(text, dtype=np.uint8))
        ordered = np.sort(windows, axis=1)
        kept = windows[1 + (np.diff(ordered, axis=1) != 0).sum(axis=1) >= MIN_DISTINCT]
        self._known: Words = np.unique(kept.view(np.uint64))
        marks = np.bincount(kept.ravel(), minlength=2**BITS_PER_BYTE).astype(np.bool_)
        self._table = marks.tobytes()
        self._bits_table = np.logical_or.reduce([marks[reading] for reading in _BIT_READINGS]).tobytes()

    def stands_in(
        self, source: BinaryIO, entries: Sequence[TensorEntry], *, mantissa_bits: int | None = None
    ) -> bool:
        """Tell whether a piece of the text stands in a tensor of the file, which was rounded to `mantissa_bits`."""
        for dtype, piece in read_joined(source, entries, carry=WINDOW * BITS_PER_BYTE):
            lost = FORMATS[dtype].lost(mantissa_bits) if dtype in FORMATS else 0
            numbers = np.frombuffer(piece, dtype=f"<u{ITEM_BYTES[dtype]}")
            planes = _bit_planes(numbers, lost, is_float=dtype in FORMATS)
            if self._stands_in_bytes(numbers, lost) or self._stands_in_bits(planes):
                return True
        return False

    def _stands_in_bytes(self, numbers: Numbers, lost: int) -> bool:
        marked = np.frombuffer(numbers.tobytes().translate(self._table), dtype=numbers.dtype)
        likely = (place for place, marks in enumerate(_byte_orders(marked)) if _has_run(marks))
        if any(self._has_window(next(islice(_byte_orders(numbers), place, None))) for place in likely):
            return True
        low = (numbers >> numbers.dtype.type(lost)).astype(np.uint8)
        return _has_run(_translate(low, self._table)) and self._has_window(low)

    def _stands_in_bits(self, planes: Iterable[NDArray[np.bool_]]) -> bool:
        return any(
            _has_run(_translate(found, self._bits_table))
            and any(self._has_window(reading[found]) for reading in _BIT_READINGS)
            for plane in planes
            for found in (np.packbits(plane[begin:]) for begin in range(BITS_PER_BYTE))
        )

    def _has_window(self, found: Bytes) -> bool:
        """Tell whether one of the windows stands in the bytes."""
        inside = _translate(found, self._table)
        for step in (1, 2, 4):
            inside = inside[:-step] & inside[step:]
        starts = np.flatnonzero(inside)
        words = found[starts[:, None] + np.arange(WINDOW)].view(np.uint64).ravel()
        nearest = np.minimum(np.searchsorted(self._known, words), len(self._known) - 1)
        return bool((self._known[nearest] == words).any())


def _byte_orders(numbers: Numbers) -> Iterator[Bytes]:
    """Give the numbers' bytes in every order in which they are read as characters."""
    word, width = numbers.dtype.type, numbers.itemsize
    yield numbers.view(np.uint8)
    if width > 1:
        yield numbers.byteswap().view(np.uint8)
        for place in range(width):
            yield (numbers >> word(BITS_PER_BYTE * place)).astype(np.uint8)
    if width > 2:  # noqa: PLR2004 - the lowest two and the highest two are not all
        for shift in (0, BITS_PER_BYTE * (width - 2)):
            pairs = (numbers >> word(shift)).astype("<u2")
            yield pairs.view(np.uint8)
            yield pairs.byteswap().view(np.uint8)


def _bit_planes(numbers: Numbers, lost: int, *, is_float: bool) -> Iterator[NDArray[np.bool_]]:
    """Give one bit of each number: its sign or highest, the lowest, the lowest that is left, and whether it is zero."""
    word = numbers.dtype.type
    highest = word(1 << (BITS_PER_BYTE * numbers.itemsize - 1))
    yield numbers >= highest
    yield (numbers & word(1)) != 0
    if lost:
        yield (numbers & word(1 << lost)) != 0
    sizes = numbers & ~highest if is_float else numbers
    if not sizes.all():
        yield sizes != 0


def _translate(found: Bytes, table: bytes) -> Bytes:
    return np.frombuffer(found.tobytes().translate(table), dtype=np.uint8)


def _has_run(marks: Bytes) -> bool:
    """Tell whether `WINDOW` ones follow on each other, which fill four places that begin at a multiple of four."""
    aligned = marks[: len(marks) // 4 * 4].view(np.uint32)
    return bool((aligned == _FOUR).any()) and _RUN in marks.tobytes()


def _windows(characters: Bytes) -> Bytes:
    if len(characters) < WINDOW:
        return np.empty((0, WINDOW), dtype=np.uint8)
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(characters, WINDOW))
