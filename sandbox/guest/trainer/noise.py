"""Randomness that privacy rests on: who is in a batch, and the noise on its sum.

Everything comes from AES-256 in counter mode under a key of the kernel's generator; PyTorch's own generators can be predicted
from what they gave out (Holohan and Braghin 2021, "Secure random sampling in differential privacy", section 3).

What a float can hold betrays what noise was added to (Mironov 2012, "On significance of the least significant bits for
differential privacy"). So sums leave rounded to a grid that depends on the noise alone, and a rounded value is the very one
that rounding sum plus *real* noise gives: a Gaussian number is known to so many bits that its error can't change the result,
and where it could, more bits are drawn (as Karney 2016, "Sampling exactly from the normal distribution", does for each bit).
Rounding comes after the noise, so it changes nothing about sensitivity: it is a function of what may be known anyway.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Floats = npt.NDArray[np.float64]
SEED_BYTES = 32
BLOCK_BYTES = 2**16
GRID_BITS = 6
"""The grid is between 2^-6 and 2^-7 of the noise's deviation: rounding adds less than 1 part in 10^4 to its variance."""
WORD = 2.0**-32
EDGE = 2**16
MORE_BITS = 128
PRECISION_BITS = 256
LIBRARY_ERROR = 2.0**-45
"""Far above what logarithm, root, sine and product of doubles err by together, for numbers up to 7 and their results."""
WIDEST_ERROR = 2.0**-18
"""Above what a normal number can miss by for want of more bits, but for words so near an end that `EDGE` is above them."""


class Keystream:
    """Bytes that nobody without the seed can tell from random ones (AES-256 in counter mode, NIST SP 800-38A)."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"expected a seed of {SEED_BYTES} bytes")
        self._cipher = Cipher(algorithms.AES256(seed), modes.CTR(bytes(16))).encryptor()

    def draw(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        return self._cipher.update(bytes(count))

    def draw_integer(self, bits: int) -> int:
        """Return a number of `bits` bits, a multiple of 8."""
        return int.from_bytes(self.draw(bits // 8), "big")


class Bernoulli:
    """Draws with a probability that is given as decimal text, exact to 2^-72 and never above it."""

    def __init__(self, stream: Keystream, probability: str) -> None:
        threshold = math.floor(Decimal(probability) * 2**72)
        self._stream = stream
        self._first, self._rest = divmod(threshold, 2**64)

    def draw(self, count: int) -> npt.NDArray[np.int64]:
        """Return, in order, the indices below `count` that were taken; each is, independently of the others.

        One byte decides for most; eight more where it is the threshold's own.
        """
        first = np.frombuffer(self._stream.draw(count), dtype=np.uint8)
        candidates = np.flatnonzero(first <= self._first)
        taken = first[candidates] < self._first
        ties = np.flatnonzero(~taken)
        taken[ties] = np.frombuffer(self._stream.draw(8 * len(ties)), dtype=np.uint64) < self._rest
        return candidates[taken]


class GaussianNoise:
    """Adds Gaussian noise to sums and rounds them, exactly as the module says."""

    def __init__(self, stream: Keystream) -> None:
        self._stream = stream
        self._words = np.empty(0, dtype=np.uint32)

    def add(self, sums: Floats, deviation: float) -> Floats:
        """Return `sums` plus noise of standard deviation `deviation`, on the grid that belongs to it.

        The deviation must be a normal double, and no sum beyond 2^50 of it.
        """
        grid = 2.0 ** (math.frexp(deviation)[1] - 1 - GRID_BITS)
        scaled, scale = sums / grid, deviation / grid
        whole = np.floor(scaled)
        pairs = -(-len(sums) // 2)
        words = self._take(2 * pairs).reshape(2, pairs)
        shifted = scaled - whole + _box_muller(words)[: len(sums)] * scale + 0.5
        below = np.floor(shifted)
        rounded = whole + below
        more: dict[int, tuple[int, int]] = {}
        for index in _find_doubtful(shifted - below, words[0], scale):
            sine, pair = divmod(index, pairs)
            if pair not in more:
                more[pair] = (self._stream.draw_integer(MORE_BITS), self._stream.draw_integer(MORE_BITS))
            normal = _box_muller_exactly(words[:, pair], more[pair], sine)
            rounded[index] = _round_exactly(float(scaled[index]), normal, scale)
        result: Floats = rounded * grid
        return result

    def _take(self, count: int) -> npt.NDArray[np.uint32]:
        """Return as many words; they are drawn in blocks."""
        if len(self._words) < count:
            fresh = np.frombuffer(self._stream.draw(max(4 * count, BLOCK_BYTES)), dtype=np.uint32)
            self._words = np.concatenate([self._words, fresh])
        taken, self._words = self._words[:count], self._words[count:]
        return taken


def _box_muller(words: npt.NDArray[np.uint32]) -> Floats:
    """Return two normal numbers for each column of two words: all the cosines', then all the sines'."""
    uniform = (words + 0.5) * WORD
    radius = np.sqrt(-2.0 * np.log(uniform[0]))
    angle = torch.from_numpy(2.0 * math.pi * uniform[1])  # PyTorch's sine takes a fifth of NumPy's time
    return np.concatenate([radius * torch.cos(angle).numpy(), radius * torch.sin(angle).numpy()])


def _find_doubtful(parts: Floats, words: npt.NDArray[np.uint32], scale: float) -> list[int]:
    """Return where more bits could change what was rounded down, by the part that was cut off and the radius' word."""
    distances = 0.5 - np.abs(parts - 0.5)
    near = np.flatnonzero(distances <= WIDEST_ERROR * scale + LIBRARY_ERROR)
    doubtful = {
        index
        for index in near.tolist()
        if distances[index] <= _error(int(words[index % len(words)])) * scale + LIBRARY_ERROR
    }
    at_ends = np.flatnonzero(words + np.uint32(EDGE) < 2 * EDGE).tolist()  # the sum of two words wraps
    doubtful.update(index for pair in at_ends for index in (pair, pair + len(words)) if index < len(parts))
    return sorted(doubtful)


def _error(word: int) -> float:
    """Return how far a normal number can be from what all bits would give, by the word that its radius is made of."""
    if not EDGE <= word < 2**32 - EDGE:
        return math.inf  # too steep there for a first derivative
    uniform = (word + 0.5) * WORD
    radius = math.sqrt(-2.0 * math.log(uniform))
    return WORD / (uniform * radius) + 8.0 * WORD * radius


def _box_muller_exactly(words: npt.NDArray[np.uint32], more: tuple[int, int], sine: int) -> Any:  # noqa: ANN401 - mpmath has no types
    """Return one of a pair's normal numbers from all bits that were drawn for it (Box and Muller 1958)."""
    with mpmath.workprec(PRECISION_BITS):
        first, second = (
            (mpmath.mpf((int(word) << MORE_BITS) + rest) + 0.5) / 2 ** (32 + MORE_BITS)
            for word, rest in zip(words, more, strict=True)
        )
        turn = mpmath.sinpi if sine else mpmath.cospi
        return mpmath.sqrt(-2 * mpmath.log(first)) * turn(2 * second)


def _round_exactly(scaled: float, normal: Any, scale: float) -> float:  # noqa: ANN401 - mpmath has no types
    with mpmath.workprec(PRECISION_BITS):
        return float(mpmath.floor(mpmath.mpf(scaled) + normal * mpmath.mpf(scale) + 0.5))
