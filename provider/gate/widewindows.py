"""Finds long sequences of values of which there are few, such as yes and no, of which short ones would say nothing.

A sequence is known by which value stands where, and by where a value differs from the one before it, which stays when two
values are replaced by two others. It counts if it says at least `MIN_BITS`, were the values drawn one by one as often as
they are in the data: others would be found in a model's zeros and ones by chance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from provider.gate.windows import FINAL, Bools, Codes, Hashes

Floats = NDArray[np.float64]
WIDE = 64
MIN_BITS = 48
CODE_VALUES = 2**17 + 1
"""Codes are below it: of 32 bits, rounded up to 17."""
_STEPS = tuple(2**step for step in range(6))
_FACTORS = np.random.default_rng(20220524).integers(2**40, 2**63, len(_STEPS), dtype=np.uint64) | np.uint64(1)
_RUN = bytes([1]) * WIDE


class WideIndex:
    """The windows of a table of codes, shape (rows, columns), that is asked whether one stands in an array."""

    def __init__(self, table: Codes) -> None:
        self._values = np.bincount(table.ravel(), minlength=CODE_VALUES).astype(np.bool_)
        rows, columns = table.ravel(), table.T.ravel()
        by_rows = _changes(rows).reshape(table.shape)
        by_columns = _changes(columns).reshape(table.T.shape).T
        self.marked = _says_enough(_surprises(table).ravel())
        """Which windows of the rows say enough to be known again."""
        self._known = _known(table, table)
        self._known_changes = _known(by_rows, by_columns)

    def stands_in(self, codes: Codes) -> bool:
        """Tell whether a known window stands anywhere in the codes."""
        if _RUN in self._values[codes].tobytes() and _shares(self._known, _hash(codes)):
            return True
        changes = _changes(codes)
        return not changes.all() and _shares(self._known_changes, _hash(changes))


def _changes(codes: Codes) -> Codes:
    """Tell of each code whether it is another than the one before it; the first is."""
    changes: Codes = np.concatenate([[True], codes[1:] != codes[:-1]]).astype(np.uint32)[: len(codes)]
    return changes


def _surprises(table: Codes) -> Floats:
    """Return how many bits each entry says, by how often it stands in its column."""
    shares = [np.bincount(column)[column] / len(column) for column in table.T]
    bits: Floats = -np.log2(np.stack(shares, axis=1))
    return bits


def _says_enough(surprises: Floats) -> Bools:
    sums = np.concatenate([[0.0], np.cumsum(surprises)])
    enough: Bools = sums[WIDE:] - sums[:-WIDE] >= MIN_BITS
    return enough


def _known(by_rows: Codes, by_columns: Codes) -> Hashes:
    """Return the hashes of windows along rows, along rows backwards, and down columns."""
    along, down = _surprises(by_rows).ravel(), _surprises(by_columns).T.ravel()
    orders = (
        (by_rows.ravel(), along),
        (by_rows.ravel()[::-1], along[::-1]),
        (by_columns.T.ravel(), down),
    )
    return np.unique(np.concatenate([_hash(codes)[_says_enough(bits)] for codes, bits in orders]))


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
