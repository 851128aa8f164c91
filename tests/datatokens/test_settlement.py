from __future__ import annotations

from functools import partial

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError
from datatokens.localchain import LocalChain
from datatokens.model import Asset, Order, OrderStatus
from tests.chain_fixtures import COIN, JOB, PRICE, People, place_order, register_dataset, travel

ROOT = b"\x71" * 32


def token(chain: ChainClient) -> str:
    return chain.deployment.payment_token or ""


def status(chain: ChainClient, order: Order) -> OrderStatus:
    return chain.order_status(order.order_id)


def test_settling_pays_the_owner_and_the_providers_share(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    chain.settle([order.order_id], [], sender=people.provider)
    assert status(chain, order) == OrderStatus.SETTLED
    assert chain.escrow_balance(token(chain), people.owner.address) == PRICE * 9 // 10
    assert chain.escrow_balance(token(chain), people.provider.address) == PRICE // 10


def test_what_rounding_leaves_is_the_owners(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.set_price(asset.token_id, 19, sender=people.owner)
    order = place_order(chain, asset, people.scientist)
    chain.settle([order.order_id], [], sender=people.provider)
    assert chain.escrow_balance(token(chain), people.provider.address) == 1
    assert chain.escrow_balance(token(chain), people.owner.address) == 18


def test_whoever_holds_the_data_nft_when_a_job_settles_is_paid(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    parties = (people.owner.address, people.stranger.address)
    chain._gateway.send(chain._registry, "transferFrom", *parties, asset.token_id, sender=people.owner)
    chain.settle([order.order_id], [], sender=people.provider)
    assert chain.escrow_balance(token(chain), people.stranger.address) == PRICE * 9 // 10
    assert chain.escrow_balance(token(chain), people.owner.address) == 0


@pytest.mark.parametrize("role", ["owner", "scientist", "stranger"])
def test_nobody_but_the_orders_provider_settles_it(
    chain: ChainClient, people: People, asset: Asset, role: str
) -> None:
    order = place_order(chain, asset, people.scientist)
    with pytest.raises(ContractRefusedError) as caught:
        chain.settle([order.order_id], [], sender=getattr(people, role))
    assert caught.value.name == "EscrowNotProvider"
    assert status(chain, order) == OrderStatus.OPEN


def test_hole_4_an_order_pays_once(chain: ChainClient, people: People, asset: Asset) -> None:
    order = place_order(chain, asset, people.scientist)
    chain.settle([order.order_id], [], sender=people.provider)
    for name in ("settle", "refund"):
        with pytest.raises(ContractRefusedError) as caught:
            chain._gateway.send(chain._escrow, name, order.order_id, sender=people.provider)
        assert caught.value.name == "EscrowOrderNotOpen"
    assert chain.escrow_balance(token(chain), people.owner.address) == PRICE * 9 // 10


def test_hole_4_an_order_twice_in_one_batch_pays_nothing(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    for ran, not_run in (([order.order_id] * 2, []), ([order.order_id], [order.order_id])):
        with pytest.raises(ContractRefusedError) as caught:
            chain.settle(ran, not_run, sender=people.provider)
        assert caught.value.name == "EscrowOrderNotOpen"
    assert status(chain, order) == OrderStatus.OPEN


def test_an_order_that_never_was_neither_settles_nor_refunds(chain: ChainClient, people: People) -> None:
    for ran, not_run in (([b"\x01" * 32], []), ([], [b"\x01" * 32])):
        with pytest.raises(ContractRefusedError):
            chain.settle(ran, not_run, sender=people.provider)


def test_hole_19_a_job_that_the_provider_did_not_run_is_refunded_at_once(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    chain.refund(order.order_id, sender=people.provider)
    assert status(chain, order) == OrderStatus.REFUNDED
    assert chain.escrow_balance(token(chain), people.scientist.address) == PRICE
    before = chain.token_balance(token(chain), people.scientist.address)
    chain.withdraw(token(chain), PRICE, sender=people.scientist)
    assert chain.token_balance(token(chain), people.scientist.address) == before + PRICE


@pytest.mark.parametrize("role", ["scientist", "stranger", "owner"])
def test_hole_19_a_provider_that_never_answers_does_not_keep_the_money(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset, role: str
) -> None:
    order = place_order(chain, asset, people.scientist)
    with pytest.raises(ContractRefusedError) as caught:
        chain.refund(order.order_id, sender=getattr(people, role))
    assert caught.value.name == "EscrowDeadlineNotReached"
    travel(anvil, 700)
    chain.refund(order.order_id, sender=getattr(people, role))
    assert chain.escrow_balance(token(chain), people.scientist.address) == PRICE
    with pytest.raises(ContractRefusedError):
        chain._gateway.send(chain._escrow, "settle", order.order_id, sender=people.provider)


def test_hole_19_retiring_the_asset_does_not_hold_the_refund_back(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    chain.retire(asset.token_id, sender=people.owner)
    chain.refund(order.order_id, sender=people.provider)
    assert chain.escrow_balance(token(chain), people.scientist.address) == PRICE


def test_one_transaction_anchors_settles_and_refunds(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    first = place_order(chain, asset, people.scientist, job_id=b"\x01" * 32)
    second = place_order(chain, asset, people.scientist, job_id=b"\x02" * 32)
    third = place_order(chain, asset, people.stranger, job_id=b"\x03" * 32)
    result = chain.anchor_and_settle(
        3, ROOT, [first.order_id, third.order_id], [second.order_id], sender=people.provider
    )
    assert [status(chain, order) for order in (first, second, third)] == [
        OrderStatus.SETTLED,
        OrderStatus.REFUNDED,
        OrderStatus.SETTLED,
    ]
    anchored = chain.get_anchor(people.provider.address)
    assert anchored is not None
    assert (anchored.size, anchored.root, anchored.tx_hash) == (3, ROOT, result.tx_hash)


def test_a_batch_is_repeated_without_harm(chain: ChainClient, people: People, asset: Asset) -> None:
    order = place_order(chain, asset, people.scientist)
    first = chain.anchor_and_settle(1, ROOT, [order.order_id], [], sender=people.provider)
    again = chain.anchor_and_settle(1, ROOT, [order.order_id], [], sender=people.provider)
    assert again == first
    assert chain.escrow_balance(token(chain), people.owner.address) == PRICE * 9 // 10


def test_orders_settle_under_a_root_that_was_anchored_before(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    chain.anchor(1, ROOT, sender=people.provider)
    chain.anchor_and_settle(1, ROOT, [order.order_id], [], sender=people.provider)
    assert status(chain, order) == OrderStatus.SETTLED
    assert len(chain.list_anchors(people.provider.address)) == 1


def test_a_batch_with_an_order_that_has_ended_is_refused_whole(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset
) -> None:
    gone = place_order(chain, asset, people.scientist, job_id=b"\x01" * 32)
    travel(anvil, 700)
    chain.refund(gone.order_id, sender=people.stranger)
    order = place_order(chain, asset, people.scientist, job_id=b"\x02" * 32)
    batch = [gone.order_id, order.order_id]
    with pytest.raises(ContractRefusedError):
        chain.anchor_and_settle(1, ROOT, batch, [], sender=people.provider)
    chain.anchor(1, ROOT, sender=people.provider)
    for settle in (chain.settle, partial(chain.anchor_and_settle, 1, ROOT)):
        with pytest.raises(ContractRefusedError) as caught:
            settle(batch, [], sender=people.provider)
        assert caught.value.name == "EscrowOrderNotOpen"
    assert (status(chain, gone), status(chain, order)) == (OrderStatus.REFUNDED, OrderStatus.OPEN)


def test_a_foreign_order_makes_the_whole_batch_fail_and_anchors_nothing(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    theirs = register_dataset(chain, people, provider=people.stranger.address)
    chain.approve(theirs.token_id, b"\xa1" * 32, chain.head().time + 900, sender=people.owner)
    ours = place_order(chain, asset, people.scientist, job_id=b"\x01" * 32)
    foreign = place_order(chain, theirs, people.scientist, job_id=b"\x02" * 32)
    batches: list[tuple[list[bytes], list[bytes]]] = [
        ([ours.order_id, foreign.order_id], []),
        ([ours.order_id], [foreign.order_id]),
    ]
    for ran, not_run in batches:
        with pytest.raises(ContractRefusedError) as caught:
            chain.anchor_and_settle(1, ROOT, ran, not_run, sender=people.provider)
        assert caught.value.name == "EscrowNotProvider"
    assert chain.get_anchor(people.provider.address) is None
    assert status(chain, ours) == OrderStatus.OPEN


def test_a_provider_does_not_refund_anothers_order_in_a_batch_even_after_its_deadline(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset
) -> None:
    order = place_order(chain, asset, people.scientist)
    travel(anvil, 700)
    with pytest.raises(ContractRefusedError) as caught:
        chain.settle([], [order.order_id], sender=people.stranger)
    assert caught.value.name == "EscrowNotProvider"


def test_the_escrow_holds_all_credit_and_all_open_orders_to_the_last_unit(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    chain.deposit(token(chain), 3 * COIN + 7, sender=people.stranger)
    orders = [
        place_order(chain, asset, people.scientist, job_id=bytes([number]) * 32) for number in range(1, 5)
    ]
    ran, not_run = [orders[0].order_id, orders[1].order_id], [orders[2].order_id]
    chain.anchor_and_settle(1, ROOT, ran, not_run, sender=people.provider)
    chain.withdraw(token(chain), COIN, sender=people.owner)
    held = chain.token_balance(token(chain), chain.deployment.escrow)
    credit = sum(chain.escrow_balance(token(chain), person.address) for person in people.everyone())
    assert held == credit + PRICE
    assert chain.find_order(JOB, people.scientist.address, asset.token_id) is None
