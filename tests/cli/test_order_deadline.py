from __future__ import annotations

import pytest

from cli.submitting import choose_deadline
from datatokens.client import ChainClient
from datatokens.localchain import LocalChain, request
from datatokens.model import Asset, OrderItem, OrderStatus
from tests.chain_fixtures import ALGORITHM, JOB, PRICE, People

DAY = 86_400


@pytest.mark.parametrize("lifetime_s", [DAY, 600, 100])
def test_a_deadline_is_ahead_and_within_what_the_owner_allows(lifetime_s: int) -> None:
    deadline = choose_deadline(1000, lifetime_s)
    for block_time in (1000, 1012):
        assert block_time < deadline <= block_time + lifetime_s


def test_an_order_goes_through_after_the_chain_was_idle_for_hours(
    chain: ChainClient, anvil: LocalChain, people: People, asset: Asset
) -> None:
    head = chain.head().time
    request(anvil.rpc_url, "evm_increaseTime", hex(8 * 3600))
    assert chain.head().time == head
    deadline = choose_deadline(chain.next_time(), asset.terms.max_deadline_s)
    chain.order(JOB, ALGORITHM, [OrderItem(asset.token_id, PRICE)], deadline, sender=people.scientist)
    order = chain.find_order(JOB, people.scientist.address, asset.token_id)
    assert order is not None
    assert order.status is OrderStatus.OPEN
