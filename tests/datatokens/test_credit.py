from __future__ import annotations

from typing import Any

import pytest
from web3 import Web3

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError, NotEnoughMoneyError
from datatokens.localchain import LocalChain
from datatokens.model import ONE_DATATOKEN_WEI, Asset
from tests.chain_fixtures import (
    ALGORITHM,
    COIN,
    JOB,
    PRICE,
    People,
    load_hostile,
    place_order,
    register_dataset,
)


def token(chain: ChainClient) -> str:
    return chain.deployment.payment_token or ""


def deploy_hostile(anvil: LocalChain, chain: ChainClient, people: People, name: str) -> Any:
    """Deploy a hostile token, of which the scientist and the stranger hold 100 and allow the escrow all."""
    web3 = Web3(Web3.HTTPProvider(anvil.rpc_url))
    artifact = load_hostile(name)
    address: Any = chain._gateway.create(
        bytes.fromhex(artifact["bytecode"].removeprefix("0x")), sender=people.stranger
    )
    contract: Any = web3.eth.contract(address=address, abi=artifact["abi"])
    for person in (people.scientist, people.stranger):
        chain._gateway.send(contract, "faucet", 100 * COIN, sender=person)
        chain._gateway.send(contract, "approve", chain.deployment.escrow, 2**256 - 1, sender=person)
    return contract


def sell_for(chain: ChainClient, people: People, payment_token: str) -> Asset:
    asset = register_dataset(chain, people, payment_token=payment_token)
    chain.approve(asset.token_id, ALGORITHM, chain.head().time + 900, sender=people.owner)
    return asset


def test_what_is_deposited_is_credit_and_can_be_withdrawn(chain: ChainClient, people: People) -> None:
    me = people.scientist.address
    before = chain.token_balance(token(chain), me)
    chain.deposit(token(chain), 10, sender=people.scientist)
    assert chain.escrow_balance(token(chain), me) == 10
    chain.withdraw(token(chain), 4, sender=people.scientist)
    assert chain.escrow_balance(token(chain), me) == 6
    assert chain.token_balance(token(chain), me) == before - 6


def test_nobody_withdraws_more_than_their_credit(chain: ChainClient, people: People) -> None:
    chain.deposit(token(chain), 10, sender=people.scientist)
    for person, amount in ((people.scientist, 11), (people.stranger, 1)):
        with pytest.raises(NotEnoughMoneyError):
            chain.withdraw(token(chain), amount, sender=person)


def test_more_than_the_balance_is_not_deposited(chain: ChainClient, people: People) -> None:
    with pytest.raises(NotEnoughMoneyError):
        chain.deposit(token(chain), 10_000 * COIN, sender=people.scientist)


def test_the_zero_address_is_no_token(chain: ChainClient, people: People) -> None:
    with pytest.raises(ContractRefusedError) as caught:
        chain._gateway.send(chain._escrow, "deposit", "0x" + "00" * 20, 1, sender=people.scientist)
    assert caught.value.name == "EscrowZeroValue"


def test_an_existing_allowance_is_used_without_a_permit(chain: ChainClient, people: People) -> None:
    contract = chain._gateway.contract("TestToken", token(chain))
    chain._gateway.send(contract, "approve", chain.deployment.escrow, 50, sender=people.scientist)
    chain.deposit(token(chain), 50, sender=people.scientist)
    assert chain._gateway.call(contract, "nonces", people.scientist.address) == 0


