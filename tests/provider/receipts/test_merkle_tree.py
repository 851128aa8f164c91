from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.receipts.errors import ProofInvalidError
from provider.receipts.tree import (
    EMPTY_ROOT,
    consistency_proof,
    entries_root,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The eight entries and roots of the Certificate Transparency reference tests for RFC 6962.
CT_ENTRIES = [
    bytes.fromhex(item)
    for item in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """The recursive definition of RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def make_leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_certificate_transparency_vectors(size: int) -> None:
    assert entries_root(CT_ENTRIES[:size]).hex() == CT_ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root_of([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_rfc_9162_example_paths_of_a_seven_leaf_tree() -> None:
    a, b, c, d, e, f, j = leaves = make_leaves(7)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, left = node_hash(i, j), node_hash(g, h)
    assert inclusion_proof(leaves, 0, 7) == [b, h, k]
    assert inclusion_proof(leaves, 3, 7) == [c, g, k]
    assert inclusion_proof(leaves, 4, 7) == [f, j, left]
    assert inclusion_proof(leaves, 6, 7) == [i, left]
    assert consistency_proof(leaves, 3, 7) == [c, d, g, k]
    assert consistency_proof(leaves, 4, 7) == [k]
    assert consistency_proof(leaves, 6, 7) == [i, j, left]


@given(st.integers(1, 130))
def test_the_root_is_that_of_the_recursive_definition(size: int) -> None:
    leaves = make_leaves(size)
    assert root_of(leaves) == naive_root(leaves)


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_entry_proves_its_place_and_no_other_place(case: tuple[int, int]) -> None:
    size, index = case
    leaves = make_leaves(size)
    proof, root = inclusion_proof(leaves, index, size), root_of(leaves)
    verify_inclusion(leaves[index], index, size, proof, root)
    for other in {index + 1, index - 1, 0, size} - {index}:
        with pytest.raises(ProofInvalidError):
            verify_inclusion(leaves[index], other, size, proof, root)
    with pytest.raises(ProofInvalidError):
        verify_inclusion(leaves[index], index, size, [*proof, root], root)
    if proof:
        with pytest.raises(ProofInvalidError):
            verify_inclusion(leaves[index], index, size, proof[:-1], root)


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_a_log_that_only_grew_is_consistent(case: tuple[int, int]) -> None:
    old, new = case
    leaves = make_leaves(new)
    proof = consistency_proof(leaves, old, new)
    verify_consistency(old, root_of(leaves[:old]), new, root_of(leaves), proof)
    with pytest.raises(ProofInvalidError):
        verify_consistency(old, root_of(leaves[:old]), new, root_of(leaves), [*proof, EMPTY_ROOT])


@given(
    st.integers(2, 40).flatmap(
        lambda new: st.integers(1, new - 1).flatmap(
            lambda old: st.tuples(st.just(old), st.just(new), st.integers(0, old - 1))
        )
    )
)
def test_hole_22_an_entry_edited_in_place_breaks_consistency(case: tuple[int, int, int]) -> None:
    old, new, edited = case
    leaves = make_leaves(new)
    old_root = root_of(leaves[:old])
    leaves[edited] = leaf_hash(b"edited")
    with pytest.raises(ProofInvalidError):
        verify_consistency(old, old_root, new, root_of(leaves), consistency_proof(leaves, old, new))


@pytest.mark.parametrize("change", ["reordered", "dropped"])
def test_hole_22_an_entry_reordered_or_dropped_breaks_consistency(change: str) -> None:
    leaves = make_leaves(12)
    old_root = root_of(leaves[:6])
    changed = [*leaves[:2], leaves[3], leaves[2], *leaves[4:]] if change == "reordered" else leaves[1:]
    new = len(changed)
    with pytest.raises(ProofInvalidError):
        verify_consistency(6, old_root, new, root_of(changed), consistency_proof(changed, 6, new))


def test_size_zero_is_consistent_with_nothing() -> None:
    leaves = make_leaves(3)
    with pytest.raises(ProofInvalidError):
        verify_consistency(0, EMPTY_ROOT, 3, root_of(leaves), [])
    with pytest.raises(ProofInvalidError):
        verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    with pytest.raises(ProofInvalidError):
        consistency_proof(leaves, 0, 3)


def test_two_roots_of_one_size_are_not_consistent() -> None:
    with pytest.raises(ProofInvalidError):
        verify_consistency(3, root_of(make_leaves(3)), 3, EMPTY_ROOT, [])


@given(
    st.integers(0, 2**60),
    st.integers(0, 2**60),
    st.lists(st.binary(min_size=32, max_size=32), max_size=70),
)
def test_random_proofs_are_refused_and_never_crash(index: int, size: int, proof: list[bytes]) -> None:
    with pytest.raises(ProofInvalidError):
        verify_inclusion(leaf_hash(b"x"), index, size, proof, EMPTY_ROOT)
    with pytest.raises(ProofInvalidError):
        verify_consistency(index, EMPTY_ROOT, size, leaf_hash(b"y"), proof)
