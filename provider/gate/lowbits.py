"""Tests whether the low bits of weights look like those of trained numbers, which are as good as random.

Judged before any rounding, so that what was hidden there is seen even where it would not leave. Text, numbers and repeated
patterns in the low bits stand out (Pearson's chi-squared test against equal shares); bits that are zero throughout carry
nothing and are passed over. Not found here: what is compressed or encrypted, which looks random too; rounding and the
bound in bits are for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from provider.gate.errors import NotApplicableError
from provider.gate.mantissa import FORMATS
from provider.gate.safetensors import CHUNK_BYTES, TensorEntry, read_pieces

Numbers = NDArray[np.unsignedinteger]
LANE_BITS = (8, 4, 2)
CELL_ROWS = 5
TOP_BITS = 6
"""The upper bits of a fraction are never equally frequent: numbers thin out towards larger ones."""
MAX_Z = 6.5
MIN_NUMBERS = 20


def check_low_bits(source: BinaryIO, entries: Sequence[TensorEntry], *, mantissa_bits: int | None) -> bool:
    """Tell whether the low bits of every tensor, and of all small ones together, look random.

    Raises:
        NotApplicableError: there are too few numbers to tell, and rounding to `mantissa_bits` doesn't clear those bits.
    """
    pool: dict[str, list[Numbers]] = {}
    for entry in entries:
        if entry.dtype not in FORMATS or not _has_low_bits(entry.dtype):
            continue
        for numbers in _read_numbers(source, entry):
            if entry.end - entry.begin <= CHUNK_BYTES:
                pool.setdefault(entry.dtype, []).append(numbers)
            if not _looks_random(numbers, entry.dtype):
                return False
    together = {dtype: np.concatenate(parts) for dtype, parts in pool.items()}
    if any(not _looks_random(numbers, dtype) for dtype, numbers in together.items()):
        return False
    _check_enough(entries, mantissa_bits)
    return True


def _read_numbers(source: BinaryIO, entry: TensorEntry) -> Iterator[Numbers]:
    for piece in read_pieces(source, entry):
        yield np.frombuffer(piece, dtype=FORMATS[entry.dtype].bits)


def _check_enough(entries: Sequence[TensorEntry], mantissa_bits: int | None) -> None:
    floats = [entry for entry in entries if entry.dtype in FORMATS]
    counts = [(entry.end - entry.begin) * 8 // FORMATS[entry.dtype].width for entry in floats]
    cleared = mantissa_bits is not None and all(
        mantissa_bits <= TOP_BITS or not _has_low_bits(entry.dtype) for entry in floats
    )
    if floats and sum(counts) < MIN_NUMBERS and not cleared:
        raise NotApplicableError("too few numbers to tell whether their low bits are random")


def _has_low_bits(dtype: str) -> bool:
    return FORMATS[dtype].fraction - TOP_BITS >= min(LANE_BITS)


def _looks_random(numbers: Numbers, dtype: str) -> bool:
    """Test every lane of bits from the lowest that is in use upwards; copies of one number count once."""
    distinct = np.unique(numbers) if len(numbers) < 2**16 else numbers[1:][np.diff(numbers) != 0]
    if not len(distinct):
        return True
    used = int(np.bitwise_or.reduce(distinct))
    lowest = (used & -used).bit_length() - 1 if used else FORMATS[dtype].fraction
    width = next((width for width in LANE_BITS if len(distinct) >= CELL_ROWS * 2**width), None)
    if width is None:
        return True
    last = FORMATS[dtype].fraction - TOP_BITS - width
    return all(_is_uniform(distinct, shift, width) for shift in range(lowest, last + 1, width))


def _is_uniform(numbers: Numbers, shift: int, width: int) -> bool:
    """Test the cells but that of zero, in which short numbers gather; Wilson and Hilferty (1931) for the tail."""
    lane = (numbers >> numbers.dtype.type(shift)) & numbers.dtype.type(2**width - 1)
    counts = np.bincount(lane.astype(np.uint8), minlength=2**width)[1:]
    expected, freedom = counts.sum() / len(counts), len(counts) - 1
    if expected < CELL_ROWS:
        return True
    statistic = float((np.square(counts - expected) / expected).sum())
    third = 2 / (9 * freedom)
    return bool(((statistic / freedom) ** (1 / 3) - (1 - third)) / np.sqrt(third) <= MAX_Z)
