"""Builds the Merkle root of an allow-list of consumers, and the proof that one account is on it.

The tree is that of OpenZeppelin's `StandardMerkleTree` over one `address` a leaf: a leaf is keccak-256, twice, of the
account's ABI encoding, leaves stand in order of their hashes, and a pair is hashed in order of value. The same accounts
give the same root in whatever order they are listed. An empty list is refused: on chain, no root means anyone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eth_utils.crypto import keccak

from datatokens.errors import AllowListInvalidError
from datatokens.gateway import checksum


def build_root(accounts: Iterable[str]) -> bytes:
    """Return the 32-byte root of an allow-list.

    Raises:
        AllowListInvalidError: the list is empty.
        ContractRefusedError: something on it is not an address.
    """
    return _tree(accounts)[0]


def build_proof(accounts: Iterable[str], account: str) -> tuple[bytes, ...]:
    """Return the hashes that lead from an account to the root of its list.

    Raises:
        AllowListInvalidError: the list is empty, or the account isn't on it.
        ContractRefusedError: something is not an address.
    """
    tree = _tree(accounts)
    leaf = hash_account(account)
    if leaf not in tree[len(tree) // 2 :]:
        raise AllowListInvalidError(f"allow-list: expected {account} on it, but it isn't; use the whole list")
    place = tree.index(leaf, len(tree) // 2)
    proof = []
    while place > 0:
        proof.append(tree[place + 1 if place % 2 else place - 1])
        place = (place - 1) // 2
    return tuple(proof)


def is_proof(root: bytes, proof: Iterable[bytes], account: str) -> bool:
    """Tell whether a proof leads from an account to the root of a list, as the registry will find."""
    node = hash_account(account)
    for sibling in proof:
        node = _hash_pair(node, sibling)
    return node == root


def hash_account(account: str) -> bytes:
    """Return the leaf of an account: keccak-256 of keccak-256 of its ABI encoding."""
    encoded = bytes.fromhex(checksum(account).removeprefix("0x")).rjust(32, b"\0")
    return bytes(keccak(keccak(encoded)))


def _tree(accounts: Iterable[str]) -> Sequence[bytes]:
    """Return the tree in an array: the root first, the children of `n` at `2n + 1` and `2n + 2`, leaves last."""
    leaves = sorted({hash_account(account) for account in accounts}, reverse=True)
    if not leaves:
        raise AllowListInvalidError(
            "allow-list: expected at least one account, got none; retire the asset instead"
        )
    tree = [b""] * (len(leaves) - 1) + leaves
    for place in reversed(range(len(leaves) - 1)):
        tree[place] = _hash_pair(tree[2 * place + 1], tree[2 * place + 2])
    return tree


def _hash_pair(left: bytes, right: bytes) -> bytes:
    return bytes(keccak(b"".join(sorted((left, right)))))
