"""One job on several datasets, the community's share, and the cap."""

from __future__ import annotations

from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError, NotEnoughMoneyError
from datatokens.localchain import LocalChain
from datatokens.model import ONE_DATATOKEN_WEI, Asset, OrderItem, OrderStatus
from tests.chain_fixtures import (
    ALGORITHM,
    COIN,
    JOB,
    PRICE,
    People,
    account_for,
    asset_terms,
    place_order,
    register_dataset,
)
from tests.datatokens.test_credit import deploy_hostile

COMMUNITY = account_for("community").address


def token(chain: ChainClient) -> str:
    return chain.deployment.payment_token or ""


def offer(chain: ChainClient, people: People, **changes: Any) -> Asset:
    asset = register_dataset(chain, people, **changes)
    chain.approve(asset.token_id, ALGORITHM, chain.head().time + 900, sender=people.owner)
    return asset


def order(chain: ChainClient, people: People, *items: OrderItem) -> None:
    chain.order(JOB, ALGORITHM, items, chain.head().time + 600, sender=people.scientist)


def statuses(chain: ChainClient, people: People, *assets: Asset) -> list[OrderStatus | None]:
    found = [chain.find_order(JOB, people.scientist.address, asset.token_id) for asset in assets]
    return [item.status if item else None for item in found]


