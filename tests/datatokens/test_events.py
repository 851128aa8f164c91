"""What each function of the contracts leaves for auditors, and what happens in the very second of a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError
from datatokens.localchain import LocalChain, request
from datatokens.model import ONE_DATATOKEN_WEI, Asset, TxResult
from tests.chain_fixtures import ALGORITHM, JOB, PRICE, People, asset_terms, place_order

TREE, ROOT = b"\xa7" * 32, b"\x71" * 32


def args_of(chain: ChainClient, contract: Any, event: str, result: TxResult) -> dict[str, Any]:
    return dict(chain._gateway.event_args(contract, event, result.tx_hash))


def set_next_time(anvil: LocalChain, time: int) -> None:
    request(anvil.rpc_url, "evm_setNextBlockTimestamp", time)


def test_registering_says_what_is_registered_by_whom(chain: ChainClient, people: People) -> None:
    asset, result = chain.register(asset_terms(chain, people), sender=people.owner)
    assert args_of(chain, chain._registry, "Registered", result) == {
        "tokenId": asset.token_id,
        "owner": people.owner.address,
        "provider": people.provider.address,
        "commitment": b"\xc0" * 32,
        "policyDigest": b"\xe0" * 32,
        "datatoken": asset.datatoken,
    }


def test_every_change_of_an_asset_is_an_event(chain: ChainClient, people: People, asset: Asset) -> None:
    number, owner, expires = asset.token_id, people.owner, chain.head().time + 900
    steps: list[tuple[str, Callable[[], TxResult], dict[str, Any]]] = [
        ("PriceChanged", lambda: chain.set_price(number, 7, sender=owner), {"price": 7}),
        (
            "PolicyChanged",
            lambda: chain.set_policy(number, TREE, sender=owner),
            {"policyDigest": TREE, "previousDigest": b"\xe0" * 32},
        ),
        (
            "AlgorithmApproved",
            lambda: chain.approve(number, TREE, expires, sender=owner),
            {"algorithm": TREE, "expiresAt": expires},
        ),
        ("AlgorithmRevoked", lambda: chain.revoke(number, TREE, sender=owner), {"algorithm": TREE}),
        ("Retired", lambda: chain.retire(number, sender=owner), {}),
    ]
    for event, step, args in steps:
        assert args_of(chain, chain._registry, event, step()) == {"tokenId": number} | args


def test_money_that_comes_and_goes_is_an_event(chain: ChainClient, people: People) -> None:
    token, me = chain.deployment.payment_token or "", people.scientist
    expected = {"token": token, "account": me.address, "amount": 9}
    assert args_of(chain, chain._escrow, "Deposited", chain.deposit(token, 9, sender=me)) == expected
    assert args_of(chain, chain._escrow, "Withdrawn", chain.withdraw(token, 9, sender=me)) == expected


def test_an_order_and_its_end_are_events(chain: ChainClient, people: People, asset: Asset) -> None:
    first = place_order(chain, asset, people.scientist)
    event = chain.find_order_event(JOB, people.scientist.address, asset.token_id)
    assert event is not None
    assert args_of(chain, chain._escrow, "OrderPlaced", chain._gateway.result(event.tx_hash)) == {
        "jobId": JOB,
        "consumer": people.scientist.address,
        "tokenId": asset.token_id,
        "provider": people.provider.address,
        "amount": PRICE,
        "algorithm": ALGORITHM,
        "deadline": first.deadline,
        "withDatatoken": False,
    }
    settled = chain.settle([first.order_id], [], sender=people.provider)
    assert args_of(chain, chain._escrow, "OrderSettled", settled) == {
        "orderId": first.order_id,
        "owner": people.owner.address,
        "ownerAmount": PRICE * 9 // 10,
        "providerAmount": PRICE // 10,
    }
    second = place_order(chain, asset, people.scientist, job_id=TREE)
    refunded = chain.refund(second.order_id, sender=people.provider)
    expected = {"orderId": second.order_id, "consumer": people.scientist.address, "amount": PRICE}
    assert args_of(chain, chain._escrow, "OrderRefunded", refunded) == expected


def test_a_sale_of_datatokens_is_an_event(chain: ChainClient, people: People, asset: Asset) -> None:
    sold = chain.buy(asset.token_id, ONE_DATATOKEN_WEI // 2, PRICE, sender=people.scientist)
    assert args_of(chain, chain._escrow, "DatatokensSold", sold) == {
        "tokenId": asset.token_id,
        "buyer": people.scientist.address,
        "amount": ONE_DATATOKEN_WEI // 2,
        "cost": PRICE // 2,
    }


@pytest.mark.parametrize(("late", "refunds"), [(0, False), (1, True)])
def test_an_order_is_refunded_by_anyone_from_the_second_after_its_deadline(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset, late: int, *, refunds: bool
) -> None:
    order = place_order(chain, asset, people.scientist)
    set_next_time(anvil, order.deadline + late)
    if refunds:
        assert chain.refund(order.order_id, sender=people.stranger).block.time == order.deadline + 1
        return
    request(anvil.rpc_url, "evm_mine")
    with pytest.raises(ContractRefusedError, match="refunded after"):  # read at that very block
        chain._gateway.call(chain._escrow, "refund", order.order_id, block=chain.head().number)


@pytest.mark.parametrize(("early", "taken"), [(1, True), (0, False)])
def test_an_approval_holds_to_the_second_before_it_expires(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset, early: int, *, taken: bool
) -> None:
    expires = chain.head().time + 5000
    chain.approve(asset.token_id, ALGORITHM, expires, sender=people.owner)
    set_next_time(anvil, expires - early)
    request(anvil.rpc_url, "evm_mine")
    assert chain._gateway.call(chain._registry, "isApproved", asset.token_id, ALGORITHM) is taken


def test_what_was_never_ordered_can_not_end(chain: ChainClient, people: People, asset: Asset) -> None:
    assert asset.token_id == 1
    for name in ("settle", "refund"):
        with pytest.raises(ContractRefusedError) as caught:
            chain._gateway.send(chain._escrow, name, ROOT, sender=people.provider)
        assert (caught.value.name, caught.value.values["status"]) == ("EscrowOrderNotOpen", 0)
