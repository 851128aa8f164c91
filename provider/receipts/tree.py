"""The Merkle tree of RFC 9162 §2.1 (the same as RFC 6962 §2.1) over SHA-256: roots and proofs, made and verified.

Pure: hashes in, hashes out. Refuses a proof of the wrong length, an index outside the tree, and size 0 against anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from provider.receipts.errors import ProofInvalidError

HASH_BYTES = 32
MAX_TREE_SIZE = 2**53 - 1
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry: SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two children: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 9162 §2.1.1), in linear time; no leaves give `EMPTY_ROOT`."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def split_hashes(data: bytes) -> list[bytes]:
    """Return the hashes that stand in `data` one after the other."""
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def entries_root(entries: Iterable[bytes]) -> bytes:
    """Return the root over entries, each hashed as a leaf first."""
    return root_of([leaf_hash(entry) for entry in entries])


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """Return the path from leaf `index` to the root over the first `size` leaves (RFC 9162 §2.1.3.1), leaf's sibling first.

    Raises:
        ProofInvalidError: the index is not in that tree, or the tree is not that large.
    """
    if not 0 <= index < size <= len(leaf_hashes):
        raise ProofInvalidError(
            f"no proof for entry {index} in a tree of {size}: the log holds {len(leaf_hashes)}"
        )
    level, proof = list(leaf_hashes[:size]), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
        index >>= 1
    return proof


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a leaf hash) stands at `index` in the tree of `size` with `root` (RFC 9162 §2.1.3.2).

    Not checked here: where the root comes from.

    Raises:
        ProofInvalidError: it doesn't.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ProofInvalidError(f"entry {index} can't stand in a tree of {size}")
    node, last, running = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofInvalidError(f"the proof has {len(proof)} hashes, more than a tree of {size} needs")
        if node & 1 or node == last:
            running = node_hash(step, running)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            running = node_hash(running, step)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofInvalidError(f"the proof has {len(proof)} hashes, fewer than a tree of {size} needs")
    if running != root:
        raise ProofInvalidError(
            f"the proof for entry {index} leads to another root than the one of size {size}"
        )


def consistency_proof(leaf_hashes: Sequence[bytes], old: int, new: int) -> list[bytes]:
    """Return the proof that the first `old` leaves are a prefix of the first `new` (RFC 9162 §2.1.4.1).

    Raises:
        ProofInvalidError: `old` is 0 or larger than `new`, or the log is smaller than `new`.
    """
    if not 0 < old <= new <= len(leaf_hashes):
        raise ProofInvalidError(f"no proof from size {old} to {new}: the log holds {len(leaf_hashes)}")
    return _subproof(leaf_hashes[:new], old, whole=True)


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old <= split:
        return [*_subproof(leaves[:split], old, whole=whole), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], old - split, whole=False), root_of(leaves[:split])]


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `old_size` is a prefix of the tree of `new_size` (RFC 9162 §2.1.4.2).

    Raises:
        ProofInvalidError: it isn't, or `old_size` is 0 (which is consistent with everything and so proves nothing).
    """
    if not 0 < old_size <= new_size <= MAX_TREE_SIZE:
        raise ProofInvalidError(f"no consistency can be shown from size {old_size} to {new_size}")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise ProofInvalidError(f"two different trees of the same size {old_size}")
        return
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if _fold_consistency(path, old_size, new_size) != (old_root, new_root):
        raise ProofInvalidError(f"the tree of size {new_size} does not extend the tree of size {old_size}")


def _fold_consistency(path: Sequence[bytes], old_size: int, new_size: int) -> tuple[bytes, bytes]:
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        raise ProofInvalidError("the consistency proof is empty")
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            raise ProofInvalidError("the consistency proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, step)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofInvalidError("the consistency proof is too short")
    return old, new
