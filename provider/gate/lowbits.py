"""Tests whether the low bits of the weights that leave look like those of trained numbers, which are as good as random.

Text, codes of digits and repeated patterns stand out (Pearson's chi-squared test against equal shares). What has other
bits by its nature is told apart: numbers that end early, as multiples of a power of two do; decimals of few digits and means of
few whole numbers, such as thresholds and leaves of trees; tensors of few different fractions, such as quantised or tied ones; and the upper bits of numbers
that lie close together. Not found here: what is compressed or encrypted, which looks random too; rounding and the bound in
bits are for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from provider.gate.errors import NotApplicableError
from provider.gate.mantissa import FORMATS, FloatFormat
from provider.gate.safetensors import CHUNK_BYTES, TensorEntry, read_pieces

Numbers = NDArray[np.unsignedinteger]
LANE_BITS = (8, 4, 2)
CELL_ROWS = 2
TOP_BITS = 6
"""The upper bits of a fraction are never equally frequent: numbers thin out towards larger ones."""
MAX_Z = 6.5
MIN_EFFECT = 1
"""Chi-squared for each number: digits of four bits have 1.6, characters 20; a constant times numbers of a generator has 0.6."""
MIN_NUMBERS = 20
MAX_COPIES = 4
"""So many numbers for each different fraction are a tensor of few values."""
STEPS = (*range(1, 65), *(10**places for places in range(2, 7)))
MIN_ITEM_BYTES = 4
MAX_STEPS = 1e5
NEARLY = 2.0**-23
"""A number this close to `MAX_STEPS` of the `STEPS`-th parts of one, or fewer, was written down or is the mean of few such."""


def check_low_bits(source: BinaryIO, entries: Sequence[TensorEntry], *, mantissa_bits: int | None) -> bool:
    """Tell whether the low bits of every tensor, rounded to `mantissa_bits`, and of all small ones together, look random.

    Raises:
        NotApplicableError: there are too few numbers to tell, and rounding has not cleared those bits.
    """
    pool: dict[str, list[Numbers]] = {}
    tested = [entry for entry in entries if _has_low_bits(entry.dtype, mantissa_bits)]
    for entry in tested:
        for numbers in _read_numbers(source, entry):
            if entry.end - entry.begin <= CHUNK_BYTES:
                pool.setdefault(entry.dtype, []).append(numbers)
            if not _looks_random(numbers, entry.dtype):
                return False
    together = {dtype: np.concatenate(parts) for dtype, parts in pool.items()}
    if any(not _looks_random(numbers, dtype) for dtype, numbers in together.items()):
        return False
    count = sum((entry.end - entry.begin) * 8 // FORMATS[entry.dtype].width for entry in tested)
    if tested and count < MIN_NUMBERS:
        raise NotApplicableError("too few numbers to tell whether their low bits are random")
    return True


def _read_numbers(source: BinaryIO, entry: TensorEntry) -> Iterator[Numbers]:
    for piece in read_pieces(source, entry):
        yield np.frombuffer(piece, dtype=FORMATS[entry.dtype].bits)


def _has_low_bits(dtype: str, mantissa_bits: int | None) -> bool:
    return dtype in FORMATS and FORMATS[dtype].kept(mantissa_bits) - TOP_BITS >= min(LANE_BITS)


def _looks_random(numbers: Numbers, dtype: str) -> bool:
    """Test the numbers as they are, and if they don't look random, once more without what has other bits by its nature."""
    known = FORMATS[dtype]
    if _is_uniform_below(numbers[1:][np.diff(numbers) != 0], known.fraction):
        return True
    longer = _without_short_fractions(numbers)
    fractions = np.unique(longer & numbers.dtype.type((1 << known.fraction) - 1))
    if len(fractions) * MAX_COPIES < len(longer):
        return True
    return _is_uniform_below(fractions, _spread_bits(longer, known))


def _without_short_fractions(numbers: Numbers) -> Numbers:
    if numbers.dtype.itemsize < MIN_ITEM_BYTES:
        return numbers
    values = numbers.view(f"<f{numbers.dtype.itemsize}")
    short = np.zeros(len(values), dtype=np.bool_)
    for parts in STEPS:
        steps = np.round(values * parts)
        short |= (np.abs(steps) <= MAX_STEPS) & (np.abs(steps / parts - values) <= NEARLY * np.abs(values))
    return numbers[~short]


def _spread_bits(numbers: Numbers, known: FloatFormat) -> int:
    """Return how many bits of fraction tell the numbers of one exponent apart, for the exponent where these are fewest."""
    word = numbers.dtype.type
    exponents, fractions = numbers >> word(known.fraction), numbers & word((1 << known.fraction) - 1)
    found, places, counts = np.unique(exponents, return_inverse=True, return_counts=True)
    common = [place for place in range(len(found)) if counts[place] * len(found) >= len(numbers)]
    widths = [np.std(fractions[places == place].astype(np.float64)) * np.sqrt(12) for place in common]
    return min((int(np.log2(max(width, 1.0))) for width in widths), default=0)


def _is_uniform_below(numbers: Numbers, top: int) -> bool:
    """Test every lane of bits from the lowest that is in use up to `TOP_BITS` below the top."""
    if not len(numbers):
        return True
    used = int(np.bitwise_or.reduce(numbers))
    lowest = (used & -used).bit_length() - 1 if used else top
    width = next((width for width in LANE_BITS if len(numbers) >= CELL_ROWS * 2**width), None)
    if width is None:
        return True
    lanes = range(lowest, top - TOP_BITS - width + 1, width)
    return all(_is_uniform(numbers, shift, width) for shift in lanes)


def _is_uniform(numbers: Numbers, shift: int, width: int) -> bool:
    """Test the odd cells alone: numbers that end within the lane are in even ones. Wilson and Hilferty (1931) for the tail."""
    lane = (numbers >> numbers.dtype.type(shift)) & numbers.dtype.type(2**width - 1)
    counts = np.bincount(lane.astype(np.uint8), minlength=2**width)[1::2]
    expected, freedom = counts.sum() / len(counts), len(counts) - 1
    if expected < CELL_ROWS / 2:
        return True
    statistic = float((np.square(counts - expected) / expected).sum())
    if statistic < MIN_EFFECT * counts.sum():
        return True
    third = 2 / (9 * freedom)
    return bool(((statistic / freedom) ** (1 / 3) - (1 - third)) / np.sqrt(third) <= MAX_Z)
