"""Rounds floating-point weights to fewer bits of fraction, half to even, and counts the bits that are left.

A number of any format here is sign, exponent and fraction (IEEE 754-2019, §3.4; bfloat16 is the upper half of binary32).
Rounding clears the lower bits of the fraction, in subnormal numbers too, and minus zero becomes zero: at most
2^(sign + exponent + kept) values are left, which is what `kept_bits` counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.egress import BITS_PER_BYTE


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """One format: the unsigned integer that has its bits, and how many of them are fraction."""

    bits: str
    fraction: int

    @property
    def width(self) -> int:
        """All its bits."""
        return np.dtype(self.bits).itemsize * BITS_PER_BYTE

    @property
    def exponent_mask(self) -> int:
        """The exponent's bits; all of them set is an infinity or not a number."""
        return (1 << (self.width - 1)) - (1 << self.fraction)

    def kept(self, mantissa_bits: int | None) -> int:
        """Return how many bits of fraction are kept."""
        return self.fraction if mantissa_bits is None else min(mantissa_bits, self.fraction)

    def lost(self, mantissa_bits: int | None) -> int:
        """Return how many bits of fraction are cleared."""
        return self.fraction - self.kept(mantissa_bits)


FORMATS = {
    "F64": FloatFormat("<u8", 52),
    "F32": FloatFormat("<u4", 23),
    "F16": FloatFormat("<u2", 10),
    "BF16": FloatFormat("<u2", 7),
}
"""The safetensors types that are floating-point numbers."""


def kept_bits(dtype: str, mantissa_bits: int | None) -> int:
    """Return how many bits one number of a type in `FORMATS` can say when it is rounded so."""
    known = FORMATS[dtype]
    return known.width - known.fraction + known.kept(mantissa_bits)


def is_finite(numbers: NDArray[np.unsignedinteger], known: FloatFormat) -> bool:
    """Tell whether every number, given by its bits, is finite; none of a format of another width."""
    mask = numbers.dtype.type(known.exponent_mask)
    return bool(((numbers & mask) != mask).all())


def round_numbers(
    numbers: NDArray[np.unsignedinteger], known: FloatFormat, mantissa_bits: int
) -> NDArray[np.unsignedinteger]:
    """Return finite numbers, given by their bits, rounded half to even to `mantissa_bits` of fraction.

    A carry goes on into the exponent, as it should; one that overflows becomes an infinity, which the caller refuses.
    """
    lost = known.lost(mantissa_bits)
    if lost == 0:
        return numbers
    word = numbers.dtype.type
    rounded = numbers >> word(lost)
    rounded &= word(1)
    rounded += word((1 << (lost - 1)) - 1)
    rounded += numbers
    rounded &= word((1 << known.width) - (1 << lost))
    rounded[rounded == word(1 << (known.width - 1))] = 0
    return rounded
