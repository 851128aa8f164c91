"""Copies a log into a folder, and believes nothing of it but what its key signed.

- The checkpoint is signed by a key of the log, and continues the one of the earlier copy; else both are kept as evidence.
- Every tile is proven by the checkpoint's root before it is written, every entry by its tile, every receipt by its entry.
- A tile of leaf hashes is written after what belongs to it, and the checkpoint last. So a run that was stopped goes on where it
  was, and a copy that was good is never made worse.

Not checked here: the receipts' own signatures, which the log doesn't bind, and what they say. `audit` does that.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from cli.errors import MismatchError, RefusedError, SplitViewError
from cli.mirrored import CHECKPOINT, MirrorFolder, receipts_name, tile_name
from cli.remotelog import RemoteLog
from provider.receipts.envelope import parse_envelope
from provider.receipts.errors import MalformedError, ProofInvalidError, Verdict, VerificationError
from provider.receipts.log import entry_bytes
from provider.receipts.note import CHECKPOINT_STEP, Checkpoint, parse_note, verify_checkpoint
from provider.receipts.proventiles import ProvenTiles
from provider.receipts.splitview import compare_checkpoints
from provider.receipts.tiles import TILE_WIDTH, Tile, format_entries, list_tiles
from provider.receipts.tree import EMPTY_ROOT, leaf_hash

AT_ONCE = 8
CONFLICTS = "conflict"
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The name of a log, and the Ed25519 keys that were ever published for it."""

    origin: str
    ed25519: tuple[bytes, ...]

    def verify(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note that one of the keys signed.

        Raises:
            VerificationError, MalformedError: none did, or it is no signed checkpoint of this log.
        """
        refusal = VerificationError(
            Verdict.UNKNOWN_KEY, CHECKPOINT_STEP, f"no key is published for {self.origin}"
        )
        for key in self.ed25519:
            try:
                return verify_checkpoint(note, self.origin, key)
            except VerificationError as exc:
                if exc.verdict is not Verdict.UNKNOWN_KEY:
                    raise
                refusal = exc
        raise refusal


@dataclass(frozen=True, slots=True)
class Copied:
    """What a folder now is a copy of, and how many receipts it had before."""

    checkpoint: Checkpoint
    before: int


@dataclass(frozen=True, slots=True)
class _Signed:
    """A verified checkpoint with the note that it stands in."""

    checkpoint: Checkpoint
    note: str

    @property
    def size(self) -> int:
        return self.checkpoint.size

    @property
    def cosigned(self) -> int:
        """How many signatures there are, those of witnesses among them."""
        return len(parse_note(self.note).signatures) if self.note else 0


_NONE = _Signed(Checkpoint("", 0, EMPTY_ROOT), "")


def copy_log(source: RemoteLog, note: str, folder: Path, keys: LogKeys, *, tell: Tell) -> Copied:
    """Bring a folder to the checkpoint in `note`; `tell` hears how many of how many new receipts are there.

    Raises:
        VerificationError, MalformedError, ProofInvalidError: what the log answers isn't what its key signed.
        SplitViewError: the log shows two histories; the evidence is beside the copy.
        MismatchError: it shows less than it signed before, or the folder is no copy of this log.
        UnreachableError: the log doesn't answer. The same call goes on later.
        RefusedError: another command copies into this folder.
    """
    new = _Signed(keys.verify(note), note)
    with _held(folder):
        old = _read_copy(MirrorFolder(folder), keys)
        if old.size:
            _check_history(source, MirrorFolder(folder), old, new, keys)
        if new.size > old.size or not old.note:
            _Copying(source, folder, new.checkpoint).run(old.size, tell)
        if new.size > old.size or new.cosigned >= old.cosigned:
            _write(folder / CHECKPOINT, note.encode())
        for tile in list_tiles(old.size, new.size):
            _drop_narrower(folder, tile)
    return Copied(new.checkpoint, old.size)


def _read_copy(copy: MirrorFolder, keys: LogKeys) -> _Signed:
    if not (copy.path / CHECKPOINT).exists():
        return _NONE
    try:
        note = copy.checkpoint()
        return _Signed(keys.verify(note), note)
    except (VerificationError, MalformedError) as exc:
        raise MismatchError(
            f"the folder is no copy of {keys.origin}: {exc}",
            code="other-log",
            remedy="copy into another folder",
        ) from exc


def _check_history(source: RemoteLog, copy: MirrorFolder, old: _Signed, new: _Signed, keys: LogKeys) -> None:
    """Refuse a log that doesn't continue the copy, with the evidence where two signed checkpoints exclude one another."""
    reader, larger = (source, new) if new.size > old.size else (copy, old)
    tiles = ProvenTiles(reader, larger.size, larger.checkpoint.root)
    evidence = compare_checkpoints(old.note, new.note, keys.origin, keys.ed25519, tiles)
    if evidence is not None:
        path = copy.path / CONFLICTS / f"{hashlib.sha256(evidence).hexdigest()}.json"
        _write(path, evidence)
        raise SplitViewError(keys.origin, (old.size, new.size), str(path))
    if new.size < old.size:
        raise MismatchError(
            f"the log answers with {new.size} receipts, and has already signed {old.size}",
            code="log-behind",
            remedy="ask again later: a cache may be old. The copy is as it was",
        )


class _Copying:
    """One run that brings a folder to one checkpoint."""

    def __init__(self, source: RemoteLog, folder: Path, checkpoint: Checkpoint) -> None:
        self._source = source
        self._folder = folder
        self._size = checkpoint.size
        self._tiles = ProvenTiles(source, checkpoint.size, checkpoint.root)

    def run(self, before: int, tell: Tell) -> None:
        """Copy all that the folder doesn't have yet, but for the checkpoint."""
        leaves = (tile for tile in list_tiles(before, self._size) if tile.level == 0)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for tile in _in_order(pool, self._copy_bundle, leaves):
                tell(tile.index * TILE_WIDTH + tile.width - before, self._size - before)
        for tile in list_tiles(before, self._size):
            if tile.level:
                _write(self._folder / tile_name(tile), self._tiles.read_tile(tile))

    def _copy_bundle(self, tile: Tile) -> Tile:
        """Copy a tile of leaf hashes with its entries and receipts, unless it is there: then they are too."""
        path, hashes = self._folder / tile_name(tile), self._tiles.read_tile(tile)
        if not _holds(path, hashes):
            bundle = replace(tile, level=None)
            entries = self._source.entries(bundle)
            if b"".join(leaf_hash(entry) for entry in entries) != hashes:
                raise ProofInvalidError(f"{tile_name(bundle)} are not the entries of the log")
            self._copy_receipts(bundle, entries)
            _write(self._folder / tile_name(bundle), format_entries(entries))
            _write(path, hashes)
        return tile

    def _copy_receipts(self, bundle: Tile, entries: Iterable[bytes]) -> None:
        name = receipts_name(bundle)
        with _replaced(self._folder / name) as file:
            for entry, line in zip_longest(entries, self._source.receipts(bundle)):
                if entry is None or line is None:
                    raise MalformedError("receipts", f"{name} doesn't hold {bundle.width} receipts")
                if entry_bytes(parse_envelope(line).pae) != entry:
                    raise ProofInvalidError(f"a receipt in {name} is not the one that the log has there")
                file.write(line + b"\n")


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Tile], Tile], tiles: Iterable[Tile]
) -> Iterator[Tile]:
    """Yield what is done, in order, with at most `AT_ONCE` begun."""
    begun: deque[Future[Tile]] = deque()
    for tile in tiles:
        if len(begun) == AT_ONCE:
            yield begun.popleft().result()
        begun.append(pool.submit(work, tile))
    while begun:
        yield begun.popleft().result()


def _drop_narrower(folder: Path, tile: Tile) -> None:
    """Remove the parts of a tile that a fuller one has taken the place of."""
    for name in (tile_name, receipts_name) if tile.level is None else (tile_name,):
        parts = folder / f"{name(replace(tile, width=TILE_WIDTH))}.p"
        for path in parts.iterdir() if parts.is_dir() else ():
            if path != folder / name(tile):
                path.unlink()
        if tile.width == TILE_WIDTH and parts.is_dir():
            parts.rmdir()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Be the only one who copies into a folder, which is made when there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RefusedError("another command copies into this folder", code="mirror-busy") from None


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Write a file whole or not at all, for everybody to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with _replaced(path) as file:
        file.write(data)


def _holds(path: Path, data: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(data) + 1) == data
