"""Which rows belong to one privacy unit, how many of them are used, and who is held out.

Each unit is treated for itself: what is chosen for one says nothing of another, and adding one changes no other's rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from sandbox.guest.trainer.encoding import read_words
from sandbox.guest.trainer.noise import Bernoulli, Keystream

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """Which rows each unit has: `counts` of them, in `rows` from `starts` on. One tensor of `rows` is shared by all choices."""

    rows: torch.Tensor
    starts: torch.Tensor
    counts: torch.Tensor

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, units: Integers) -> Units:
        """Return these units."""
        index = torch.from_numpy(units)
        return Units(self.rows, self.starts.index_select(0, index), self.counts.index_select(0, index))

    def used(self) -> torch.Tensor:
        """Return the row numbers of all units, one unit after the other."""
        before = self.counts.cumsum(0) - self.counts
        place = torch.arange(int(self.counts.sum()))
        return self.rows[place + torch.repeat_interleave(self.starts - before, self.counts)]

    def blocks(self) -> Iterator[Block]:
        """Yield the units by size: a unit is in a block whose width, a power of two, is less than twice its rows.

        So what is computed of a unit is as wide as its own rows ask for, whatever the others have.
        """
        if len(self) and torch.equal(self.counts, torch.ones_like(self.counts)):  # the usual case, quickly
            yield Block(self.rows.index_select(0, self.starts)[:, None], torch.ones(len(self), 1))
            return
        widths = 2 ** torch.ceil(torch.log2(self.counts)).long()
        for width in torch.unique(widths).tolist():
            chosen = torch.nonzero(widths == width).reshape(-1)
            yield self._block(self.starts[chosen], self.counts[chosen], width)

    def _block(self, starts: torch.Tensor, counts: torch.Tensor, width: int) -> Block:
        place = torch.arange(width)
        present = place < counts[:, None]
        return Block(self.rows[starts[:, None] + place * present], present.float())


@dataclass(frozen=True)
class Block:
    """Units of like size: `rows` (units, width) are row numbers; where `present` is 0, the unit's first row stands again.

    Not another unit's row: a value in it that can't be computed with would disturb this one.
    """

    rows: torch.Tensor
    present: torch.Tensor

    def __len__(self) -> int:
        return len(self.rows)


def gather_units(table: pd.DataFrame, unit: Literal["row"] | dict[str, Any], stream: Keystream) -> Units:
    """Return the units of a table; of one with more than `max_rows` rows, as many are chosen at random for the whole run.

    Rows without a value in the unit's column are one unit together.
    """
    if unit == "row":
        return each_row(len(table))
    owner = pd.factorize(read_words(table[unit["column"]]))[0].astype(np.int64)
    return _group(owner, int(unit["max_rows"]), np.frombuffer(stream.draw(8 * len(owner)), dtype=np.uint64))


def each_row(count: int) -> Units:
    """Return `count` rows, each a unit of its own."""
    rows = torch.arange(count)
    return Units(rows, rows, torch.ones_like(rows))


def split_units(units: Units, hold_out: str, stream: Keystream) -> tuple[Units, Units]:
    """Return the units to train on and those held out: each of them with this probability."""
    out = Bernoulli(stream, hold_out).draw(len(units))
    return units.take(np.setdiff1d(np.arange(len(units)), out)), units.take(out)


def _group(owner: Integers, most: int, keys: npt.NDArray[np.uint64]) -> Units:
    """Put each owner's rows in the order of their keys; those after `most` are not used."""
    counts = np.bincount(owner)
    starts = np.cumsum(counts) - counts
    rows, used = np.lexsort((keys, owner)), np.minimum(counts, most)
    return Units(torch.from_numpy(rows), torch.from_numpy(starts), torch.from_numpy(used))