def test_a_token_without_permits_pays_by_an_allowance_of_exactly_the_price(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    plain = deploy_hostile(anvil, chain, people, "ReentrantToken")  # not armed: an ordinary ERC-20
    chain._gateway.send(plain, "approve", chain.deployment.escrow, 0, sender=people.scientist)
    place_order(chain, sell_for(chain, people, plain.address), people.scientist)
    assert chain.token_balance(plain.address, chain.deployment.escrow) == PRICE
    assert chain._allowance(plain.address, people.scientist) == 0


def test_a_smaller_allowance_is_taken_back_first_where_a_token_insists_on_it(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    cents = deploy_hostile(anvil, chain, people, "CentToken")
    chain._gateway.send(cents, "approve", chain.deployment.escrow, 0, sender=people.scientist)
    chain._gateway.send(cents, "approve", chain.deployment.escrow, 50, sender=people.scientist)
    chain.deposit(cents.address, 60, sender=people.scientist)
    assert chain.token_balance(cents.address, chain.deployment.escrow) == 60
    assert chain._allowance(cents.address, people.scientist) == 0


def test_a_token_that_takes_a_fee_is_refused(anvil: LocalChain, chain: ChainClient, people: People) -> None:
    fee = deploy_hostile(anvil, chain, people, "FeeToken")
    asset = sell_for(chain, people, fee.address)
    with pytest.raises(ContractRefusedError) as caught:
        chain.deposit(fee.address, 100, sender=people.scientist)
    assert (caught.value.name, caught.value.values["received"]) == ("EscrowTokenTookFee", 99)
    with pytest.raises(ContractRefusedError) as caught:
        place_order(chain, asset, people.scientist)
    assert caught.value.name == "EscrowTokenTookFee"
    assert chain.token_balance(fee.address, chain.deployment.escrow) == 0


@pytest.mark.parametrize("name", ["deposit", "withdraw", "settle", "refund", "order", "buy"])
def test_a_token_that_calls_back_into_the_escrow_is_refused(
    anvil: LocalChain, chain: ChainClient, people: People, name: str
) -> None:
    hostile = deploy_hostile(anvil, chain, people, "ReentrantToken")
    asset = sell_for(chain, people, hostile.address)
    order = place_order(chain, asset, people.scientist)
    terms: tuple[Any, ...] = (
        b"\x0c" * 32,
        ALGORITHM,
        chain.head().time + 600,
        [(asset.token_id, PRICE, False, [])],
    )
    arguments: dict[str, tuple[Any, ...]] = {
        "deposit": (hostile.address, 1),
        "withdraw": (hostile.address, 1),
        "settle": (order.order_id,),
        "refund": (order.order_id,),
        "order": (terms,),
        "buy": (asset.token_id, COIN, PRICE, []),
    }
    call = chain._escrow.encode_abi(name, arguments[name])
    chain._gateway.send(hostile, "arm", chain.deployment.escrow, call, sender=people.stranger)
    with pytest.raises(ContractRefusedError) as caught:
        chain.deposit(hostile.address, 5, sender=people.stranger)
    assert caught.value.name == "ReentrancyGuardReentrantCall"


def test_a_hostile_token_touches_no_other_tokens_credit(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    hostile = deploy_hostile(anvil, chain, people, "ReentrantToken")
    chain.deposit(token(chain), 10, sender=people.scientist)
    chain.deposit(hostile.address, 10, sender=people.stranger)
    with pytest.raises(NotEnoughMoneyError):
        chain.withdraw(token(chain), 10, sender=people.stranger)


def test_datatokens_are_bought_at_the_price_and_pay_a_later_order(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    chain.buy(asset.token_id, 2 * ONE_DATATOKEN_WEI, PRICE, sender=people.scientist)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == 2 * ONE_DATATOKEN_WEI
    assert chain.escrow_balance(token(chain), people.owner.address) == 2 * PRICE * 9 // 10
    assert chain.escrow_balance(token(chain), people.provider.address) == 2 * PRICE // 10
    chain.set_price(asset.token_id, 1000 * PRICE, sender=people.owner)
    assert place_order(chain, asset, people.scientist, with_datatoken=True).job_id == JOB


def test_a_purchase_rounds_its_cost_up_so_that_dust_is_not_free(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    before = chain.token_balance(token(chain), people.scientist.address)
    chain.set_price(asset.token_id, 3, sender=people.owner)
    chain.buy(asset.token_id, 1, 3, sender=people.scientist)
    assert chain.token_balance(token(chain), people.scientist.address) == before - 1


def test_a_purchase_above_the_buyers_price_is_refused(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    with pytest.raises(ContractRefusedError) as caught:
        chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE - 1, sender=people.scientist)
    assert caught.value.name == "EscrowPriceAboveMax"


def test_datatokens_can_be_given_to_a_colleague(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE, sender=people.scientist)
    contract = chain._gateway.contract("Datatoken", asset.datatoken)
    give = (people.stranger.address, ONE_DATATOKEN_WEI)
    chain._gateway.send(contract, "transfer", *give, sender=people.scientist)
    assert place_order(chain, asset, people.stranger, with_datatoken=True).paid_with_datatoken


def test_nobody_mints_or_burns_datatokens_directly(chain: ChainClient, people: People, asset: Asset) -> None:
    contract = chain._gateway.contract("Datatoken", asset.datatoken)
    for name in ("mint", "burn", "restore"):
        for person in people.everyone():
            with pytest.raises(ContractRefusedError) as caught:
                chain._gateway.send(contract, name, people.owner.address, 1, sender=person)
            assert caught.value.name == "DatatokenNotAuthorised"


def test_each_datatoken_has_a_permit_domain_of_its_own(chain: ChainClient, people: People) -> None:
    first, second = register_dataset(chain, people), register_dataset(chain, people)
    contracts = [chain._gateway.contract("Datatoken", item.datatoken) for item in (first, second)]
    separators = {bytes(chain._gateway.call(item, "DOMAIN_SEPARATOR")) for item in contracts}
    assert len(separators) == 2
    for asset, contract in zip((first, second), contracts, strict=True):
        chain.mint_datatoken(asset.token_id, people.scientist.address, COIN, sender=people.owner)
        chain.deposit(asset.datatoken, 1, sender=people.scientist)  # by permit
        assert chain._gateway.call(contract, "nonces", people.scientist.address) == 1
        assert chain._gateway.call(contract, "symbol") == f"SEAL-{asset.token_id}"
        assert chain._gateway.call(contract, "tokenId") == asset.token_id
