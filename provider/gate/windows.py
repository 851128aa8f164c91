"""Finds sequences of one array in another by hashes of short windows; for arrays of any size, in numpy alone.

Most windows of a large array are told apart by their pairs of neighbours, looked up in a small table; only those of which
every second pair is known are hashed and looked for.
"""

from __future__ import annotations

from functools import cached_property

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
    """Sets of windows, one for each of `lengths` (even, at most 16, ascending), asked whether one stands in an array."""

    def __init__(self, *lengths: int) -> None:
        self.lengths = lengths
        self._pairs = np.zeros(2**MAX_PAIR_BITS, dtype=np.bool_)
        self._taken: dict[int, list[Hashes]] = {length: [] for length in lengths}

    def add(self, codes: Codes, marked: Bools, length: int) -> None:
        """Take in those windows of a sequence whose place is marked; all are taken in before the first question."""
        places = np.flatnonzero(marked)
        if not len(places):
            return
        keys = _pair_keys(codes, MAX_PAIR_BITS)
        for place in range(0, length, 2):
            self._pairs[keys[places + place]] = True
        self._taken[length].append(_hash(codes, places, length))

    def stands_in(self, codes: Codes, *, shortest: int = 0) -> bool:
        """Tell whether a known window, of `shortest` codes or more, stands anywhere in the codes."""
        lengths = [length for length in self.lengths if shortest <= length <= len(codes)]
        if not any(len(self._sorted[length]) for length in lengths):
            return False
        pairs, bits = self._narrow
        known = pairs[_pair_keys(codes, bits)]
        likely, end = known, 2
        for length in lengths:
            for place in range(end, length, 2):
                likely = likely[: len(known) - place] & known[place:]
            end = length
            if self._has(codes, np.flatnonzero(likely), length):
                return True
        return False

    def _has(self, codes: Codes, places: NDArray[np.intp], length: int) -> bool:
        known = self._sorted[length]
        if not len(known) or not len(places):
            return False
        hashes = _hash(codes, places, length)
        nearest = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        return bool((known[nearest] == hashes).any())

    @cached_property
    def _sorted(self) -> dict[int, Hashes]:
        none = np.empty(0, dtype=np.uint64)
        found = {length: np.sort(np.concatenate([none, *taken])) for length, taken in self._taken.items()}
        self._taken.clear()
        return found

    @cached_property
    def _narrow(self) -> tuple[Bools, int]:
        """The table of pairs, no larger than it has to be, and how many bits find a place in it."""
        known = int(np.count_nonzero(self._pairs))
        bits = min(max((known * ROOM).bit_length(), MIN_PAIR_BITS), MAX_PAIR_BITS)
        return np.logical_or.reduce(self._pairs.reshape(2**bits, -1), axis=1), bits


def _hash(codes: Codes, places: NDArray[np.intp], length: int) -> Hashes:
    sums = np.zeros(len(places), dtype=np.uint64)
    for position in range(length):
        sums += codes[places + position].astype(np.uint64) * _FACTORS[position]
    sums ^= sums >> np.uint64(29)
    sums *= FINAL
    return sums


def _pair_keys(codes: Codes, bits: int) -> Codes:
    keys: Codes = codes[:-1] * _FIRST
    keys += codes[1:] * _SECOND
    keys >>= np.uint32(32 - bits)
    return keys
