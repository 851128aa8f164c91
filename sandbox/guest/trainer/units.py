"""Which rows belong to one privacy unit, how many of them are used, and who is held out.

Each unit is treated for itself: what is chosen for one says nothing of another, and adding one changes no other's rows.
"""

from __future__ import annotations

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
    """`rows` has the row numbers of each unit, as many as the largest has; where `present` is 0, its first row stands again.

    Not another unit's row: a value in it that can't be computed with would disturb this one.
    """

    rows: torch.Tensor
    present: torch.Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, units: Integers) -> Units:
        """Return these units."""
        index = torch.from_numpy(units)
        return Units(self.rows.index_select(0, index), self.present.index_select(0, index))


def gather_units(table: pd.DataFrame, unit: Literal["row"] | dict[str, Any], stream: Keystream) -> Units:
    """Return the units of a table; of one with more than `max_rows` rows, as many are chosen at random for the whole run.

    Rows without a value in the unit's column are one unit together.
    """
    if unit == "row":
        rows = torch.arange(len(table)).reshape(-1, 1)
        return Units(rows, torch.ones_like(rows, dtype=torch.float32))
    owner = pd.factorize(read_words(table[unit["column"]]))[0].astype(np.int64)
    return _spread(owner, int(unit["max_rows"]), np.frombuffer(stream.draw(8 * len(owner)), dtype=np.uint64))


def split_units(units: Units, hold_out: str, stream: Keystream) -> tuple[Units, Units]:
    """Return the units to train on and those held out: each of them with this probability."""
    out = Bernoulli(stream, hold_out).draw(len(units))
    return units.take(np.setdiff1d(np.arange(len(units)), out)), units.take(out)


def _spread(owner: Integers, most: int, keys: npt.NDArray[np.uint64]) -> Units:
    """Put each owner's rows in one line, in the order of their keys, up to `most`."""
    order = np.lexsort((keys, owner))
    counts = np.bincount(owner)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    place = np.arange(len(owner)) - starts
    kept = place < most
    width = min(most, int(counts.max(initial=0)))
    first = order[np.cumsum(counts) - counts]
    rows, present = np.repeat(first[:, None], width, axis=1), np.zeros((len(counts), width), np.float32)
    rows[owner[order][kept], place[kept]] = order[kept]
    present[owner[order][kept], place[kept]] = 1
    return Units(torch.from_numpy(rows), torch.from_numpy(present))
