"""Keeps the log's files to what the database has, and makes roots and proofs from them.

- The database is the authority for receipts, and the files are what is signed: a root is given only where both agree.
- Files that are lost or shorter are made from the database. Files that say something else, or more, are left as they are.
- Whatever is signed continues what was signed: the newest checkpoint must be the root over the receipts of its size.

Not compared: the digests below that checkpoint, one by one. Its root stands for those in the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provider.errors import ProviderError
from provider.logfiles import LogWriter
from provider.receipts.tiles import prove_inclusion, tree_root
from provider.store.ledger import LedgerStore

AT_ONCE = 4096


class LogDisagreesError(ProviderError):
    """The database, the log's files and the newest signed checkpoint are not of the same receipts: nothing is signed."""

    code = "log-disagrees"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"the log's files and the database disagree: {problem}",
            remedy="restore the newest database; the folder `log` can be moved away, and is made anew from the database",
        )


class LogKeeper:
    """The files of the log that one ledger has."""

    def __init__(self, ledger: LedgerStore, folder: Path) -> None:
        self._ledger = ledger
        self._folder = folder

    def update(self, size: int = 0) -> bytes:
        """Bring the files to `size` receipts, or to those of the newest checkpoint, and return the root over `size`.

        Raises:
            LogDisagreesError: files, database and the newest checkpoint are not of the same receipts.
            LogBusyError: another process writes the files.
        """
        with self._open(size) as log:
            return tree_root(log, size)

    def prove(self, indices: Sequence[int], size: int) -> dict[int, list[bytes]]:
        """Return the inclusion proof of each of these entries in the tree of `size`; fails as `update` does."""
        with self._open(size) as log:
            return {index: prove_inclusion(log, index, size) for index in indices}

    @contextmanager
    def _open(self, size: int) -> Iterator[LogWriter]:
        newest = self._ledger.find_newest_checkpoint()
        signed = newest.size if newest else 0
        with LogWriter(self._folder) as log:
            self._check_unsigned(log, signed)
            for start in range(log.size, max(size, signed), AT_ONCE):
                log.append(self._read_digests(start, min(start + AT_ONCE, max(size, signed))))
            if newest is not None and tree_root(log, signed) != newest.root:
                raise LogDisagreesError(f"they are not the {signed} receipts whose root was signed")
            yield log

    def _check_unsigned(self, log: LogWriter, signed: int) -> None:
        """Compare the receipts that stand in the files beyond the newest checkpoint."""
        if log.size > self._ledger.size():
            raise LogDisagreesError(f"the files have {log.size} receipts, the database {self._ledger.size()}")
        for start in range(signed, log.size, AT_ONCE):
            end = min(start + AT_ONCE, log.size)
            if log.read_digests(start, end) != self._read_digests(start, end):
                raise LogDisagreesError(f"a receipt from {start} on is another one")

    def _read_digests(self, start: int, end: int) -> list[bytes]:
        digests = self._ledger.digests(start, end)
        if len(digests) != end - start:
            raise LogDisagreesError(f"the database lacks a receipt from {start} on")
        return digests
