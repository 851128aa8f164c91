"""Finds sequences of one array in another by hashes of short windows; for arrays of any size, in numpy alone.

Most windows of a large array are told apart by their pairs of neighbours, looked up in a small table; only those of which
every second pair is known are hashed and looked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Bools = NDArray[np.bool_]
MAX_PAIR_BITS, MIN_PAIR_BITS = 22, 14
ROOM = 4
"""So many places at least for each known pair: fewer would tell less apart, and a larger table is slower to look into."""
_FIRST, _SECOND = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)
FINAL = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.random.default_rng(20220523).integers(2**40, 2**63, 16, dtype=np.uint64) | np.uint64(1)
"""Fixed, odd, and chosen by nobody who knows the data."""


class WindowIndex:
    """A set of windows of `length` codes (even, at most 16), that is asked whether one stands in an array."""

    def __init__(self, sequences: Iterable[tuple[Codes, Bools]], length: int) -> None:
        """Take in those windows of each sequence whose place is marked."""
        self._length = length
        self._bits = MAX_PAIR_BITS
        self._pairs = np.zeros(2**MAX_PAIR_BITS, dtype=np.bool_)
        hashes = [self._take(codes, np.flatnonzero(marked)) for codes, marked in sequences]
        self._sorted = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, dtype=np.uint64)
        known = int(np.count_nonzero(self._pairs))
        self._bits = min(max((known * ROOM).bit_length(), MIN_PAIR_BITS), MAX_PAIR_BITS)
        self._pairs = np.logical_or.reduce(self._pairs.reshape(2**self._bits, -1), axis=1)

    def __len__(self) -> int:
        """How many different windows it knows."""
        return len(self._sorted)

    def stands_in(self, codes: Codes) -> bool:
        """Tell whether a known window stands anywhere in the codes."""
        count = len(codes) - self._length + 1
        if count <= 0 or not len(self._sorted):
            return False
        known = self._pairs[_pair_keys(codes, self._bits)]
        likely = known[:count].copy()
        for place in range(2, self._length, 2):
            likely &= known[place : place + count]
        hashes = self._hash(codes, np.flatnonzero(likely))
        places = np.minimum(np.searchsorted(self._sorted, hashes), len(self._sorted) - 1)
        return bool((self._sorted[places] == hashes).any())

    def _take(self, codes: Codes, places: NDArray[np.intp]) -> Hashes:
        if not len(places):
            return np.empty(0, dtype=np.uint64)
        keys = _pair_keys(codes, self._bits)
        for place in range(0, self._length, 2):
            self._pairs[keys[places + place]] = True
        return self._hash(codes, places)

    def _hash(self, codes: Codes, places: NDArray[np.intp]) -> Hashes:
        sums = np.zeros(len(places), dtype=np.uint64)
        for position in range(self._length):
            sums += codes[places + position].astype(np.uint64) * _FACTORS[position]
        sums ^= sums >> np.uint64(29)
        sums *= FINAL
        return sums


def _pair_keys(codes: Codes, bits: int) -> Codes:
    keys: Codes = codes[:-1] * _FIRST
    keys += codes[1:] * _SECOND
    keys >>= np.uint32(32 - bits)
    return keys
