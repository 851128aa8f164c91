"""Tiles are those of a root or refused: each is checked up to it, and one byte changed anywhere is found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.receipts.errors import MalformedError, ProofInvalidError, ReceiptError
from provider.receipts.proventiles import ProvenTiles
from provider.receipts.tiles import Tile, list_tiles, prove_consistency
from provider.receipts.tree import EMPTY_ROOT, consistency_proof, root_of
from tests.log_samples import PlainTiles

LEAVES = [hashlib.sha256(b"%d" % number).digest() for number in range(66_001)]
ROOTS = {size: root_of(LEAVES[:size]) for size in (1, 255, 256, 257, 530, 65_536, 66_001)}


@cache
def true_tile(tile: Tile) -> bytes:
    return PlainTiles(LEAVES).read_tile(tile)


@dataclass(slots=True)
class Counted:
    """Tiles that count how often they are read, and of which one may be changed."""

    changed: dict[str, bytes] = field(default_factory=dict)
    read: list[Tile] = field(default_factory=list)

    def read_tile(self, tile: Tile) -> bytes:
        self.read.append(tile)
        return self.changed.get(tile.path) or true_tile(tile)


def hashes_of(size: int) -> list[Tile]:
    return [tile for tile in list_tiles(0, size) if tile.level is not None]


@pytest.mark.parametrize("size", [1, 255, 256, 257, 530])
def test_every_tile_of_the_tree_is_read_as_it_is(size: int) -> None:
    proven = ProvenTiles(Counted(), size, ROOTS[size])
    for tile in hashes_of(size):
        assert proven.read_tile(tile) == true_tile(tile)
    for old in {1, size // 2 + 1, size}:
        assert prove_consistency(proven, old, size) == consistency_proof(LEAVES, old, size)


def test_each_tile_is_read_once_when_they_are_taken_in_order() -> None:
    tiles = Counted()
    proven = ProvenTiles(tiles, 66_001, ROOTS[66_001])
    for tile in hashes_of(66_001):
        proven.read_tile(tile)
    assert sorted(tile.path for tile in tiles.read) == sorted(tile.path for tile in hashes_of(66_001))


@pytest.mark.parametrize("size", [530, 66_001])
@given(st.data())
def test_one_byte_changed_in_any_tile_is_found(size: int, data: st.DataObject) -> None:
    tile = data.draw(st.sampled_from(hashes_of(size)))
    content = bytearray(true_tile(tile))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofInvalidError):
        ProvenTiles(Counted({tile.path: bytes(content)}), size, ROOTS[size]).read_tile(tile)


@pytest.mark.parametrize("size", [256, 530])
@given(st.data())
def test_a_tile_that_is_longer_shorter_or_another_is_refused(size: int, data: st.DataObject) -> None:
    tile, other = (data.draw(st.sampled_from(hashes_of(size))) for _ in range(2))
    content = true_tile(tile)
    cut = content[: data.draw(st.integers(1, len(content) - 1))]
    wrong = data.draw(st.sampled_from([cut, content + b"\x00", content * 2, true_tile(other)]))
    if wrong == content:
        return
    with pytest.raises(ReceiptError):
        ProvenTiles(Counted({tile.path: wrong}), size, ROOTS[size]).read_tile(tile)


@pytest.mark.parametrize(
    "tile", [Tile(0, 2, 17), Tile(0, 2, 256), Tile(0, 0, 255), Tile(1, 0, 1), Tile(None, 0, 256)]
)
def test_what_is_no_tile_of_the_tree_is_refused(tile: Tile) -> None:
    with pytest.raises(ProofInvalidError):
        ProvenTiles(Counted(), 530, ROOTS[530]).read_tile(tile)


def test_another_root_is_refused_and_so_is_any_for_no_entries_but_one() -> None:
    for size in (1, 256, 530):
        with pytest.raises(ProofInvalidError):
            ProvenTiles(Counted(), size, b"\x00" * 32)
    ProvenTiles(PlainTiles([]), 0, EMPTY_ROOT)
    with pytest.raises(ProofInvalidError):
        ProvenTiles(PlainTiles([]), 0, b"\x00" * 32)


def test_an_edge_that_is_too_short_is_refused() -> None:
    with pytest.raises(MalformedError):
        ProvenTiles(Counted({"0/002.p/18": b"\x00"}), 530, ROOTS[530])
