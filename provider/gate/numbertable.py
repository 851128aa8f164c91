"""A dataset's rows as a table of numbers, and the sequences in which somebody may have written it down.

- Numbers are what they are, and 0 where there is none; of two words, such as no and yes, the first is 0 and the second 1.
  Columns with hardly a number are left out.
- Each column stays as it is, or is scaled to 0..1, or to mean 0 and deviation 1, by the moments of all members.
- Rows stand one after the other, or all backwards, or each column by itself; also rows without the columns that a scorer
  isn't shown, without those of two values, with no others, and, where there are few columns, without any one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from provider.gate.moments import Moments, to_number
from provider.gate.tables import Values

Floats = NDArray[np.float64]
Columns = NDArray[np.uint32]
MIN_NUMERIC_PART = 0.1
FEW_COLUMNS = 12
TWO = 2
MISSING = {"", "na", "n/a", "nan", "null", "none"}


@dataclass(frozen=True, slots=True)
class NumberSequence:
    """Numbers in the order in which they may stand in a tensor, and the column that each is from."""

    values: NDArray[np.floating]
    columns: Columns


class NumberTable:
    """The columns that hold numbers: `numbers` has the shape (rows, columns). `apart` are places of columns that may be left out."""

    def __init__(self, rows: Sequence[Values], moments: Sequence[Moments], apart: Sequence[int]) -> None:
        columns = [_to_numbers(column) for column in zip(*rows, strict=True)]
        kept = [place for place, column in enumerate(columns) if _is_numeric(column)]
        numbers = [columns[place] for place in kept]
        self.numbers = np.array(numbers).T if kept else np.empty((len(rows), 0))
        self._known = np.isfinite(self.numbers)
        self.numbers[~self._known] = 0.0
        self._moments = [
            moments[place] if moments[place].count else _moments_of(columns[place]) for place in kept
        ]
        self._apart = [kept.index(place) for place in apart if place in kept]
        self._is_flag = np.array([len(np.unique(column)) <= TWO for column in self.numbers.T], dtype=np.bool_)
        self._choices = self._choose()

    def sequences(self) -> Iterator[NumberSequence]:
        """Give every sequence; the first has the rows as they are."""
        for form in self.forms():
            yield from _orders(form, self._choices)

    def plain_sequences(self) -> Iterator[NumberSequence]:
        """Give those of the columns as they are."""
        yield from _orders(self.numbers, self._choices)

    def forms(self) -> Iterator[Floats]:
        """Give the columns as they are, scaled to 0..1, and to mean 0 and deviation 1.

        Where they have gaps, these are 0 afterwards, or were filled before, with 0 or with the mean.
        """
        yield self.numbers
        low, high, mean, deviation, count, rows = (
            np.array([getattr(one, name) for one in self._moments], dtype=np.float64)
            for name in ("low", "high", "mean", "deviation", "count", "rows")
        )
        part = count / np.maximum(rows, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            yield (self.numbers - low) / _no_zero(high - low)
            yield (self.numbers - mean) / _no_zero(deviation)
            if (part < 1).any():
                least, most, center = np.minimum(low, 0), np.maximum(high, 0), mean * part
                squares = (np.square(deviation) + np.square(mean)) * part
                yield (self.numbers - least) / _no_zero(most - least)
                yield (self.numbers - center) / _no_zero(np.sqrt(np.maximum(squares - np.square(center), 0)))
                filled = np.where(self._known, self.numbers, mean)
                yield filled
                yield (filled - low) / _no_zero(high - low)
                yield (filled - mean) / _no_zero(deviation * np.sqrt(part))

    def of_few_values(self) -> list[NDArray[np.intp]]:
        """Return which columns to look at for long sequences of few values: all, and those of two values, without some of `apart`."""
        every = np.arange(self.numbers.shape[1])
        chosen = [
            np.setdiff1d(columns, out)
            for columns in (every, every[self._is_flag])
            for out in ([], *([place] for place in self._apart), self._apart)
        ]
        return [np.array(columns) for columns in dict.fromkeys(map(tuple, chosen)) if columns]

    def _choose(self) -> list[list[int]]:
        """Return which columns a row may be written down with, besides all of them."""
        every = range(self.numbers.shape[1])
        left_out = [{place} for place in self._apart] + [set(self._apart)]
        left_out += [set(np.flatnonzero(self._is_flag)), set(np.flatnonzero(~self._is_flag))]
        left_out += [{place} for place in every] if len(every) <= FEW_COLUMNS else []
        choices = {tuple(place for place in every if place not in out) for out in left_out}
        return [list(choice) for choice in sorted(choices - {(), tuple(every)})]


def _orders(table: Floats, choices: Sequence[list[int]]) -> Iterator[NumberSequence]:
    places = np.broadcast_to(np.arange(table.shape[1], dtype=np.uint32), table.shape)
    yield NumberSequence(table.ravel(), places.ravel())
    yield NumberSequence(table.ravel()[::-1], places.ravel()[::-1])
    yield NumberSequence(table.T.ravel(), places.T.ravel())
    for choice in choices:
        yield NumberSequence(table[:, choice].ravel(), places[:, choice].ravel())


def _to_numbers(column: Sequence[str]) -> Floats:
    found = np.array([to_number(value) for value in column])
    if np.isfinite(found).any():
        return found
    words = sorted({value.strip().lower() for value in column} - MISSING)
    if len(words) != TWO:
        return found
    places = {word: float(place) for place, word in enumerate(words)}
    return np.array([places.get(value.strip().lower(), np.nan) for value in column])


def _is_numeric(column: Floats) -> bool:
    return bool(np.isfinite(column).mean() >= MIN_NUMERIC_PART) if len(column) else False


def _moments_of(column: Floats) -> Moments:
    known = column[np.isfinite(column)]
    return Moments(len(column), len(known), known.min(), known.max(), known.mean(), known.std())


def _no_zero(values: Floats) -> Floats:
    return np.where(values == 0, 1.0, values)
