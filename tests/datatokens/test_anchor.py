from __future__ import annotations

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError
from tests.chain_fixtures import People

FIRST, SECOND = b"\x71" * 32, b"\x72" * 32


def test_nothing_is_anchored_at_first(chain: ChainClient, people: People) -> None:
    assert chain.get_anchor(people.provider.address) is None
    assert chain.list_anchors(people.provider.address) == []


def test_an_anchor_says_size_root_former_root_block_and_transaction(
    chain: ChainClient, people: People
) -> None:
    one = chain.anchor(1, FIRST, sender=people.provider)
    two = chain.anchor(5, SECOND, sender=people.provider)
    first, second = chain.list_anchors(people.provider.address)
    assert (first.size, first.root, first.previous_root) == (1, FIRST, bytes(32))
    assert (second.size, second.root, second.previous_root) == (5, SECOND, FIRST)
    assert (first.tx_hash, first.block) == (one.tx_hash, one.block)
    assert (second.tx_hash, second.block) == (two.tx_hash, two.block)
    assert chain.get_anchor(people.provider.address) == second


@pytest.mark.parametrize("size", [0, 4, 5])
def test_a_log_that_does_not_grow_is_refused(chain: ChainClient, people: People, size: int) -> None:
    chain.anchor(5, FIRST, sender=people.provider)
    with pytest.raises(ContractRefusedError) as caught:
        chain.anchor(size, SECOND, sender=people.provider)
    assert caught.value.name == "AnchorNotGrowing"


def test_an_empty_log_and_a_zero_root_are_refused(chain: ChainClient, people: People) -> None:
    for size, root in ((0, FIRST), (1, bytes(32))):
        with pytest.raises(ContractRefusedError):
            chain.anchor(size, root, sender=people.provider)


def test_a_size_beyond_64_bits_is_refused(chain: ChainClient, people: People) -> None:
    chain.anchor(2**64 - 1, FIRST, sender=people.provider)
    with pytest.raises(ContractRefusedError):
        chain.anchor(2**64, SECOND, sender=people.provider)


def test_a_stranger_touches_only_a_log_of_their_own(chain: ChainClient, people: People) -> None:
    chain.anchor(1, FIRST, sender=people.provider)
    chain.anchor(100, SECOND, sender=people.stranger)
    ours, theirs = chain.get_anchor(people.provider.address), chain.get_anchor(people.stranger.address)
    assert ours is not None
    assert theirs is not None
    assert (ours.size, theirs.size, theirs.previous_root) == (1, 100, bytes(32))
