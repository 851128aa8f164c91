"""Finds sequences of one array in another by hashes of short windows; for arrays of any size, in numpy alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Codes = NDArray[np.uint64]
FILTER_BITS = 24
_SHIFT = np.uint64(64 - FILTER_BITS)
_FINAL = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.random.default_rng(20220523).integers(2**40, 2**63, 16, dtype=np.uint64) | np.uint64(1)
"""Fixed, odd, and chosen by nobody who knows the data."""


def hash_windows(codes: Codes, length: int) -> Hashes:
    """Return a hash of every window of `length` consecutive codes (at most 16), in order."""
    count = max(len(codes) - length + 1, 0)
    sums = np.zeros(count, dtype=np.uint64)
    for position in range(length if count else 0):
        sums += codes[position : position + count] * _FACTORS[position]
    sums ^= sums >> np.uint64(29)
    sums *= _FINAL
    return sums


class WindowIndex:
    """A set of hashes that is asked about many others at once."""

    def __init__(self, hashes: Iterable[Hashes]) -> None:
        parts = list(hashes)
        self._sorted = np.unique(np.concatenate(parts)) if parts else np.empty(0, dtype=np.uint64)
        self._filter = np.zeros(2**FILTER_BITS, dtype=np.bool_)
        self._filter[(self._sorted >> _SHIFT).astype(np.int64)] = True

    def __len__(self) -> int:
        """How many different windows it knows."""
        return len(self._sorted)

    def has_any(self, hashes: Hashes) -> bool:
        """Tell whether one of these windows is known."""
        likely = hashes[self._filter[(hashes >> _SHIFT).astype(np.int64)]]
        if not len(likely) or not len(self._sorted):
            return False
        places = np.minimum(np.searchsorted(self._sorted, likely), len(self._sorted) - 1)
        return bool((self._sorted[places] == likely).any())
