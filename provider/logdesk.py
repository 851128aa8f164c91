"""Serves the log as C2SP tlog-tiles and the receipts beside it: what an anchored checkpoint covers, and nothing beyond."""

from __future__ import annotations

from provider.auth import Access, Guard
from provider.errors import LogIncompleteError, NotFoundError
from provider.logfiles import LogFiles
from provider.receipts.errors import MalformedError
from provider.receipts.note import parse_decimal
from provider.receipts.tiles import ENTRIES, TILE_WIDTH, Tile, parse_tile_path
from provider.store.ledger import LedgerStore
from provider.store.records import CheckpointRecord
from provider.witnessing import WitnessDesk


class LogDesk:
    """The log for everybody. Receipts hold no data and are public."""

    def __init__(self, ledger: LedgerStore, files: LogFiles, witnesses: WitnessDesk) -> None:
        self._ledger = ledger
        self._files = files
        self._witnesses = witnesses

    def get_checkpoint(self, guard: Guard) -> str:
        """Return the newest anchored checkpoint, a C2SP signed note, with the cosignatures known."""
        guard.check(Access.RECEIPT_READ)
        checkpoint = self._find_published()
        if checkpoint is None:
            raise NotFoundError("no checkpoint is anchored yet", code="not-anchored")
        return self._witnesses.note_of(checkpoint)

    def get_checkpoint_after(self, guard: Guard, size: str) -> str:
        """Return the first anchored checkpoint larger than `size`: who goes from one to the next leaves none out.

        Raises:
            MalformedError: not a size.
            NotFoundError: there is none yet.
        """
        guard.check(Access.RECEIPT_READ)
        checkpoint = self._ledger.find_checkpoint_after(parse_decimal(size, document="size"))
        if checkpoint is None or checkpoint.tx_hash is None:
            raise NotFoundError("no larger checkpoint is anchored yet", code="not-anchored")
        return self._witnesses.note_of(checkpoint)

    def get_tile(self, guard: Guard, path: str) -> bytes:
        """Return the tile of hashes, or the bundle of entries, that stands at a path such as `0/x001/234` or `entries/000.p/17`."""
        guard.check(Access.RECEIPT_READ)
        tile = self._get_published(path)
        try:
            return self._files.read_entries(tile) if tile.level is None else self._files.read_tile(tile)
        except MalformedError as exc:
            raise LogIncompleteError(remedy="try again in a while") from exc

    def get_receipts(self, guard: Guard, path: str) -> bytes:
        """Return the receipts of a bundle of entries, numbered as it is: an envelope in a line each, in their order."""
        guard.check(Access.RECEIPT_READ)
        bundle = self._get_published(f"{ENTRIES}/{path}")
        start = bundle.index * TILE_WIDTH
        envelopes = self._ledger.envelopes(start, start + bundle.width)
        return b"".join(envelope + b"\n" for envelope in envelopes)

    def _get_published(self, path: str) -> Tile:
        """Return the tile at a path, once everything in it is anchored."""
        checkpoint = self._find_published()
        try:
            tile = parse_tile_path(path)
        except MalformedError as exc:
            raise NotFoundError(str(exc)) from exc
        if checkpoint is None or not tile.is_within(checkpoint.size):
            raise NotFoundError("the anchored log doesn't reach this tile", code="not-anchored")
        return tile

    def _find_published(self) -> CheckpointRecord | None:
        return self._ledger.find_checkpoint(anchored=True)
