"""Says what differs between two JSON documents, by path. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class _Absent:
    """What stands where a document has nothing, not even null."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two documents differ; a side that has nothing there is ABSENT."""

    path: str
    first: Any
    second: Any

    def to_json(self) -> dict[str, Any]:
        """Return the difference without the side that has nothing."""
        sides = {"first": self.first, "second": self.second}
        return {"path": self.path} | {name: side for name, side in sides.items() if side is not ABSENT}


def find_differences(first: object, second: object, path: str = "") -> Iterator[Difference]:
    """Yield every place where two JSON values differ, in order of path; a list is compared place by place."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted(first.keys() | second.keys()):
            below = f"{path}.{key}" if path else key
            yield from find_differences(first.get(key, ABSENT), second.get(key, ABSENT), below)
    elif isinstance(first, list) and isinstance(second, list):
        for index in range(max(len(first), len(second))):
            left, right = (side[index] if index < len(side) else ABSENT for side in (first, second))
            yield from find_differences(left, right, f"{path}[{index}]")
    elif type(first) is not type(second) or first != second:
        yield Difference(path, first, second)
