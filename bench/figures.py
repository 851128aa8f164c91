"""The figures of a benchmark: pairs of seconds, rows with their targets, and how both are printed and written."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROW_FORMAT = "{:24} {:>9} {:6} {:>8}  {:6} {}"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `target` is None for one that is only stated; `words` says what it is made of, for people."""

    name: str
    value: float
    unit: str
    target: float | None
    holds: bool | None
    words: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what is written of it."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name in {"name", "value", "unit", "target", "holds"}
        }


@dataclass(frozen=True, slots=True)
class Pairs:
    """Seconds of two sides that took turns: `ours[n]` and `theirs[n]` were measured one after the other, or at once."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of ours by the median of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    def row(self, name: str, target: float | None) -> Row:
        """Return the ratio as a row that has to stay at or below `target`."""
        words = f"{statistics.median(self.ours):.3f} s / {statistics.median(self.theirs):.3f} s"
        return at_most(name, self.ratio, "ratio", target, words)

    def to_json(self) -> dict[str, Any]:
        """Return every single figure."""
        sides = {"ours": self.ours, "theirs": self.theirs}
        medians = {f"{name}_median_s": round(statistics.median(side), 4) for name, side in sides.items()}
        return medians | {
            f"{name}_s": [round(seconds, 4) for seconds in side] for name, side in sides.items()
        }


def at_most(name: str, value: float, unit: str, target: float | None, words: str = "") -> Row:
    """Return a row that holds up to `target`."""
    return Row(name, round(value, 4), unit, target, None if target is None else value <= target, words)


def at_least(name: str, value: float, unit: str, target: float, words: str = "") -> Row:
    """Return a row that holds from `target` on."""
    return Row(name, round(value, 4), unit, target, value >= target, words)


def take_turns(repeats: int, ours: Callable[[int], float], theirs: Callable[[int], float]) -> Pairs:
    """Measure the two sides pair by pair, each first in every other pair."""
    first: list[float] = []
    second: list[float] = []
    for number in range(repeats):
        order = [(ours, first), (theirs, second)]
        for side, found in order if number % 2 else reversed(order):
            found.append(side(number))
    return Pairs(tuple(first), tuple(second))


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def format_rows(rows: Sequence[Row]) -> str:
    """Lay the rows out as a table."""
    lines = [ROW_FORMAT.format("name", "value", "unit", "target", "holds", "ours / theirs")]
    for row in rows:
        target = "-" if row.target is None else f"{row.target:g}"
        holds = "-" if row.holds is None else "yes" if row.holds else "NO"
        lines.append(ROW_FORMAT.format(row.name, f"{row.value:.3f}", row.unit, target, holds, row.words))
    return "\n".join(lines)


def write_rows(path: Path, conditions: dict[str, Any], rows: Sequence[Row], details: dict[str, Any]) -> None:
    """Write the results as JSON."""
    document = {"conditions": conditions, "rows": [row.to_json() for row in rows], "details": details}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
