"""The log in tiles (C2SP tlog-tiles): which tiles a tree has, what stands in them, and roots and proofs read from them.

Pure: a reader hands over the bytes of a tile. Nothing here believes a tile; whoever verifies checks roots and proofs with
`tree`. Work and memory for a proof grow with the depth of the tree, not with its size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from provider.receipts.errors import MalformedError, ProofInvalidError
from provider.receipts.log import ENTRY_BYTES
from provider.receipts.tree import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE, node_hash, root_of

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_TILE_LEVEL = 6
ENTRIES = "entries"
_LENGTH_BYTES = 2
_PATH = re.compile(
    r"(entries|[0-6])/((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
)
_NAME = "tile"


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: `width` hashes of `level` from the one numbered `index` times 256 on; level None is a bundle of as many entries."""

    level: int | None
    index: int
    width: int

    @property
    def path(self) -> str:
        """Its path below `tile/`, such as `0/x001/234` or `entries/000.p/17`."""
        groups = _grouped(self.index)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"{ENTRIES if self.level is None else self.level}/{groups}{partial}"

    def is_within(self, size: int) -> bool:
        """Tell whether a tree of `size` has all that stands in this tile."""
        hashes = size >> (TILE_HEIGHT * (self.level or 0))
        return self.index * TILE_WIDTH + self.width <= hashes


class TileReader(Protocol):
    """Where tiles come from. A tile of a level holds `width` hashes of 32 bytes, one after the other."""

    def read_tile(self, tile: Tile) -> bytes:
        """Return the bytes of a tile of hashes, 32 for each of its `width`.

        Raises:
            ReceiptError: there is no such tile, or it can't be had.
        """
        ...


def parse_tile_path(path: str) -> Tile:
    """Read a path below `tile/` (C2SP tlog-tiles, "Merkle Tree").

    Raises:
        MalformedError: not the one form that a tile's path has.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedError(_NAME, "expected a path such as 0/x001/234 or entries/000.p/17")
    level = None if match[1] == ENTRIES else int(match[1])
    index = int(match[2].replace("x", "").replace("/", "") + match[3])
    tile = Tile(level, index, int(match[4]) if match[4] else TILE_WIDTH)
    if tile.path != path or not tile.is_within(MAX_TREE_SIZE):
        raise MalformedError(_NAME, "a tile's path has no leading groups of zeros and ends where logs end")
    return tile


def list_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """Yield the tiles of hashes, and those of entries, that a tree of `new_size` has and one of `old_size` didn't."""
    for level in range(MAX_TILE_LEVEL + 1):
        before, after = (size >> (TILE_HEIGHT * level) for size in (old_size, new_size))
        if before == after:
            return
        for index in range(before // TILE_WIDTH, (after - 1) // TILE_WIDTH + 1):
            width = min(TILE_WIDTH, after - index * TILE_WIDTH)
            yield Tile(level, index, width)
            if level == 0:
                yield Tile(None, index, width)


def parse_entries(data: bytes, width: int) -> list[bytes]:
    """Read a bundle of exactly `width` entries of this log: each is 52 bytes after their number as two bytes.

    Raises:
        MalformedError: another number, or an entry that is none of a receipt.
    """
    step = _LENGTH_BYTES + ENTRY_BYTES
    if len(data) != width * step:
        raise MalformedError("entries", f"expected {width} entries of {ENTRY_BYTES} bytes")
    head = ENTRY_BYTES.to_bytes(_LENGTH_BYTES)
    if any(data[at : at + _LENGTH_BYTES] != head for at in range(0, len(data), step)):
        raise MalformedError("entries", f"expected each entry to be of {ENTRY_BYTES} bytes")
    return [data[at + _LENGTH_BYTES : at + step] for at in range(0, len(data), step)]


def format_entries(entries: Sequence[bytes]) -> bytes:
    """Write a bundle of entries (C2SP tlog-tiles, "Log Entries")."""
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES) + entry for entry in entries)


def tree_root(tiles: TileReader, size: int) -> bytes:
    """Return the root over the first `size` entries; 0 gives the root of the empty tree."""
    return prefix_root(tiles, size, size)


def prefix_root(tiles: TileReader, old: int, new: int) -> bytes:
    """Return the root over the first `old` entries, 0 included, from the tiles of the tree of `new`.

    Raises:
        ProofInvalidError: `old` is larger than `new`.
    """
    if not 0 <= old <= new <= MAX_TREE_SIZE:
        raise ProofInvalidError(f"a tree of {new} has no first {old} entries")
    return _range_root(tiles, 0, old, new) if old else EMPTY_ROOT


def prove_inclusion(tiles: TileReader, index: int, size: int) -> list[bytes]:
    """Return the path from entry `index` to the root over `size` entries (RFC 9162 §2.1.3.1), the leaf's sibling first.

    Raises:
        ProofInvalidError: the index is not in that tree.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ProofInvalidError(f"no proof for entry {index} in a tree of {size}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(tiles, middle, end, size))
            end = middle
        else:
            path.append(_range_root(tiles, start, middle, size))
            start = middle
    return path[::-1]


def prove_consistency(tiles: TileReader, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of `old` entries is a prefix of the one of `new` (RFC 9162 §2.1.4.1).

    Raises:
        ProofInvalidError: `old` is 0 or larger than `new`.
    """
    if not 0 < old <= new <= MAX_TREE_SIZE:
        raise ProofInvalidError(f"no proof from size {old} to {new}")
    path, start, end = [], 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(tiles, middle, end, new))
            end = middle
        else:
            path.append(_range_root(tiles, start, middle, new))
            start = middle
    if start:
        path.append(_range_root(tiles, start, end, new))
    return path[::-1]


def _range_root(tiles: TileReader, start: int, end: int, size: int) -> bytes:
    """Return the root over entries from `start`, where a complete subtree of at least that size could begin, to `end`."""
    parts = []
    while start < end:
        height = (end - start).bit_length() - 1
        parts.append(_subtree_root(tiles, height, start >> height, size))
        start += 1 << height
    root = parts.pop()
    while parts:
        root = node_hash(parts.pop(), root)
    return root


def _subtree_root(tiles: TileReader, height: int, position: int, size: int) -> bytes:
    """Return the root of the complete subtree of 2^height entries at `position`, from the hashes of the level below it."""
    level, rest = divmod(height, TILE_HEIGHT)
    index, first = divmod(position << rest, TILE_WIDTH)
    width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
    data = tiles.read_tile(Tile(level, index, width))
    if len(data) != width * HASH_BYTES:
        raise MalformedError(_NAME, f"expected {width} hashes, got {len(data)} bytes")
    return root_of(
        [data[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(first, first + (1 << rest))]
    )


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count` (RFC 9162 §2.1.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def _grouped(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
