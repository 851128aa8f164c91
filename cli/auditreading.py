"""Reads a copy of a log bundle by bundle and has each entry judged, in as many processes as are wanted.

A process reads the files itself, so that what travels between processes is small; how much is judged ahead is bounded.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from cli.errors import StackError
from cli.mirrored import MirrorFolder
from provider.audit.anchors import Anchors
from provider.audit.entries import CheckedEntry, RawEntry, check_entry
from provider.receipts.errors import MalformedError
from provider.receipts.tiles import TILE_WIDTH
from provider.receipts.trust import TrustRoot

MIN_PARALLEL = 4 * TILE_WIDTH
"""Fewer entries are judged before a second process would have started."""
AHEAD = 3
"""How many bundles each process may be ahead of who takes them."""
Range = tuple[int, int]


class EntryReader:
    """Judges the entries of one copy under one trust root."""

    def __init__(self, folder: Path, trust: TrustRoot) -> None:
        self._mirror = MirrorFolder(folder)
        self._trust = trust
        self._anchors = Anchors(trust)

    def check(self, start: int, end: int) -> list[CheckedEntry]:
        """Judge the entries from index `start` to before `end`.

        Raises:
            MalformedError: the copy doesn't have these entries. A receipt that is missing is a finding.
        """
        entries = list(self._mirror.entries(start, end))
        envelopes = self._read_envelopes(start, end)
        return [
            check_entry(RawEntry(index, entry, envelope), self._trust, self._anchors)
            for index, entry, envelope in zip(range(start, end), entries, envelopes, strict=True)
        ]

    def _read_envelopes(self, start: int, end: int) -> list[bytes]:
        """Return the envelopes; nothing for each from where they can't be read."""
        found: list[bytes] = []
        with suppress(MalformedError):
            found.extend(envelope for _, envelope in self._mirror.receipts(start, end))
        return found + [b""] * (end - start - len(found))


def read_entries(
    folder: Path, trust: TrustRoot, start: int, end: int, *, processes: int
) -> Iterator[list[CheckedEntry]]:
    """Yield the entries from `start` to before `end`, judged, in their order.

    Raises:
        MalformedError: the copy doesn't have these entries.
        StackError: a process was killed.
    """
    bundles = _split(start, end)
    if processes < 2 or end - start < MIN_PARALLEL:  # noqa: PLR2004 - more than this one
        reader = EntryReader(folder, trust)
        yield from (reader.check(*bundle) for bundle in bundles)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start, (folder, trust)) as pool:
        waiting = deque(_submit(pool, bundle) for bundle in islice(bundles, processes * AHEAD))
        while waiting:
            yield _result_of(waiting.popleft())
            waiting.extend(_submit(pool, bundle) for bundle in islice(bundles, 1))


def _split(start: int, end: int) -> Iterator[Range]:
    while start < end:
        stop = min(end, (start // TILE_WIDTH + 1) * TILE_WIDTH)
        yield start, stop
        start = stop


def _submit(pool: ProcessPoolExecutor, bundle: Range) -> Future[list[CheckedEntry]]:
    with _alive():
        return pool.submit(_check, bundle)


def _result_of(judged: Future[list[CheckedEntry]]) -> list[CheckedEntry]:
    with _alive():
        return judged.result()


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as exc:
        raise StackError(
            "a process that judges receipts was killed", remedy="run it again, with fewer --jobs: it goes on"
        ) from exc


_reader: list[EntryReader] = []
"""The one reader of a process that judges entries for another."""


def _start(folder: Path, trust: TrustRoot) -> None:
    _reader[:] = [EntryReader(folder, trust)]


def _check(bundle: Range) -> list[CheckedEntry]:
    return _reader[0].check(*bundle)
