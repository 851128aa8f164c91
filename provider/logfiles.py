"""The log of receipts on disk: append-only files of 32-byte records, of which every tile is a slice.

    digests       the SHA-256 of each receipt's PAE, in order: all else is made from it
    hashes-0      the leaf hash of each entry
    hashes-<L>    the roots of the whole tiles of the level below
    derived       of how many entries the hashes are on the disk for certain

- An append is done when `digests` is on the disk: one fsync, however many receipts. Hashes follow, and are made anew where a
  crash may have taken them, of at most `DERIVED_STEP` receipts and a batch.
- A record never straddles two sectors, and what a file system had not written reads as zeros. So an append that a crash cut
  short is seen, and cut off.
- One process writes. Others read meanwhile, up to a size that was appended before.

Not checked here: that these are the receipts that the database has. The notary does that.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from provider.errors import ProviderError
from provider.receipts.errors import MalformedError
from provider.receipts.log import entry_of_digest
from provider.receipts.tiles import MAX_TILE_LEVEL, TILE_HEIGHT, TILE_WIDTH, Tile, format_entries
from provider.receipts.tree import HASH_BYTES, leaf_hash, root_of, split_hashes

DIGESTS = "digests"
HASHES = "hashes-{}"
DERIVED = "derived"
DERIVED_STEP = 1 << 16
_UNWRITTEN = bytes(HASH_BYTES)
_COUNT = re.compile(rb"([0-9]{20})\n")


class LogBusyError(ProviderError):
    """Another process writes the files of this log."""

    code = "log-busy"
    default = "another process writes the log's files"


class LogFiles:
    """The log's files as anybody reads them; a `TileReader`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile, 32 bytes each.

        Raises:
            MalformedError: the files don't reach that far.
        """
        return self._read(HASHES.format(tile.level), tile)

    def read_entries(self, bundle: Tile) -> bytes:
        """Return a bundle of entries as C2SP tlog-tiles writes them.

        Raises:
            MalformedError: the files don't reach that far.
        """
        return format_entries(
            [entry_of_digest(digest) for digest in split_hashes(self._read(DIGESTS, bundle))]
        )

    def _read(self, name: str, tile: Tile) -> bytes:
        try:
            with (self._folder / name).open("rb", buffering=0) as file:
                file.seek(tile.index * TILE_WIDTH * HASH_BYTES)
                data = file.read(tile.width * HASH_BYTES)
        except FileNotFoundError as exc:
            raise MalformedError("log files", f"there is no {name}") from exc
        if len(data) != tile.width * HASH_BYTES:
            raise MalformedError("log files", f"{name} ends before {tile.path}")
        return data


class LogWriter(LogFiles):
    """The log's files as their one writer has them; opening cuts what a crash left half done, and completes the rest."""

    def __init__(self, folder: Path) -> None:
        """Open the files, or make them.

        Raises:
            LogBusyError: another process writes them.
        """
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with ExitStack() as files:
            self._files = files
            self._digests = self._open(DIGESTS)
            self._digests.lock()
            if not self._digests.count:
                _sync_folder(folder)
            self._levels: dict[int, _Records] = {}
            self._derived = _read_count(folder / DERIVED)
            self._recover()
            self._files = files.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Put all hashes on the disk, and let another writer in."""
        with self._files:
            if self._derived != self.size:
                self._record_derived()

    @property
    def size(self) -> int:
        """How many receipts were appended."""
        return self._digests.count

    def append(self, digests: Sequence[bytes]) -> None:
        """Append the digests of receipts; on return they are on the disk, all of them.

        Raises:
            OSError: the disk is full or broken. None of them was appended, and it can be tried again.
        """
        if any(len(digest) != HASH_BYTES or digest == _UNWRITTEN for digest in digests):
            raise ValueError("expected SHA-256 digests")
        before = self.size
        try:
            self._digests.write(b"".join(digests))
            self._digests.sync()
            self._derive()
        except OSError:
            self._digests.cut(before)
            self._cut_levels(before)
            raise

    def read_digests(self, start: int, end: int) -> list[bytes]:
        """Return the digests from index `start` to before `end`, or to the last."""
        return split_hashes(self._digests.read(start, min(end, self.size)))

    def _recover(self) -> None:
        """Bring all files to the last receipt that is whole; hashes that a crash may have taken are made anew."""
        self._digests.cut(self._count_whole())
        certain = self._count_certain()
        if certain < self._derived:
            self._tell_derived(certain)
        self._cut_levels(certain)
        self._derive()

    def _count_whole(self) -> int:
        """Return how many digests stand before the first that never came to the disk."""
        for start in range(min(self._derived, self.size), self.size, DERIVED_STEP):
            digests = self.read_digests(start, start + DERIVED_STEP)
            if _UNWRITTEN in digests:
                return start + digests.index(_UNWRITTEN)
        return self.size

    def _count_certain(self) -> int:
        """Return of how many entries all hashes are there and on the disk: fewer than was recorded when a file was lost."""
        certain = min(self._derived, self.size)
        for level in range(MAX_TILE_LEVEL + 1):
            wanted = certain >> (TILE_HEIGHT * level)
            if wanted and self._level(level).count < wanted:
                certain = self._level(level).count << (TILE_HEIGHT * level)
        return certain

    def _derive(self) -> None:
        """Make the hashes that are missing, from the digests and from level to level."""
        leaves = self._level(0)
        for start in range(leaves.count, self.size, DERIVED_STEP):
            digests = self.read_digests(start, start + DERIVED_STEP)
            leaves.write(b"".join(leaf_hash(entry_of_digest(digest)) for digest in digests))
        level = 1
        while self.size >> (TILE_HEIGHT * level):
            self._derive_level(level)
            level += 1
        if self.size >= self._derived + DERIVED_STEP:
            self._record_derived()

    def _derive_level(self, level: int) -> None:
        below, records = self._level(level - 1), self._level(level)
        for index in range(records.count, below.count // TILE_WIDTH):
            records.write(root_of(split_hashes(below.read(index * TILE_WIDTH, (index + 1) * TILE_WIDTH))))

    def _cut_levels(self, size: int) -> None:
        """Leave no hash that is not one of the first `size` entries."""
        for level in range(MAX_TILE_LEVEL + 1):
            if (self._folder / HASHES.format(level)).exists():
                self._level(level).cut(size >> (TILE_HEIGHT * level))

    def _record_derived(self) -> None:
        """Put all hashes on the disk, and then how many entries they are of."""
        for records in self._levels.values():
            records.sync()
        self._tell_derived(self.size)

    def _tell_derived(self, count: int) -> None:
        _write_count(self._folder / DERIVED, count)
        self._derived = count

    def _level(self, level: int) -> _Records:
        if level not in self._levels:
            self._levels[level] = self._open(HASHES.format(level))
        return self._levels[level]

    def _open(self, name: str) -> _Records:
        records = _Records(self._folder / name)
        self._files.callback(records.close)
        return records


class _Records:
    """A file of whole records. Each write begins where the last one that succeeded ended."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.count = os.fstat(self._file).st_size // HASH_BYTES

    def lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LogBusyError from None

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._file, (end - start) * HASH_BYTES, start * HASH_BYTES)

    def write(self, data: bytes) -> None:
        _write_at(self._file, data, self.count * HASH_BYTES)
        self.count += len(data) // HASH_BYTES

    def cut(self, count: int) -> None:
        self.count = min(self.count, count)
        os.ftruncate(self._file, self.count * HASH_BYTES)

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def _write_at(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _sync_folder(folder: Path) -> None:
    """Put the names of the files in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_count(path: Path) -> int:
    """Return the number in a file, and 0 where there is none: then nothing is certain."""
    try:
        found = _COUNT.fullmatch(path.read_bytes())
    except FileNotFoundError:
        return 0
    return int(found[1]) if found else 0


def _write_count(path: Path, count: int) -> None:
    """Write a number over the last one, in one sector."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _write_at(file, b"%020d\n" % count, 0)
        os.fsync(file)
    finally:
        os.close(file)
