"""Tiles against the plain tree: the same roots and proofs, whatever the size, and one path for one tile."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.receipts import tree
from provider.receipts.errors import MalformedError, ProofInvalidError, ReceiptError
from provider.receipts.log import entry_bytes
from provider.receipts.tiles import (
    Tile,
    format_entries,
    list_tiles,
    parse_entries,
    parse_tile_path,
    prove_consistency,
    prove_inclusion,
    tree_root,
)
from tests.log_samples import PlainTiles

LEAVES = [hashlib.sha256(b"%d" % number).digest() for number in range(66_001)]
SIZES = st.integers(1, 1100)


@given(SIZES)
def test_the_root_from_tiles_is_that_of_the_tree(size: int) -> None:
    assert tree_root(PlainTiles(LEAVES[:size]), size) == tree.root_of(LEAVES[:size])


@given(SIZES, st.data())
def test_an_inclusion_proof_from_tiles_is_that_of_the_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = prove_inclusion(PlainTiles(LEAVES[:size]), index, size)
    assert proof == tree.inclusion_proof(LEAVES, index, size)
    tree.verify_inclusion(LEAVES[index], index, size, proof, tree.root_of(LEAVES[:size]))


@given(SIZES, st.data())
def test_a_consistency_proof_from_tiles_is_that_of_the_tree(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    assert prove_consistency(PlainTiles(LEAVES[:new]), old, new) == tree.consistency_proof(LEAVES, old, new)


@pytest.mark.parametrize("size", [65_535, 65_536, 66_001])
def test_a_tree_of_three_levels_has_the_same_root_and_proofs(size: int) -> None:
    tiles = PlainTiles(LEAVES[:size])
    assert tree_root(tiles, size) == tree.root_of(LEAVES[:size])
    assert prove_inclusion(tiles, 300, size) == tree.inclusion_proof(LEAVES, 300, size)
    assert prove_consistency(tiles, 65_301, size) == tree.consistency_proof(LEAVES, 65_301, size)


def test_the_empty_tree_has_its_root_and_no_proofs() -> None:
    nothing = PlainTiles([])
    assert tree_root(nothing, 0) == hashlib.sha256(b"").digest()
    with pytest.raises(ProofInvalidError):
        prove_inclusion(nothing, 0, 0)
    with pytest.raises(ProofInvalidError):
        prove_consistency(nothing, 0, 1)


@given(st.integers(0, 1400), st.integers(0, 66_000))
def test_the_tiles_of_two_sizes_are_all_that_the_larger_tree_needs(old: int, more: int) -> None:
    new = min(old + more, 66_001)
    tiles = list(list_tiles(old, new))
    assert len(set(tiles)) == len(tiles)
    assert all(tile.is_within(new) and not tile.is_within(old) for tile in tiles)
    covered = {(tile.level, tile.index * 256 + at) for tile in tiles for at in range(tile.width)}
    for level in range(3):
        assert {(level, at) for at in range(old >> 8 * level, new >> 8 * level)} <= covered


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0, 256), "0/000"),
        (Tile(0, 999, 1), "0/999.p/1"),
        (Tile(1, 1000, 256), "1/x001/000"),
        (Tile(0, 1_234_067, 255), "0/x001/x234/067.p/255"),
        (Tile(None, 17, 256), "entries/017"),
    ],
)
def test_a_tile_has_the_path_that_the_specification_gives(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_tile_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/0",
        "0/0000",
        "00/000",
        "7/000",
        "-1/000",
        "0/x000/001",
        "0/001/002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000/",
        "/0/000",
        "0/../000",
        "data/000",
        "0/x999/x999/x999/x999/x999/999",
        "0/\\u0660\\u0660\\u0660",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_path(path)


@given(st.text(max_size=30))
def test_a_path_has_one_form_or_is_refused(path: str) -> None:
    with contextlib.suppress(ReceiptError):
        assert parse_tile_path(path).path == path


def test_entries_come_back_from_their_bundle_and_nothing_else_does() -> None:
    entries = [entry_bytes(b"%d" % number) for number in range(3)]
    bundle = format_entries(entries)
    assert parse_entries(bundle, 3) == entries
    for wrong in (bundle[:-1], bundle + b"\x00", b"\x00\x33" + bundle[2:], b""):
        with pytest.raises(MalformedError):
            parse_entries(wrong, 3)


def test_a_tile_that_is_too_short_makes_no_proof() -> None:
    @dataclass(frozen=True, slots=True)
    class Cut:
        def read_tile(self, tile: Tile) -> bytes:
            return PlainTiles(LEAVES).read_tile(tile)[:-1]

    with pytest.raises(MalformedError):
        tree_root(Cut(), 300)
