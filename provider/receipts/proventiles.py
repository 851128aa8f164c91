"""Tiles that are proven by a root: whoever hands them over need not be believed.

The last tile of each level, where it isn't whole, makes the root; every whole tile has its hash in the level above.
Pure: keeps one tile of each level, whatever the log's length.
"""

from __future__ import annotations

from provider.receipts.errors import MalformedError, ProofInvalidError
from provider.receipts.tiles import MAX_TILE_LEVEL, TILE_HEIGHT, TILE_WIDTH, Tile, TileReader, tree_root
from provider.receipts.tree import HASH_BYTES, root_of, split_hashes


class ProvenTiles:
    """The tiles of the tree that has `size` and `root`, each as wide as it is there; a `TileReader` over another."""

    def __init__(self, tiles: TileReader, size: int, root: bytes) -> None:
        """Read the tiles at the tree's edge and check that they make its root.

        Raises:
            ProofInvalidError: they make another one.
            MalformedError: a tile is not as long as it should be.
        """
        self._tiles = tiles
        self._size = size
        self._known: dict[int, tuple[Tile, bytes]] = {}
        self._edge: dict[Tile, bytes] = {}
        for level in range(MAX_TILE_LEVEL + 1):
            tile = self._get_tile(level, size >> (TILE_HEIGHT * (level + 1)))
            if tile.width:
                self._edge[tile] = self._fetch(tile)
        if tree_root(self, size) != root:
            raise ProofInvalidError(f"the tiles lead to another root than the one of size {size}")

    def read_tile(self, tile: Tile) -> bytes:
        """Return the hashes of a tile, checked up to the root.

        Raises:
            ProofInvalidError: it is no tile of this tree, or not the one that the tree has there.
            MalformedError: a tile is not as long as it should be.
        """
        if tile in self._edge:
            return self._edge[tile]
        if tile.level is None or tile.width != TILE_WIDTH or not tile.is_within(self._size):
            raise ProofInvalidError(f"a tree of {self._size} has no tile {tile.path}")
        known, data = self._known.get(tile.level, (None, b""))
        if known != tile:
            data = self._fetch(tile)
            if root_of(split_hashes(data)) != self._hash_above(tile.level, tile.index):
                raise ProofInvalidError(f"tile {tile.path} is not the one of the tree of size {self._size}")
            self._known[tile.level] = tile, data
        return data

    def _hash_above(self, level: int, index: int) -> bytes:
        above, place = divmod(index, TILE_WIDTH)
        return split_hashes(self.read_tile(self._get_tile(level + 1, above)))[place]

    def _get_tile(self, level: int, index: int) -> Tile:
        hashes = self._size >> (TILE_HEIGHT * level)
        return Tile(level, index, min(TILE_WIDTH, hashes - index * TILE_WIDTH))

    def _fetch(self, tile: Tile) -> bytes:
        data = self._tiles.read_tile(tile)
        if len(data) != tile.width * HASH_BYTES:
            raise MalformedError("tile", f"{tile.path} doesn't hold {tile.width} hashes")
        return data
