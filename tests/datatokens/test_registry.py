from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError, NoSuchAssetError
from datatokens.localchain import LocalChain
from datatokens.model import Approval, Asset
from tests.chain_fixtures import ALGORITHM, COIN, People, asset_terms, place_order, register_dataset, travel

OTHER = b"\xa2" * 32
ZERO = "0x" + "00" * 20


def test_a_registered_asset_is_read_back_as_it_was_given(chain: ChainClient, people: People) -> None:
    terms = asset_terms(chain, people)
    asset, result = chain.register(terms, sender=people.owner)
    assert asset.terms == terms
    assert (asset.owner, asset.retired) == (people.owner.address, False)
    assert chain.get_asset(asset.token_id) == asset
    assert result.gas_used < 300_000


def test_asset_ids_are_those_that_the_contract_computes(chain: ChainClient, asset: Asset) -> None:
    onchain = chain._gateway.call(chain._registry, "assetId", asset.token_id)
    assert bytes(onchain).hex() == asset.asset_id
    assert chain.find_token_id(asset.asset_id) == asset.token_id


def test_an_unknown_asset_id_is_not_found(chain: ChainClient, asset: Asset) -> None:
    assert asset.token_id == 1
    assert chain.find_token_id("00" * 32) is None


def test_token_ids_start_at_one_and_assets_are_listed_in_order(chain: ChainClient, people: People) -> None:
    assert chain.list_assets() == []
    first, second = register_dataset(chain, people), register_dataset(chain, people)
    assert [first.token_id, second.token_id] == [1, 2]
    assert chain.list_assets() == [first, second]
    assert first.datatoken != second.datatoken


@pytest.mark.parametrize("token_id", [0, 1, -1, 2**256])
def test_an_asset_that_does_not_exist_has_an_error_of_its_own(chain: ChainClient, token_id: int) -> None:
    with pytest.raises(NoSuchAssetError):
        chain.get_asset(token_id)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"provider": ZERO}, "RegistryZeroValue"),
        ({"payment_token": ZERO}, "RegistryZeroValue"),
        ({"commitment": bytes(32)}, "RegistryZeroValue"),
        ({"metadata_digest": bytes(32)}, "RegistryZeroValue"),
        ({"policy_digest": bytes(32)}, "RegistryZeroValue"),
        ({"kind": 0}, "RegistryZeroValue"),
        ({"max_deadline_s": 0}, "RegistryZeroValue"),
        ({"payment_token": "0x" + "ab" * 20}, "RegistryTokenMissing"),
        ({"provider_share_bps": 10_001}, "RegistryShareTooLarge"),
        ({"commitment": b"short"}, ""),
        ({"price_wei": 2**96}, ""),
        ({"price_wei": -1}, ""),
        ({"provider": "nobody"}, ""),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    chain: ChainClient, people: People, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(ContractRefusedError) as caught:
        register_dataset(chain, people, **changes)
    assert caught.value.name == name
    assert chain.list_assets() == []


def test_the_whole_share_and_the_largest_price_are_within_bounds(chain: ChainClient, people: People) -> None:
    asset = register_dataset(chain, people, provider_share_bps=10_000, price_wei=2**96 - 1)
    assert (asset.terms.provider_share_bps, asset.terms.price_wei) == (10_000, 2**96 - 1)


def test_a_uri_longer_than_a_slot_is_kept_whole(chain: ChainClient, people: People) -> None:
    uri = "https://hospital.example/" + "a" * 200
    assert register_dataset(chain, people, uri=uri).terms.uri == uri


