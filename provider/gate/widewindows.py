"""Finds long sequences of values of which there are few, such as yes and no, of which short ones would say nothing.

A sequence is known by which value stands where, and by where a value differs from the one before it, which stays when two
values are replaced by two others. It counts if it says at least `MIN_BITS`, were the values drawn one by one as often as
they are in the data, and changes at `MIN_CHANGES` places: others would be found in a model's zeros and ones by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from provider.gate.windows import FINAL, Bools, Codes, Hashes

Floats = NDArray[np.float64]
WIDE = 64
MIN_BITS = 48
MIN_CHANGES = 8
MANY_TIMES = 8
CODE_VALUES = 2**17 + 1
"""Codes are below it: of 32 bits, rounded up to 17."""
_STEPS = tuple(2**step for step in range(6))
_FACTORS = np.random.default_rng(20220524).integers(2**40, 2**63, len(_STEPS), dtype=np.uint64) | np.uint64(1)
_RUN = bytes([1]) * WIDE


class WideIndex:
    """The windows of tables of codes, each of shape (rows, columns), asked whether one stands in an array."""

    def __init__(self, tables: Sequence[Codes]) -> None:
        self._values = np.zeros(CODE_VALUES, dtype=np.bool_)
        for table in tables:
            self._values[table.ravel()] = True
        orders = [order for table in tables for order in _orders(table)]
        changes = [(_changes(codes), columns) for codes, columns in orders]
        self._known, self._known_changes = _known(orders), _known(changes)
        self._rests = min(map(_fewest_rests, changes), default=0)

    def stands_in(self, codes: Codes) -> bool:
        """Tell whether a known window stands anywhere in the codes."""
        if _RUN in self._values[codes].tobytes() and _shares(self._known, _hash(codes)):
            return True
        changes = _changes(codes)
        likely = _rests(changes).max(initial=0) >= self._rests
        return bool(likely) and _shares(self._known_changes, _hash(changes))


def mark_rows(table: Codes) -> Bools:
    """Tell which windows along the rows say enough to be known again."""
    return _mark(*next(_orders(table)))


def surprises(codes: Codes, columns: Codes) -> Floats:
    """Return how many bits each code says, by how often it stands among those of its column."""
    _, places, counts = np.unique(
        columns.astype(np.uint64) << np.uint64(32) | codes, return_inverse=True, return_counts=True
    )
    bits: Floats = np.log2(np.bincount(columns)[columns] / counts[places])
    return bits


def says_enough(bits: Floats, length: int) -> Bools:
    """Tell which windows of `length` say at least `MIN_BITS`."""
    sums = np.concatenate([[0.0], np.cumsum(bits)])
    enough: Bools = sums[length:] - sums[:-length] >= MIN_BITS
    return enough


def _orders(table: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Give the codes along rows, along rows backwards, and down columns of few values, and the column of each.

    A column of many values is none to look for by itself: numbers of rows count up, as positions in a model do.
    """
    columns = np.broadcast_to(np.arange(table.shape[1], dtype=np.uint32), table.shape)
    if table.shape[1] > 1:
        yield table.ravel(), columns.ravel()
        yield table.ravel()[::-1], columns.ravel()[::-1]
    few = [
        place for place, column in enumerate(table.T) if len(np.unique(column)) * MANY_TIMES <= len(column)
    ]
    yield table[:, few].T.ravel(), columns[:, few].T.ravel()


def _changes(codes: Codes) -> Codes:
    """Tell of each code whether it is another than the one before it; the first is."""
    changes: Codes = np.concatenate([[True], codes[1:] != codes[:-1]]).astype(np.uint32)[: len(codes)]
    return changes


def _rests(changes: Codes) -> NDArray[np.intp]:
    """Return how many codes of each window are the same as the one before."""
    sums = np.concatenate([[0], np.cumsum(changes == 0)])
    found: NDArray[np.intp] = sums[WIDE:] - sums[:-WIDE]
    return found


def _fewest_rests(order: tuple[Codes, Codes]) -> int:
    return int(_rests(order[0])[_mark(*order)].min(initial=WIDE))


def _mark(codes: Codes, columns: Codes) -> Bools:
    changes = np.concatenate([[0], np.cumsum(_changes(codes))])
    marked = says_enough(surprises(codes, columns), WIDE)
    marked &= changes[WIDE:] - changes[1 : len(marked) + 1] >= MIN_CHANGES
    return marked


def _known(orders: Sequence[tuple[Codes, Codes]]) -> Hashes:
    none = np.empty(0, dtype=np.uint64)
    found = [_hash(codes)[_mark(codes, columns)] for codes, columns in orders if len(codes) >= WIDE]
    return np.sort(np.concatenate([none, *found]))


def _shares(known: Hashes, hashes: Hashes) -> bool:
    if not len(known) or not len(hashes):
        return False
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return bool((known[places] == hashes).any())


def _hash(codes: Codes) -> Hashes:
    """Return a hash of each window, put together from those of its halves."""
    if len(codes) < WIDE:
        return np.empty(0, dtype=np.uint64)
    hashes = codes.astype(np.uint64)
    for step, factor in zip(_STEPS, _FACTORS, strict=True):
        hashes = hashes[:-step] * factor + hashes[step:]
        hashes ^= hashes >> np.uint64(29)
        hashes *= FINAL
    return hashes
