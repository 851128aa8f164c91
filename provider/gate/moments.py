"""Smallest and largest value, mean and deviation of each column of rows that pass by once.

Pieces are joined by the updates of Chan, Golub and LeVeque (1983), which lose nothing where numbers are far from zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from provider.gate.tables import Values

Floats = NDArray[np.float64]
PIECE_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Moments:
    """Of `rows`, a column's finite numbers: how many, the smallest, the largest, mean, and deviation; 0 and NaN for none."""

    rows: int
    count: int
    low: float
    high: float
    mean: float
    deviation: float


class MomentsOfRows:
    """Adds up rows; what is no number is passed over."""

    def __init__(self, columns: int) -> None:
        self._count = np.zeros(columns)
        self._low = np.full(columns, np.inf)
        self._high = np.full(columns, -np.inf)
        self._mean = np.zeros(columns)
        self._squares = np.zeros(columns)
        self._piece: list[Values] = []
        self._rows = 0

    def show(self, values: Values) -> None:
        """Take in a row."""
        self._piece.append(values)
        self._rows += 1
        if len(self._piece) == PIECE_ROWS:
            self._add()

    @property
    def of_columns(self) -> tuple[Moments, ...]:
        """What all rows so far have come to."""
        self._add()
        return tuple(
            Moments(self._rows, int(count), low, high, mean, float(np.sqrt(squares / count)))
            if count
            else Moments(self._rows, 0, *[float("nan")] * 4)
            for count, low, high, mean, squares in zip(
                self._count, self._low, self._high, self._mean, self._squares, strict=True
            )
        )

    @np.errstate(over="ignore", invalid="ignore")
    def _add(self) -> None:
        if not self._piece:
            return
        numbers = to_numbers(self._piece)
        self._piece = []
        known = np.isfinite(numbers)
        count = known.sum(axis=0)
        self._low = np.minimum(self._low, np.where(known, numbers, np.inf).min(axis=0))
        self._high = np.maximum(self._high, np.where(known, numbers, -np.inf).max(axis=0))
        total = self._count + count
        mean = np.where(known, numbers, 0).sum(axis=0) / np.maximum(count, 1)
        squares = np.square(np.where(known, numbers - mean, 0)).sum(axis=0)
        step = mean - self._mean
        self._squares += squares + np.square(step) * self._count * count / np.maximum(total, 1)
        self._mean += step * count / np.maximum(total, 1)
        self._count = total


def to_numbers(rows: Sequence[Values]) -> Floats:
    """Return the values, shape (rows, columns); NaN for what is no number."""
    return np.array([[to_number(value) for value in row] for row in rows], dtype=np.float64)


def to_number(text: str) -> float:
    """Return a number, or NaN."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