def test_the_owner_changes_price_and_policy(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.set_price(asset.token_id, 7, sender=people.owner)
    chain.set_policy(asset.token_id, OTHER, sender=people.owner)
    terms = chain.get_asset(asset.token_id).terms
    assert (terms.price_wei, terms.policy_digest) == (7, OTHER)


def test_a_policy_of_nothing_is_refused(chain: ChainClient, people: People, asset: Asset) -> None:
    with pytest.raises(ContractRefusedError, match="policyDigest"):
        chain.set_policy(asset.token_id, bytes(32), sender=people.owner)


@pytest.mark.parametrize("role", ["stranger", "provider", "scientist"])
def test_nobody_but_the_owner_changes_an_asset(
    chain: ChainClient, people: People, asset: Asset, role: str
) -> None:
    sender, number = getattr(people, role), asset.token_id
    later = chain.head().time + 100
    attempts: list[Callable[[], object]] = [
        lambda: chain.set_price(number, 1, sender=sender),
        lambda: chain.set_policy(number, OTHER, sender=sender),
        lambda: chain.approve(number, OTHER, later, sender=sender),
        lambda: chain.revoke(number, ALGORITHM, sender=sender),
        lambda: chain.retire(number, sender=sender),
        lambda: chain.mint_datatoken(number, sender.address, COIN, sender=sender),
    ]
    for attempt in attempts:
        with pytest.raises(ContractRefusedError) as caught:
            attempt()
        assert caught.value.name == "RegistryNotOwner"
    assert chain.get_asset(number) == asset


def test_an_erc721_operator_moves_the_token_but_does_not_change_the_asset(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    chain._gateway.send(
        chain._registry, "approve", people.stranger.address, asset.token_id, sender=people.owner
    )
    with pytest.raises(ContractRefusedError):
        chain.set_price(asset.token_id, 1, sender=people.stranger)


def test_whoever_receives_the_data_nft_is_the_owner(chain: ChainClient, people: People, asset: Asset) -> None:
    transfer = (people.owner.address, people.stranger.address, asset.token_id)
    chain._gateway.send(chain._registry, "transferFrom", *transfer, sender=people.owner)
    chain.set_price(asset.token_id, 1, sender=people.stranger)
    with pytest.raises(ContractRefusedError):
        chain.set_price(asset.token_id, 2, sender=people.owner)
    assert chain.get_asset(asset.token_id).owner == people.stranger.address


def test_an_approval_is_found_with_its_times(chain: ChainClient, people: People, asset: Asset) -> None:
    expires = chain.head().time + 500
    result = chain.approve(asset.token_id, OTHER, expires, sender=people.owner)
    expected = Approval(OTHER, result.block.time, expires, 0)
    assert chain.find_approval(asset.token_id, OTHER) == expected
    assert [item.algorithm for item in chain.list_approvals(asset.token_id)] == [ALGORITHM, OTHER]
    assert result.gas_used < 55_000


def test_an_approval_holds_from_its_time_to_its_expiry_or_revocation() -> None:
    approval = Approval(OTHER, approved_at=100, expires_at=200, revoked_at=0)
    assert [approval.is_valid(at) for at in (99, 100, 199, 200)] == [False, True, True, False]
    revoked = Approval(OTHER, approved_at=100, expires_at=200, revoked_at=150)
    assert [revoked.is_valid(at) for at in (149, 150, 199)] == [True, False, False]


def test_what_was_never_approved_is_not_found(chain: ChainClient, asset: Asset) -> None:
    assert chain.find_approval(asset.token_id, OTHER) is None
    assert chain.find_approval(asset.token_id, OTHER, at_block=chain.head().number) is None


def test_an_approval_that_is_over_when_it_begins_is_refused(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    for expires in (0, chain.head().time - 1, chain.head().time):
        with pytest.raises(ContractRefusedError) as caught:
            chain.approve(asset.token_id, OTHER, expires, sender=people.owner)
        assert caught.value.name == "RegistryExpiryPast"


def test_an_algorithm_of_no_digest_is_refused(chain: ChainClient, people: People, asset: Asset) -> None:
    for digest in (bytes(32), b"short"):
        with pytest.raises(ContractRefusedError):
            chain.approve(asset.token_id, digest, chain.head().time + 100, sender=people.owner)


def test_an_auditor_can_tell_what_was_approved_at_an_earlier_block(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    number, expires = asset.token_id, chain.head().time + 86_400
    before = chain.head().number
    given = chain.approve(number, OTHER, expires, sender=people.owner)
    taken = chain.revoke(number, OTHER, sender=people.owner)
    again = chain.approve(number, OTHER, expires + 5, sender=people.owner)
    assert chain.find_approval(number, OTHER, at_block=before) is None
    assert chain.find_approval(number, OTHER, at_block=given.block.number) == Approval(
        OTHER, given.block.time, expires, 0
    )
    assert chain.find_approval(number, OTHER, at_block=taken.block.number) == Approval(
        OTHER, given.block.time, expires, taken.block.time
    )
    newest = chain.find_approval(number, OTHER, at_block=again.block.number)
    assert newest == chain.find_approval(number, OTHER) == Approval(OTHER, again.block.time, expires + 5, 0)


def test_revoking_what_is_not_approved_is_refused(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)
    for digest in (ALGORITHM, OTHER):
        with pytest.raises(ContractRefusedError) as caught:
            chain.revoke(asset.token_id, digest, sender=people.owner)
        assert caught.value.name == "RegistryNotApproved"


def test_hole_7_a_retired_asset_takes_no_order_approval_or_sale(
    chain: ChainClient, people: People, asset: Asset
) -> None:
    chain.retire(asset.token_id, sender=people.owner)
    assert chain.get_asset(asset.token_id).retired
    later = chain.head().time + 100
    attempts: list[Callable[[], object]] = [
        lambda: place_order(chain, asset, people.scientist),
        lambda: chain.buy(asset.token_id, COIN, 10 * COIN, sender=people.scientist),
        lambda: chain.approve(asset.token_id, OTHER, later, sender=people.owner),
        lambda: chain.mint_datatoken(asset.token_id, people.owner.address, COIN, sender=people.owner),
        lambda: chain.retire(asset.token_id, sender=people.owner),
    ]
    for attempt in attempts:
        with pytest.raises(ContractRefusedError) as caught:
            attempt()
        assert caught.value.name == "RegistryAssetRetired"


def test_hole_7_a_revoked_algorithm_takes_no_order(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)
    with pytest.raises(ContractRefusedError) as caught:
        place_order(chain, asset, people.scientist)
    assert caught.value.name == "RegistryNotApproved"


def test_hole_7_an_asset_without_approvals_takes_no_order(chain: ChainClient, people: People) -> None:
    with pytest.raises(ContractRefusedError) as caught:
        place_order(chain, register_dataset(chain, people), people.scientist)
    assert caught.value.name == "RegistryNotApproved"


def test_an_expired_approval_takes_no_order(
    anvil: LocalChain, chain: ChainClient, people: People, asset: Asset
) -> None:
    travel(anvil, 86_400)
    assert not chain._gateway.call(chain._registry, "isApproved", asset.token_id, ALGORITHM)
    with pytest.raises(ContractRefusedError) as caught:
        place_order(chain, asset, people.scientist)
    assert caught.value.name == "RegistryApprovalExpired"
