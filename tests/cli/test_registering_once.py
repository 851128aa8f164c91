from __future__ import annotations

from dataclasses import replace

import pytest

from cli.context import Session
from cli.datasets import NewDataset, check_view, register_dataset
from cli.errors import ApiError, MismatchError
from datatokens.model import Asset
from policies.errors import DocumentError
from provider.wire import DatasetsView, DatasetView
from tests.chain_fixtures import PRICE
from tests.cli.conftest import Desk, DyingTransport
from tests.provider_fixtures import POLICY


def make_offer(desk: Desk) -> NewDataset:
    return NewDataset(
        path="wards.csv",
        name="Wards",
        description="",
        policy=POLICY,
        price_wei=PRICE,
        payment_token=desk.lab.chain.get_token(desk.lab.chain.deployment.payment_token or ""),
        provider_share_bps=0,
        max_deadline_s=86_400,
    )


def owner_session(desk: Desk) -> Session:
    return desk.session("owner", desk.lab.people.owner)


def published(desk: Desk) -> list[DatasetView]:
    return owner_session(desk).get_api().get_model("/v1/datasets", DatasetsView).datasets


def test_a_dataset_is_registered_in_one_transaction_and_shown_as_the_chain_has_it(desk: Desk) -> None:
    done = register_dataset(owner_session(desk), make_offer(desk))
    assert done.transaction is not None
    assert published(desk) == [done.view]
    check_view(done.view, desk.lab.chain.get_asset(int(done.view.token_id)))
    assert desk.lab.client.get(f"/v1/datasets/{done.view.asset_id}/policy").text == POLICY


def test_hole_21_a_registration_killed_before_publishing_is_finished_and_not_doubled(desk: Desk) -> None:
    dying = DyingTransport(desk.transport(), b"dataset.publish")
    with pytest.raises(KeyboardInterrupt):
        register_dataset(desk.session("owner", desk.lab.people.owner, transport=dying), make_offer(desk))
    assert len(desk.lab.chain.list_assets()) == 1
    done = register_dataset(owner_session(desk), make_offer(desk))
    assert done.transaction is None
    assert len(desk.lab.chain.list_assets()) == 1
    assert published(desk) == [done.view]


def test_a_path_outside_the_data_root_registers_nothing(desk: Desk) -> None:
    with pytest.raises(ApiError) as caught:
        register_dataset(owner_session(desk), replace(make_offer(desk), path="../secret.csv"))
    assert caught.value.code == "dataset-outside-root"
    assert desk.lab.chain.list_assets() == []


@pytest.mark.parametrize("name", ["", "x" * 101, "half a letter \udcff"])
def test_a_name_that_can_not_be_one_is_told_before_anything_is_sent(desk: Desk, name: str) -> None:
    with pytest.raises(DocumentError, match="dataset: name"):
        register_dataset(owner_session(desk), replace(make_offer(desk), name=name))
    assert desk.lab.chain.list_assets() == []


def test_whoever_was_not_allowed_to_offer_data_registers_nothing(desk: Desk) -> None:
    session = desk.session("stranger", desk.lab.people.stranger)
    with pytest.raises(ApiError) as caught:
        register_dataset(session, make_offer(desk))
    assert caught.value.status == 403
    assert desk.lab.chain.list_assets() == []


@pytest.mark.parametrize(
    "change",
    [
        {"price_wei": "1"},
        {"policy_digest": "sha256:" + "00" * 32},
        {"commitment": "sha256:" + "00" * 32},
        {"owner": "0x" + "00" * 20},
        {"provider": "0x" + "00" * 20},
        {"retired": True},
        {"asset_id": "00" * 32},
    ],
)
def test_hole_2_what_a_provider_says_of_a_dataset_must_be_what_the_chain_says(
    desk: Desk, change: dict[str, object]
) -> None:
    asset: Asset = desk.lab.add_dataset()
    (view,) = published(desk)
    check_view(view, asset)
    with pytest.raises(MismatchError):
        check_view(DatasetView.model_validate(view.model_dump() | change), asset)
