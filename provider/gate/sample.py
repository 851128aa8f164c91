"""Draws the rows that a release is tested with: of members and of those held back, one for each unit, in a secret order.

What is drawn, and in which order, comes from a cryptographic generator: an algorithm that knew which members it is asked
about could forget those. Rows to look for in what leaves are drawn in blocks of neighbours, so that a column, whose values
stand below each other, is seen as well.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Generic, TypeVar

from provider.gate.errors import NotApplicableError
from provider.gate.holdback import Division, Side, check_same_columns
from provider.gate.moments import Moments, MomentsOfRows
from provider.gate.tables import Table, Values, read_rows

Item = TypeVar("Item")
MAX_SCORED = 2000
"""Rows of each side that are scored at most."""
MAX_SCANNED = 20_000
"""Rows of members that are looked for in what leaves, at most."""
MAX_SCANNED_CHARS = 2**21
"""Characters that those rows have together, at most, but for a single row that has more."""
MIN_CHARS = 4
"""What a value counts as at least: it takes as much work, however short."""
BLOCK_ROWS = 32
"""Of neighbours among the members, which is how an algorithm sees them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows with all their columns: `scored` in a random order, `member` says on which side each is.

    `scanned` are members in the order of the data, and `moments` are of all of them, for each column; `members` and
    `held_back` say how many units there are in all.
    """

    columns: Values
    scored: tuple[Values, ...]
    member: tuple[bool, ...]
    scanned: tuple[Values, ...]
    moments: tuple[Moments, ...]
    members: int
    held_back: int

    def column(self, name: str) -> Values:
        """Return the values of a column among the rows to score.

        Raises:
            NotApplicableError: there is no such column.
        """
        if name not in self.columns:
            raise NotApplicableError("the table has no column of the target's name")
        place = self.columns.index(name)
        return [row[place] for row in self.scored]

    def table_without(self, names: Sequence[str]) -> bytes:
        """Return the rows to score as CSV with a header, without these columns."""
        kept = [place for place, name in enumerate(self.columns) if name not in names]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([self.columns[place] for place in kept])
        writer.writerows([row[place] for place in kept] for row in self.scored)
        return text.getvalue().encode()


class _Reservoir(Generic[Item]):
    """So many items at most of all that are shown, each with the same chance (Vitter 1985, algorithm R)."""

    def __init__(self, size: int, random: SystemRandom) -> None:
        self._size = size
        self._random = random
        self._kept: list[tuple[int, Item]] = []
        self.shown = 0

    def show(self, item: Item) -> None:
        place = self._random.randrange(self.shown + 1) if self.shown >= self._size else self.shown
        if place < len(self._kept):
            self._kept[place] = (self.shown, item)
        elif place < self._size:
            self._kept.append((self.shown, item))
        self.shown += 1

    @property
    def in_order(self) -> list[Item]:
        """What was kept, in the order in which it was shown."""
        return [item for _, item in sorted(self._kept, key=lambda kept: kept[0])]


class _Blocks:
    """Blocks of neighbours among the rows that are shown: so many rows and characters at most."""

    def __init__(self, rows: int, characters: int, random: SystemRandom) -> None:
        self._blocks = _Reservoir[list[Values]](rows // BLOCK_ROWS, random)
        self._characters = characters
        self._random = random
        self._last: list[Values] = []

    def show(self, values: Values) -> None:
        if not self._last or len(self._last) == BLOCK_ROWS:
            self._last = []
            self._blocks.show(self._last)
        self._last.append(values)

    @property
    def in_order(self) -> list[Values]:
        """The rows in the order in which they were shown; where they have too many characters, those of some blocks."""
        blocks = self._blocks.in_order
        places = list(range(len(blocks)))
        self._random.shuffle(places)
        found: dict[int, list[Values]] = {}
        room = self._characters
        for place in places:
            found[place], room = _cut(blocks[place], room)
            if room <= 0:
                break
        return [values for place in sorted(found) for values in found[place]]


def draw_sample(tables: Sequence[Table], division: Division, random: SystemRandom) -> Sample:
    """Read all tables once and draw.

    Raises:
        DatasetError: `dataset-unreadable`: a table can't be read, or they differ in columns.
    """
    columns = check_same_columns(tables)
    members, held = _Reservoir[Values](MAX_SCORED, random), _Reservoir[Values](MAX_SCORED, random)
    scanned = _Blocks(MAX_SCANNED, MAX_SCANNED_CHARS, random)
    moments = MomentsOfRows(len(columns))
    for values, side, is_first in _place_all(tables, division):
        if side is Side.MEMBER:
            scanned.show(values)
            moments.show(values)
        if is_first and side is not Side.UNUSED:
            (members if side is Side.MEMBER else held).show(values)
    drawn = [(values, True) for values in members.in_order] + [(values, False) for values in held.in_order]
    random.shuffle(drawn)
    return Sample(
        columns=columns,
        scored=tuple(values for values, _ in drawn),
        member=tuple(member for _, member in drawn),
        scanned=tuple(scanned.in_order),
        moments=moments.of_columns,
        members=members.shown,
        held_back=held.shown,
    )


def _cut(block: list[Values], room: int) -> tuple[list[Values], int]:
    """Return the first rows of a block, up to the one that fills the room, and what room they leave."""
    for count, values in enumerate(block, start=1):
        room -= sum(max(len(value), MIN_CHARS) + 1 for value in values)
        if room <= 0:
            return block[:count], room
    return block, room


def _place_all(tables: Sequence[Table], division: Division) -> Iterator[tuple[Values, Side, bool]]:
    for table in tables:
        division.begin(table)
        for number, values in enumerate(read_rows(table)):
            side = division.place(number, values)
            yield values, side, division.is_first(number, values)