def test_one_transaction_orders_a_job_on_several_datasets_with_one_permit(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    other = offer(chain, people, price_wei=3 * COIN, provider=people.stranger.address)
    before, block = chain.token_balance(token(chain), people.scientist.address), chain.head().number
    order(chain, people, OrderItem(asset.token_id, PRICE), OrderItem(other.token_id, 3 * COIN))
    assert chain.head().number == block + 1
    assert chain.token_balance(token(chain), people.scientist.address) == before - PRICE - 3 * COIN
    assert statuses(chain, people, asset, other) == [OrderStatus.OPEN, OrderStatus.OPEN]
    events = [chain.find_order_event(JOB, people.scientist.address, item.token_id) for item in (asset, other)]
    assert [(event.amount_wei, event.provider) for event in events if event] == [
        (PRICE, people.provider.address),
        (3 * COIN, people.stranger.address),
    ]


def test_each_dataset_of_a_job_ends_on_its_own(chain: ChainClient, people: People, asset: Asset) -> None:
    other = offer(chain, people, provider=people.stranger.address)
    order(chain, people, OrderItem(asset.token_id, PRICE), OrderItem(other.token_id, PRICE))
    first, second = (
        chain.find_order(JOB, people.scientist.address, item.token_id) for item in (asset, other)
    )
    assert first is not None
    assert second is not None
    chain.settle([first.order_id], [], sender=people.provider)
    chain.refund(second.order_id, sender=people.stranger)
    assert statuses(chain, people, asset, other) == [OrderStatus.SETTLED, OrderStatus.REFUNDED]
    assert chain.escrow_balance(token(chain), people.scientist.address) == PRICE


def test_money_and_a_datatoken_pay_for_one_job_together(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    other = offer(chain, people)
    chain.mint_datatoken(other.token_id, people.scientist.address, ONE_DATATOKEN_WEI, sender=people.owner)
    order(chain, people, OrderItem(asset.token_id, PRICE), OrderItem(other.token_id, 0, with_datatoken=True))
    found = [chain.find_order(JOB, people.scientist.address, item.token_id) for item in (asset, other)]
    assert [(item.amount_wei, item.paid_with_datatoken) for item in found if item] == [
        (PRICE, False),
        (0, True),
    ]
    assert chain.token_balance(other.datatoken, people.scientist.address) == 0


def test_an_order_is_placed_on_all_its_datasets_or_on_none(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    refused = register_dataset(chain, people)  # nothing is approved on it
    before = chain.token_balance(token(chain), people.scientist.address)
    with pytest.raises(ContractRefusedError) as caught:
        order(chain, people, OrderItem(asset.token_id, PRICE), OrderItem(refused.token_id, PRICE))
    assert caught.value.name == "RegistryNotApproved"
    assert statuses(chain, people, asset, refused) == [None, None]
    assert chain.token_balance(token(chain), people.scientist.address) == before


def test_the_same_dataset_twice_and_no_dataset_at_all_are_refused(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    item = OrderItem(asset.token_id, PRICE)
    for items, name in (((item, item), "EscrowOrderExists"), ((), "EscrowZeroValue")):
        with pytest.raises(ContractRefusedError) as caught:
            order(chain, people, *items)
        assert caught.value.name == name


def test_two_payment_tokens_pay_for_one_job(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset
) -> None:
    plain = deploy_hostile(anvil, chain, people, "ReentrantToken")  # not armed: an ordinary ERC-20
    chain._gateway.send(plain, "approve", chain.deployment.escrow, 0, sender=people.scientist)
    other = offer(chain, people, payment_token=plain.address)
    order(chain, people, OrderItem(asset.token_id, PRICE), OrderItem(other.token_id, PRICE))
    assert chain.token_balance(plain.address, chain.deployment.escrow) == PRICE
    assert chain.token_balance(token(chain), chain.deployment.escrow) == PRICE


def test_the_community_is_paid_its_share_when_a_job_is_settled(chain: ChainClient, people: People) -> None:
    asset = offer(chain, people, price_wei=9999, community=COMMUNITY, community_share_bps=333)
    placed = place_order(chain, asset, people.scientist)
    chain.settle([placed.order_id], [], sender=people.provider)
    owner, provider, community = (
        chain.escrow_balance(token(chain), account)
        for account in (people.owner.address, people.provider.address, COMMUNITY)
    )
    assert (provider, community) == (999, 332)  # rounded down: what is left is the owner's
    assert owner == 9999 - 999 - 332


def test_the_community_is_paid_when_datatokens_are_sold(chain: ChainClient, people: People) -> None:
    asset = offer(chain, people, community=COMMUNITY, community_share_bps=9000)
    chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE, sender=people.scientist)
    assert chain.escrow_balance(token(chain), COMMUNITY) == PRICE * 9 // 10
    assert chain.escrow_balance(token(chain), people.owner.address) == 0  # the provider has the other tenth


def test_terms_with_community_and_cap_are_read_back_as_they_were_given(
    chain: ChainClient, people: People
) -> None:
    terms = asset_terms(
        chain,
        people,
        community=COMMUNITY,
        community_share_bps=9000,
        cap_wei=2**128 - 1,
        provider_share_bps=1000,
    )
    asset, _ = chain.register(terms, sender=people.owner)
    assert asset.terms == terms


@pytest.mark.parametrize(
    ("changes", "name", "values"),
    [
        (
            {"community": COMMUNITY, "community_share_bps": 9001},
            "RegistryShareTooLarge",
            {"shareBps": 10_001},
        ),
        ({"community": COMMUNITY}, "RegistryZeroValue", {"field": "communityShareBps"}),
        ({"community_share_bps": 1}, "RegistryZeroValue", {"field": "community"}),
    ],
)
def test_shares_that_make_no_sense_are_refused(
    chain: ChainClient, people: People, changes: dict[str, Any], name: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ContractRefusedError) as caught:
        register_dataset(chain, people, **changes)
    assert (caught.value.name, caught.value.values) == (name, values)


def test_sales_and_gifts_stop_at_the_cap(chain: ChainClient, people: People) -> None:
    asset = offer(chain, people, cap_wei=2 * ONE_DATATOKEN_WEI)
    chain.mint_datatoken(asset.token_id, people.scientist.address, ONE_DATATOKEN_WEI, sender=people.owner)
    chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE, sender=people.scientist)
    with pytest.raises(ContractRefusedError) as caught:
        chain.buy(asset.token_id, 1, PRICE, sender=people.scientist)
    expected = {"supply": 2 * ONE_DATATOKEN_WEI + 1, "cap": 2 * ONE_DATATOKEN_WEI}
    assert (caught.value.name, caught.value.values) == ("DatatokenCapExceeded", expected)
    with pytest.raises(ContractRefusedError):
        chain.mint_datatoken(asset.token_id, people.owner.address, 1, sender=people.owner)


def test_a_refund_gives_the_datatoken_back_even_when_the_cap_is_full(
    chain: ChainClient, people: People
) -> None:
    asset = offer(chain, people, cap_wei=ONE_DATATOKEN_WEI)
    chain.mint_datatoken(asset.token_id, people.scientist.address, ONE_DATATOKEN_WEI, sender=people.owner)
    placed = place_order(chain, asset, people.scientist, with_datatoken=True)
    chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE, sender=people.stranger)
    chain.refund(placed.order_id, sender=people.provider)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == ONE_DATATOKEN_WEI
    contract = chain._gateway.contract("Datatoken", asset.datatoken)
    assert chain._gateway.call(contract, "totalSupply") == 2 * ONE_DATATOKEN_WEI
    assert chain._gateway.call(contract, "cap") == ONE_DATATOKEN_WEI


def test_a_job_that_one_dataset_is_too_dear_for_is_not_half_paid(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    dear = offer(chain, people, price_wei=10_000 * COIN)
    with pytest.raises(NotEnoughMoneyError):
        order(chain, people, OrderItem(asset.token_id, PRICE), OrderItem(dear.token_id, 10_000 * COIN))
    assert chain.token_balance(token(chain), chain.deployment.escrow) == 0
