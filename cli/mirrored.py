"""A copy of a log in a folder: the layout of C2SP tlog-tiles with the receipts beside it, as any static web server can serve it.

    checkpoint                   the signed checkpoint up to whose size the copy is complete
    tile/<L>/<N>[.p/<W>]         hashes of a level, 32 bytes each
    tile/entries/<N>[.p/<W>]     entries
    receipts/<N>[.p/<W>]         the receipts of those entries: an envelope in a line each, in their order
    conflict/<digest>.json       evidence that the log showed two histories, where it did

What ends in `.p/<W>` has W of the 256 that a whole one has. Nothing in a folder is believed here: whoever reads verifies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from provider.receipts.envelope import MAX_ENVELOPE_BYTES
from provider.receipts.errors import MalformedError
from provider.receipts.log import ENTRY_BYTES
from provider.receipts.note import MAX_NOTE_BYTES
from provider.receipts.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from provider.receipts.tree import HASH_BYTES

CHECKPOINT = "checkpoint"
TILES = "tile"
RECEIPTS = "receipts"
MAX_ENTRY_BUNDLE_BYTES = TILE_WIDTH * (ENTRY_BYTES + 2)
_NAME = "mirror"


class MirrorFolder:
    """A copy of a log, read in flat memory; it also is a `TileReader`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def checkpoint(self) -> str:
        """Return the signed checkpoint, unverified.

        Raises:
            MalformedError: there is none, or it is no text of its size.
        """
        with self._open(self.path / CHECKPOINT) as file:
            data = file.read(MAX_NOTE_BYTES + 1)
        try:
            return data.decode()
        except UnicodeDecodeError as exc:
            raise MalformedError(_NAME, f"{CHECKPOINT} is not UTF-8 text") from exc

    def read_tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile, also out of one that is wider.

        Raises:
            MalformedError: the folder doesn't have it.
        """
        found = self._find(tile)
        with self._open(self.path / tile_name(found)) as file:
            data = file.read(TILE_WIDTH * HASH_BYTES + 1)
        if len(data) != found.width * HASH_BYTES:
            raise MalformedError(_NAME, f"{tile_name(found)} doesn't hold {found.width} hashes")
        return data[: tile.width * HASH_BYTES]

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the entries from index `start` to before `end`, 52 bytes each.

        Raises:
            MalformedError: the folder doesn't have them all.
        """
        for bundle, first in _list_bundles(start, end):
            found = self._find(bundle)
            with self._open(self.path / tile_name(found)) as file:
                data = file.read(MAX_ENTRY_BUNDLE_BYTES + 1)
            yield from parse_entries(data, found.width)[first : bundle.width]

    def receipts(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield index and envelope (JSON, without the line's end) of the receipts from index `start` to before `end`.

        Raises:
            MalformedError: the folder doesn't have them all.
        """
        for bundle, first in _list_bundles(start, end):
            found = self._find(bundle, receipts=True)
            with self._open(self.path / receipts_name(found)) as file:
                for position in range(bundle.width):
                    line = _read_line(file)
                    if position >= first:
                        yield bundle.index * TILE_WIDTH + position, line
                if bundle.width == found.width and file.read(1):
                    raise MalformedError(_NAME, f"{receipts_name(found)} holds more than {found.width} lines")

    def _find(self, tile: Tile, *, receipts: bool = False) -> Tile:
        """Return the tile itself, else one that holds it."""
        name = receipts_name if receipts else tile_name
        widths = (tile.width, TILE_WIDTH, *range(tile.width + 1, TILE_WIDTH))
        for wider in (replace(tile, width=width) for width in widths):
            if (self.path / name(wider)).is_file():
                return wider
        raise MalformedError(_NAME, f"{name(tile)} is missing")

    def _open(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as exc:
            name = path.relative_to(self.path)
            raise MalformedError(_NAME, f"{name} can't be read: {exc.strerror}") from exc


def tile_name(tile: Tile) -> str:
    """Return where a tile, or a bundle of entries, stands below the log's prefix."""
    return f"{TILES}/{tile.path}"


def receipts_name(bundle: Tile) -> str:
    """Return where the receipts of a bundle of entries stand below the log's prefix."""
    return f"{RECEIPTS}/{bundle.path.removeprefix(f'{ENTRIES}/')}"


def _list_bundles(start: int, end: int) -> Iterator[tuple[Tile, int]]:
    """Yield the bundles that have the entries from `start` to before `end`, each with the place of the first one wanted."""
    for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        begin = index * TILE_WIDTH
        yield Tile(None, index, min(TILE_WIDTH, end - begin)), max(0, start - begin)


def _read_line(file: BinaryIO) -> bytes:
    line = file.readline(MAX_ENVELOPE_BYTES + 2)
    if not line.endswith(b"\n"):
        raise MalformedError(
            _NAME, f"{RECEIPTS}: expected an envelope of at most {MAX_ENVELOPE_BYTES} bytes in a line"
        )
    return line[:-1]
