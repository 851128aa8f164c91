from __future__ import annotations

from datatokens.client import ChainClient
from datatokens.model import Asset
from tests.chain_fixtures import People, register_dataset

TREE = b"\xa7" * 32
POLICIES = [b"\xe0" * 32, b"\xe1" * 32, b"\xe2" * 32]


def test_every_policy_is_listed_with_the_block_from_which_it_held(chain: ChainClient, people: People) -> None:
    before = chain.head().number
    asset = register_dataset(chain, people)
    first, number = chain.head(), asset.token_id
    blocks = [first, *(chain.set_policy(number, item, sender=people.owner).block for item in POLICIES[1:])]
    found = chain.list_policies(asset.token_id)
    assert [(record.digest, record.block) for record in found] == list(zip(POLICIES, blocks, strict=True))
    assert chain.find_policy(asset.token_id, before) is None
    for digest, block in zip(POLICIES, blocks, strict=True):
        assert chain.find_policy(asset.token_id, block.number) == digest


def test_the_policy_at_a_block_is_the_same_by_event_and_by_state(chain: ChainClient, people: People) -> None:
    asset, other = register_dataset(chain, people), register_dataset(chain, people)
    first = chain.head().number
    for digest in POLICIES[1:]:
        chain.set_policy(asset.token_id, digest, sender=people.owner)
        chain.set_policy(other.token_id, POLICIES[0], sender=people.owner)
    for number in range(first, chain.head().number + 1):
        view = chain._gateway.call(chain._registry, "getAsset", asset.token_id, block=number)
        assert bytes(view[4][11]) == chain.find_policy(asset.token_id, number)


def test_an_approval_at_a_block_is_the_same_by_event_and_by_state(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    number, later = asset.token_id, chain.head().time + 9999
    first = chain.head().number
    chain.approve(number, TREE, later, sender=people.owner)
    chain.revoke(number, TREE, sender=people.owner)
    chain.approve(number, TREE, later + 1, sender=people.owner)
    chain.retire(number, sender=people.owner)
    chain.revoke(number, TREE, sender=people.owner)
    seen = []
    for block in range(first, chain.head().number + 1):
        by_state = chain.find_approval(number, TREE, at_block=block)
        assert chain._approval_from_events(number, TREE, block) == by_state
        seen.append(by_state is not None and by_state.is_valid(chain.get_block(block).time))
    assert seen == [False, True, False, True, True, False]
