"""Reads logs in windows of blocks that a node will answer for, oldest or newest first.

A node refuses a range for reasons of its own (too many blocks, too many results); so whatever it refuses is asked for in
halves, and windows grow again while it answers. Pure but for the call that fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from datatokens.errors import NodeRefusedError

FIRST_BLOCKS = 20_000
MAX_BLOCKS = 500_000
Fetch = Callable[[int, int], list[Any]]


class Windows:
    """Remembers how wide a range the node answers for; shared by every query to it."""

    def __init__(self) -> None:
        self._width = FIRST_BLOCKS

    def oldest_first(self, fetch: Fetch, first: int, last: int) -> Iterator[list[Any]]:
        """Yield the logs of one window after the other, from block `first` to `last` inclusive.

        Raises:
            NodeRefusedError: the node refuses even a single block.
        """
        while first <= last:
            end = min(first + self._width - 1, last)
            found = self._try(fetch, first, end)
            if found is not None:
                yield found
                first = end + 1

    def newest_first(self, fetch: Fetch, first: int, last: int) -> Iterator[list[Any]]:
        """Yield the logs of one window after the other, from block `last` back to `first`; fails as `oldest_first`."""
        while first <= last:
            start = max(last - self._width + 1, first)
            found = self._try(fetch, start, last)
            if found is not None:
                yield found
                last = start - 1

    def _try(self, fetch: Fetch, first: int, last: int) -> list[Any] | None:
        width = last - first + 1
        try:
            found = fetch(first, last)
        except NodeRefusedError:
            if width == 1:
                raise
            self._width = max(1, width // 2)
            return None
        if width == self._width:
            self._width = min(self._width * 2, MAX_BLOCKS)
        return found
