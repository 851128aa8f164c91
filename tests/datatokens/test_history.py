from __future__ import annotations

import pytest

from datatokens.client import ChainClient
from datatokens.errors import NodeRefusedError
from datatokens.localchain import LocalChain
from datatokens.model import Asset, OrderStatus
from tests.chain_fixtures import HASTY, JOB, People, place_order, register_dataset
from tests.rpc_proxy import Call, Reply, refusal, serve_proxy

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


@pytest.mark.parametrize(
    ("end", "ended"), [("settle", OrderStatus.SETTLED), ("refund", OrderStatus.REFUNDED)]
)
def test_an_order_at_a_block_is_the_same_where_old_state_is_forgotten(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset, end: str, ended: OrderStatus
) -> None:
    first, placed = chain.head().number, place_order(chain, asset, people.scientist)
    if end == "settle":
        chain.settle([placed.order_id], [], sender=people.provider)
    else:
        chain.refund(placed.order_id, sender=people.provider)
    with serve_proxy(anvil.rpc_url) as proxy:
        proxy.intercept = forget_old_state
        forgetful = ChainClient.connect(proxy.url, chain.deployment, patience=HASTY)
        seen = []
        for block in range(first, chain.head().number + 1):
            order = forgetful.find_order(JOB, people.scientist.address, asset.token_id, at_block=block)
            assert order == chain.find_order(JOB, people.scientist.address, asset.token_id, at_block=block)
            seen.append(order and order.status)
        assert seen[0] is None
        assert seen[-2:] == [OrderStatus.OPEN, ended]
        with pytest.raises(NodeRefusedError):
            forgetful._gateway.call(forgetful._escrow, "getOrder", placed.order_id, block=first)


def forget_old_state(call: Call) -> Reply | None:
    """Refuse as a pruned node does, or an anvil that was stopped in between."""
    old = call["method"] == "eth_call" and call["params"][1] != "latest"
    return refusal("BlockOutOfRangeError: block height is 76 but requested was 70")(call) if old else None
