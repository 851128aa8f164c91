"""The contract's check of an inclusion proof against the one in Python, which is older and has its own vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import httpx
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datatokens.localchain import LocalChain
from datatokens.model import Deployment
from provider.receipts.errors import ProofInvalidError
from provider.receipts.tree import (
    MAX_TREE_SIZE,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_inclusion,
)

TYPES = ("bytes32", "uint64", "uint64", "bytes32[]", "bytes32")
SELECTOR = keccak(text=f"isIncluded({','.join(TYPES)})")[:4]
MANY = 21
LEAVES = [leaf_hash(b"entry %d" % number) for number in range(MANY)]


@dataclass(frozen=True, slots=True)
class Claim:
    """That a leaf stands at an index in the tree of a size and a root."""

    leaf: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]
    root: bytes

    def call(self) -> str:
        arguments = (self.leaf, self.index, self.size, self.proof, self.root)
        return "0x" + (SELECTOR + encode(TYPES, arguments)).hex()

    def holds(self) -> bool:
        try:
            verify_inclusion(self.leaf, self.index, self.size, self.proof, self.root)
        except ProofInvalidError:
            return False
        return True


Judge = Callable[[Sequence[Claim]], list[bool]]


@pytest.fixture(scope="module")
def judge(anvil: LocalChain, deployment: Deployment) -> Iterator[Judge]:
    """Ask the contract about many claims in one request."""
    with httpx.Client(base_url=anvil.rpc_url, timeout=60, trust_env=False) as http:

        def ask(claims: Sequence[Claim]) -> list[bool]:
            calls = [
                {
                    "jsonrpc": "2.0",
                    "id": number,
                    "method": "eth_call",
                    "params": [{"to": deployment.receipts, "data": claim.call()}, "latest"],
                }
                for number, claim in enumerate(claims)
            ]
            answers = {item["id"]: int(item["result"], 16) for item in http.post("/", json=calls).json()}
            return [answers[number] == 1 for number in range(len(claims))]

        yield ask


def variants(claim: Claim) -> list[Claim]:
    """Return a claim, and what it may not be taken for."""
    proof = claim.proof
    return [
        claim,
        replace(claim, index=claim.index + 1),
        replace(claim, index=claim.index ^ 1),
        replace(claim, size=claim.size + 1),
        replace(claim, size=claim.size - 1),
        replace(claim, size=2 * claim.size),
        replace(claim, proof=proof[1:]),
        replace(claim, proof=proof[:-1]),
        replace(claim, proof=(*proof, claim.root)),
        replace(claim, proof=proof[::-1]),
        replace(claim, leaf=claim.root),
        replace(claim, root=claim.leaf),
    ]


def root_by_definition(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a path leads to, by the recursion of RFC 9162, 2.1.3.1, upside down."""
    if size == 1:
        return leaf
    split = 1 << ((size - 1).bit_length() - 1)
    *rest, sibling = proof
    if index < split:
        return node_hash(root_by_definition(leaf, index, split, rest), sibling)
    return node_hash(sibling, root_by_definition(leaf, index - split, size - split, rest))


def path_length(index: int, size: int) -> int:
    if size == 1:
        return 0
    split = 1 << ((size - 1).bit_length() - 1)
    return 1 + (path_length(index, split) if index < split else path_length(index - split, size - split))


@pytest.mark.parametrize("size", range(1, MANY + 1))
def test_contract_and_python_agree_on_every_place_in_small_trees_and_on_what_is_near_it(
    judge: Judge, size: int
) -> None:
    root = root_of(LEAVES[:size])
    claims = [
        variant
        for index in range(size)
        for variant in variants(
            Claim(LEAVES[index], index, size, tuple(inclusion_proof(LEAVES, index, size)), root)
        )
    ]
    expected = [claim.holds() for claim in claims]
    assert expected.count(True) >= size
    assert judge(claims) == expected


@given(data=st.data(), size=st.integers(1, MAX_TREE_SIZE - 1) | st.integers(1, 5000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_contract_and_python_agree_on_places_in_trees_of_any_size(
    judge: Judge, data: st.DataObject, size: int
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = tuple(hashlib.sha256(b"%d" % level).digest() for level in range(path_length(index, size)))
    true = Claim(LEAVES[0], index, size, proof, root_by_definition(LEAVES[0], index, size, proof))
    claims = [claim for claim in variants(true) if claim.size <= MAX_TREE_SIZE]
    assert true.holds()
    assert judge(claims) == [claim.holds() for claim in claims]


@given(index=st.integers(0, 2**64 - 1), size=st.integers(0, 2**64 - 1), count=st.integers(0, 70))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_of_any_length_leads_to_a_root_by_chance(
    judge: Judge, index: int, size: int, count: int
) -> None:
    claim = Claim(LEAVES[0], index, size, (LEAVES[1],) * count, LEAVES[2])
    assert judge([claim]) == [False]
