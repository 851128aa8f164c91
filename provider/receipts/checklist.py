"""One line of a verification's checklist; apart from what fills it, so that an error can carry the lines done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist: `result` is passed, failed or skipped."""

    number: int
    name: str
    result: str
    detail: str
