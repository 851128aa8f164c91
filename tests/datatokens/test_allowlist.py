from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatokens.allowlist import build_proof, build_root, hash_account, is_proof
from datatokens.client import ChainClient
from datatokens.errors import AllowListInvalidError, ContractRefusedError
from datatokens.model import ONE_DATATOKEN_WEI, Asset, OrderItem, OrderStatus
from tests.chain_fixtures import ALGORITHM, JOB, PRICE, People, account_for, place_order

ACCOUNTS = [account_for(f"listed {number}").address for number in range(9)]


def order_with(chain: ChainClient, people: People, asset: Asset, proof: tuple[bytes, ...]) -> None:
    item = OrderItem(asset.token_id, PRICE, proof=proof)
    chain.order(JOB, ALGORITHM, [item], chain.head().time + 600, sender=people.scientist)


@pytest.mark.parametrize("count", range(1, 10))
def test_everybody_on_a_list_of_any_length_orders_and_nobody_else(
    chain: ChainClient, people: People, asset: Asset, count: int
) -> None:
    listed = [people.scientist.address, *ACCOUNTS[: count - 1]]
    chain.set_consumers(asset.token_id, build_root(listed), sender=people.owner)
    for account in listed:
        sale = (asset.token_id, ALGORITHM, account, build_proof(listed, account))
        assert chain._gateway.call(chain._registry, "getSale", *sale)[1] == PRICE
    stolen = build_proof(listed, people.scientist.address)
    with pytest.raises(ContractRefusedError) as caught:
        chain._gateway.call(
            chain._registry, "getSale", asset.token_id, ALGORITHM, people.stranger.address, stolen
        )
    assert caught.value.name == "RegistryNotListed"
    order_with(chain, people, asset, stolen)
    order = chain.find_order(JOB, people.scientist.address, asset.token_id)
    assert order is not None
    assert order.status is OrderStatus.OPEN


def test_a_proof_of_another_list_or_none_is_refused(chain: ChainClient, people: People, asset: Asset) -> None:
    me = people.scientist.address
    chain.set_consumers(asset.token_id, build_root([me, *ACCOUNTS]), sender=people.owner)
    for proof in ((), build_proof([me, *ACCOUNTS[:4]], me), (b"\x01" * 32,) * 4):
        with pytest.raises(ContractRefusedError) as caught:
            order_with(chain, people, asset, proof)
        assert caught.value.name == "RegistryNotListed"
    assert chain.find_order(JOB, me, asset.token_id) is None


def test_an_inner_node_of_the_tree_does_not_pass_for_an_account() -> None:
    pair = sorted(hash_account(account) for account in ACCOUNTS[:2])
    assert len(b"".join(pair)) == 64  # a leaf is hashed from 32 bytes
    with pytest.raises(ContractRefusedError):
        hash_account("0x" + b"".join(pair).hex())


def test_who_is_not_listed_buys_no_datatokens_either(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    listed = [people.scientist.address, people.owner.address]
    chain.set_consumers(asset.token_id, build_root(listed), sender=people.owner)
    with pytest.raises(ContractRefusedError) as caught:
        chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE, sender=people.stranger)
    assert caught.value.name == "RegistryNotListed"
    proof = build_proof(listed, people.scientist.address)
    chain.buy(asset.token_id, ONE_DATATOKEN_WEI, PRICE, proof=proof, sender=people.scientist)
    assert chain.token_balance(asset.datatoken, people.scientist.address) == ONE_DATATOKEN_WEI


def test_a_list_is_changed_and_lifted_by_the_owner_alone(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    first, second = build_root(ACCOUNTS[:2]), build_root(ACCOUNTS)
    with pytest.raises(ContractRefusedError) as caught:
        chain.set_consumers(asset.token_id, first, sender=people.stranger)
    assert caught.value.name == "RegistryNotOwner"
    roots = [bytes(32), first, second, bytes(32)]
    for root in roots[1:]:
        result = chain.set_consumers(asset.token_id, root if any(root) else None, sender=people.owner)
        args = chain._gateway.event_args(chain._registry, "ConsumersChanged", result.tx_hash)
        assert (args["tokenId"], bytes(args["root"])) == (asset.token_id, root)
        assert bytes(args["previousRoot"]) == roots[roots.index(root, 1) - 1]
        assert chain.get_asset(asset.token_id).consumers_root == (root if any(root) else None)
    assert place_order(chain, asset, people.scientist).status is OrderStatus.OPEN


def test_hole_7_an_empty_list_is_refused_because_no_root_means_anyone() -> None:
    with pytest.raises(AllowListInvalidError):
        build_root([])


def test_who_is_not_on_the_list_gets_no_proof() -> None:
    with pytest.raises(AllowListInvalidError):
        build_proof(ACCOUNTS[:3], ACCOUNTS[4])


@given(st.permutations(ACCOUNTS[:5]), st.integers(0, 4))
def test_the_root_is_the_same_in_whatever_order_the_accounts_are_listed(
    accounts: list[str], twice: int
) -> None:
    assert build_root([*accounts, accounts[twice].lower()]) == build_root(ACCOUNTS[:5])


@given(st.integers(1, 5), st.data())
def test_a_proof_leads_its_account_to_the_root_and_nobody_else(size: int, data: st.DataObject) -> None:
    listed = ACCOUNTS[:size]
    account = data.draw(st.sampled_from(listed))
    proof, root = build_proof(listed, account), build_root(listed)
    assert is_proof(root, proof, account)
    others = [other for other in ACCOUNTS if other != account]
    assert not any(is_proof(root, proof, other) for other in others)
