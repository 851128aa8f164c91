from __future__ import annotations

from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError, NoSuchAssetError, NotEnoughMoneyError
from datatokens.localchain import LocalChain
from datatokens.model import ONE_DATATOKEN_WEI, Asset, OrderItem, OrderStatus
from datatokens.permits import order_id_of
from tests.chain_fixtures import ALGORITHM, COIN, JOB, PRICE, People, place_order, register_dataset, travel

OTHER_JOB = b"\x0c" * 32
MOST_UNITS = 2**128 - 1


def token(chain: ChainClient) -> str:
    return chain.deployment.payment_token or ""


def test_an_order_holds_the_price_bound_to_one_job_consumer_and_provider(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    before = chain.token_balance(token(chain), people.scientist.address)
    order = place_order(chain, asset, people.scientist)
    assert (order.status, order.amount_wei, order.token_id) == (OrderStatus.OPEN, PRICE, asset.token_id)
    assert (order.consumer, order.provider) == (people.scientist.address, people.provider.address)
    assert (order.job_id, order.paid_with_datatoken) == (JOB, False)
    assert chain.token_balance(token(chain), people.scientist.address) == before - PRICE
    assert chain.token_balance(token(chain), chain.deployment.escrow) == PRICE


def test_an_order_leaves_an_event_that_says_where_it_stands(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    event = chain.find_order_event(JOB, people.scientist.address, asset.token_id)
    assert event is not None
    assert (event.order_id, event.job_id, event.token_id) == (order.order_id, JOB, asset.token_id)
    assert (event.consumer, event.provider, event.amount_wei) == (order.consumer, order.provider, PRICE)
    assert event.block_number == chain.head().number
    assert event.tx_hash.startswith("0x")


def test_the_order_id_is_the_one_that_the_contract_computes(chain: ChainClient, people: People) -> None:
    consumer = people.scientist.address
    onchain = chain._gateway.call(chain._escrow, "getOrderId", JOB, consumer, 7)
    assert bytes(onchain) == order_id_of(JOB, consumer, 7)


def test_hole_4_an_order_matches_nobody_else_and_no_other_job(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    place_order(chain, asset, people.scientist)
    assert chain.find_order(JOB, people.stranger.address, asset.token_id) is None
    assert chain.find_order(OTHER_JOB, people.scientist.address, asset.token_id) is None
    assert chain.find_order_event(JOB, people.stranger.address, asset.token_id) is None


def test_hole_4_a_stranger_who_orders_the_same_job_first_takes_nobodys_place(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    theirs = place_order(chain, asset, people.stranger)
    ours = place_order(chain, asset, people.scientist)
    assert theirs.order_id != ours.order_id
    assert ours.status == OrderStatus.OPEN


@pytest.mark.parametrize("ending", ["open", "settled", "refunded"])
def test_hole_4_one_job_is_ordered_once_however_the_order_ended(
    chain: ChainClient, people: People, asset: Asset, ending: str
) -> None:
    order = place_order(chain, asset, people.scientist)
    if ending == "settled":
        chain.settle([order.order_id], [], sender=people.provider)
    if ending == "refunded":
        chain.refund(order.order_id, sender=people.provider)
    with pytest.raises(ContractRefusedError) as caught:
        place_order(chain, asset, people.scientist)
    assert caught.value.name == "EscrowOrderExists"


def test_a_price_above_the_buyers_maximum_is_refused(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    deadline = chain.head().time + 600
    with pytest.raises(ContractRefusedError) as caught:
        chain.order(JOB, ALGORITHM, [OrderItem(asset.token_id, PRICE - 1)], deadline, sender=people.scientist)
    assert (caught.value.name, caught.value.values) == (
        "EscrowPriceAboveMax",
        {"price": PRICE, "maxPrice": PRICE - 1},
    )


def test_the_price_is_the_one_at_the_moment_of_the_order(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    chain.set_price(asset.token_id, 1, sender=people.owner)
    chain.refund(order.order_id, sender=people.provider)
    assert chain.escrow_balance(token(chain), people.scientist.address) == PRICE


@pytest.mark.parametrize(("offset", "accepted"), [(-1, False), (0, False), (3500, True), (3700, False)])
def test_the_deadline_lies_ahead_and_within_the_owners_limit(
    chain: ChainClient, people: People, asset: Asset, offset: int, *, accepted: bool
) -> None:
    deadline = chain.head().time + offset
    order = (JOB, ALGORITHM, [OrderItem(asset.token_id, PRICE)], deadline)
    if accepted:
        chain.order(*order, sender=people.scientist)
        return
    with pytest.raises(ContractRefusedError) as caught:
        chain.order(*order, sender=people.scientist)
    assert caught.value.name == "EscrowDeadlineOutOfRange"


def test_an_order_on_no_asset_or_for_no_job_is_refused(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    deadline = chain.head().time + 600
    with pytest.raises(ContractRefusedError):
        chain.order(JOB, ALGORITHM, [OrderItem(99, PRICE)], deadline, sender=people.scientist)
    with pytest.raises(NoSuchAssetError):
        chain.buy(99, COIN, PRICE, sender=people.scientist)
    with pytest.raises(ContractRefusedError) as caught:
        chain.order(
            bytes(32), ALGORITHM, [OrderItem(asset.token_id, PRICE)], deadline, sender=people.scientist
        )
    assert caught.value.name == "EscrowZeroValue"


def test_who_cannot_pay_is_told_what_is_missing_and_loses_nothing(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    native = chain.native_balance(people.owner.address)
    with pytest.raises(NotEnoughMoneyError) as caught:
        place_order(chain, asset, people.owner)
    assert (caught.value.needed_wei, caught.value.available_wei) == (PRICE, 0)
    assert chain.native_balance(people.owner.address) == native


def test_an_order_with_a_permit_is_one_transaction(chain: ChainClient, people: People, asset: Asset) -> None:
    before = chain.head().number
    place_order(chain, asset, people.scientist)
    assert chain.head().number == before + 1


def test_credit_pays_first_and_only_what_is_missing_is_pulled(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    chain.deposit(token(chain), 2 * COIN, sender=people.scientist)
    before = chain.token_balance(token(chain), people.scientist.address)
    place_order(chain, asset, people.scientist)
    assert chain.escrow_balance(token(chain), people.scientist.address) == 0
    assert chain.token_balance(token(chain), people.scientist.address) == before - 3 * COIN


def test_credit_that_suffices_pays_alone(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.deposit(token(chain), PRICE + 1, sender=people.scientist)
    before = chain.token_balance(token(chain), people.scientist.address)
    place_order(chain, asset, people.scientist)
    assert chain.escrow_balance(token(chain), people.scientist.address) == 1
    assert chain.token_balance(token(chain), people.scientist.address) == before


def test_a_permit_that_somebody_used_up_first_does_not_block_the_order(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    permit = chain._permission(token(chain), PRICE, people.scientist)
    assert permit is not None
    _, value, until, v, r, s = permit
    contract = chain._gateway.contract("TestToken", token(chain))
    parties = (people.scientist.address, chain.deployment.escrow)
    chain._gateway.send(contract, "permit", *parties, value, until, v, r, s, sender=people.stranger)
    terms: tuple[Any, ...] = (JOB, ALGORITHM, chain.head().time + 600, [(asset.token_id, PRICE, False, [])])
    chain._gateway.send(chain._escrow, "orderWithPermit", terms, permit, sender=people.scientist)
    assert chain.find_order(JOB, people.scientist.address, asset.token_id) is not None


def test_somebody_elses_permit_pays_nothing(chain: ChainClient, people: People, asset: Asset) -> None:
    permit = chain._permission(token(chain), PRICE, people.scientist)
    terms: tuple[Any, ...] = (JOB, ALGORITHM, chain.head().time + 600, [(asset.token_id, PRICE, False, [])])
    with pytest.raises(ContractRefusedError) as caught:
        chain._gateway.send(chain._escrow, "orderWithPermit", terms, permit, sender=people.stranger)
    assert caught.value.name == "ERC20InsufficientAllowance"


def test_a_free_dataset_is_ordered_the_same_way_for_nothing(chain: ChainClient, people: People) -> None:
    asset = register_dataset(chain, people, price_wei=0)
    chain.approve(asset.token_id, ALGORITHM, chain.head().time + 600, sender=people.owner)
    order = place_order(chain, asset, people.owner)
    assert (order.amount_wei, order.status) == (0, OrderStatus.OPEN)
    chain.settle([order.order_id], [], sender=people.provider)
    assert chain.token_balance(token(chain), chain.deployment.escrow) == 0


def test_a_datatoken_pays_for_one_job_and_is_burned(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.mint_datatoken(asset.token_id, people.scientist.address, 2 * ONE_DATATOKEN_WEI, sender=people.owner)
    order = place_order(chain, asset, people.scientist, with_datatoken=True)
    assert (order.paid_with_datatoken, order.amount_wei) == (True, 0)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == ONE_DATATOKEN_WEI
    chain.settle([order.order_id], [], sender=people.provider)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == ONE_DATATOKEN_WEI
    assert chain.escrow_balance(token(chain), people.owner.address) == 0


def test_a_refund_gives_the_datatoken_back(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.mint_datatoken(asset.token_id, people.scientist.address, ONE_DATATOKEN_WEI, sender=people.owner)
    order = place_order(chain, asset, people.scientist, with_datatoken=True)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == 0
    chain.refund(order.order_id, sender=people.provider)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == ONE_DATATOKEN_WEI
    assert chain.escrow_balance(token(chain), people.scientist.address) == 0


@pytest.mark.parametrize("ending", ["refunded", "settled"])
def test_hole_19_nobody_buys_so_many_free_datatokens_that_an_order_can_not_end(
    chain: ChainClient, people: People, ending: str
) -> None:
    asset = register_dataset(chain, people, price_wei=0)
    chain.approve(asset.token_id, ALGORITHM, chain.head().time + 600, sender=people.owner)
    buyer = people.stranger
    with pytest.raises(ContractRefusedError) as caught:
        chain.buy(asset.token_id, 2**256 - 1, 0, sender=buyer)
    assert caught.value.name == "DatatokenAmountTooLarge"
    chain.buy(asset.token_id, MOST_UNITS, 0, sender=buyer)
    order = place_order(chain, asset, buyer, with_datatoken=True)
    with pytest.raises(ContractRefusedError):
        chain.buy(asset.token_id, 2**256 - 1 - (MOST_UNITS - ONE_DATATOKEN_WEI), 0, sender=buyer)
    chain.buy(asset.token_id, ONE_DATATOKEN_WEI, 0, sender=buyer)
    if ending == "refunded":
        chain.settle([], [order.order_id], sender=people.provider)
        assert chain.token_balance(asset.datatoken, buyer.address) == MOST_UNITS + ONE_DATATOKEN_WEI
    else:
        chain.settle([order.order_id], [], sender=people.provider)
        assert chain.token_balance(asset.datatoken, buyer.address) == MOST_UNITS
    assert chain.order_status(order.order_id) == OrderStatus[ending.upper()]


def test_an_owner_mints_no_more_at_once_than_a_buyer_buys(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    holder = people.scientist.address
    with pytest.raises(ContractRefusedError) as caught:
        chain.mint_datatoken(asset.token_id, holder, MOST_UNITS + 1, sender=people.owner)
    assert caught.value.values == {"amount": MOST_UNITS + 1, "most": MOST_UNITS}
    assert str(MOST_UNITS) in str(caught.value)
    chain.mint_datatoken(asset.token_id, holder, MOST_UNITS, sender=people.owner)
    assert chain.token_balance(asset.datatoken, holder) == MOST_UNITS


def test_less_than_one_datatoken_orders_nothing(chain: ChainClient, people: People, asset: Asset) -> None:
    amount = ONE_DATATOKEN_WEI - 1
    chain.mint_datatoken(asset.token_id, people.scientist.address, amount, sender=people.owner)
    with pytest.raises(NotEnoughMoneyError):
        place_order(chain, asset, people.scientist, with_datatoken=True)


def test_datatokens_of_another_asset_pay_nothing(chain: ChainClient, people: People, asset: Asset) -> None:
    other = register_dataset(chain, people)
    chain.mint_datatoken(other.token_id, people.scientist.address, COIN, sender=people.owner)
    with pytest.raises(NotEnoughMoneyError):
        place_order(chain, asset, people.scientist, with_datatoken=True)


def test_an_order_after_its_deadline_can_still_be_settled_while_open(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    travel(anvil, 700)
    chain.settle([order.order_id], [], sender=people.provider)
    found = chain.find_order(JOB, people.scientist.address, asset.token_id)
    assert found is not None
    assert found.status == OrderStatus.SETTLED
