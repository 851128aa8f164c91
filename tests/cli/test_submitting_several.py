"""One job on several datasets, as its scientist's command places, limits and takes back what it pays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import ExitCode, RefusedError
from cli.jobfile import load_job_file
from cli.main import run
from cli.money import write_amount
from cli.offers import Offer, choose_items
from cli.submissions import Submission
from cli.submitting import begin_job, order_job
from datatokens.errors import ContractRefusedError
from datatokens.localchain import LocalChain, request
from datatokens.model import Asset, AssetTerms, OrderItem, OrderPlaced, OrderStatus, Token
from policies.canonical import parse_digest
from policies.errors import DocumentError
from tests.chain_fixtures import PRICE, travel
from tests.cli.conftest import DeadProvider, Desk
from tests.cli.test_submitting_once import scientist, write_job
from tests.datatokens.test_credit import deploy_hostile
from tests.provider_fixtures import make_bundle

DAY_S = 86_400
NO_ONE = "0x" + "00" * 20


@pytest.fixture
def sales(desk: Desk) -> list[Asset]:
    """Two datasets on sale, on which the algorithm is approved."""
    (Path(desk.lab.settings.data_root) / "clinic.csv").write_text("age\n1\n")
    found = [desk.lab.add_dataset(), desk.lab.add_dataset(path="clinic.csv")]
    for asset in found:
        desk.lab.approve(asset, make_bundle())
    return found


def write_several(folder: Path, assets: list[Asset], *, max_price: str = "10") -> Path:
    path = write_job(folder, assets[0], max_price=f'"{max_price}"')
    several = f"datasets: {json.dumps([asset.asset_id for asset in assets])}"
    path.write_text(path.read_text().replace(f"dataset: {assets[0].asset_id}", several))
    return path


def orders(desk: Desk, record: Submission) -> list[OrderStatus]:
    job, chain = bytes.fromhex(record.job_id), desk.lab.chain
    found = [chain.find_order(job, record.consumer, int(token_id)) for token_id in record.token_ids]
    return [order.status if order else OrderStatus.NONE for order in found]


def sent_by(desk: Desk, record: Submission) -> int:
    """Return how many transactions the scientist has sent."""
    return int(request(desk.rpc_url, "eth_getTransactionCount", record.consumer, "latest"), 16)


def test_all_datasets_of_a_job_are_ordered_in_one_transaction_with_one_permit_for_their_sum(
    desk: Desk, sales: list[Asset], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = begin_job(scientist(desk), write_several(tmp_path, sales))
    assert record.submission.request.datasets == [asset.asset_id for asset in sales]
    sent, held = (
        sent_by(desk, record),
        desk.lab.chain.token_balance(sales[0].terms.payment_token, record.consumer),
    )
    transaction = order_job(scientist(desk), record.job_id)
    assert sent_by(desk, record) == sent + 1
    assert orders(desk, record) == [OrderStatus.OPEN] * 2
    assert held - desk.lab.chain.token_balance(sales[0].terms.payment_token, record.consumer) == 2 * PRICE
    assert order_job(scientist(desk), record.job_id) == transaction
    assert sent_by(desk, record) == sent + 1
    token = desk.lab.chain.get_token(sales[0].terms.payment_token)
    assert f": {write_amount(2 * PRICE, token)}\n" in capsys.readouterr().err


def test_a_job_of_which_a_part_is_ordered_gets_the_rest_and_pays_nothing_twice(
    desk: Desk, sales: list[Asset], tmp_path: Path
) -> None:
    record = begin_job(scientist(desk), write_several(tmp_path, sales))
    algorithm, deadline = parse_digest(record.submission.request.algorithm), desk.lab.chain.head().time + 3600
    item, me = OrderItem(sales[1].token_id, PRICE), desk.lab.people.scientist
    first = desk.lab.chain.order(bytes.fromhex(record.job_id), algorithm, [item], deadline, sender=me)
    held = desk.lab.chain.token_balance(sales[0].terms.payment_token, record.consumer)
    assert order_job(scientist(desk), record.job_id) != first.tx_hash
    assert orders(desk, record) == [OrderStatus.OPEN] * 2
    assert held - desk.lab.chain.token_balance(sales[0].terms.payment_token, record.consumer) == PRICE


def test_datasets_that_are_sold_for_different_tokens_are_ordered_together(
    desk: Desk, sales: list[Asset], tmp_path: Path, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, owner = desk.lab, desk.lab.people.owner
    plain = deploy_hostile(
        anvil, lab.chain, lab.people, "ReentrantToken"
    ).address  # not armed: an ordinary one
    dearer, _ = lab.chain.register(replace(sales[1].terms, payment_token=plain), sender=owner)
    lab.approve(dearer, make_bundle())
    record = begin_job(scientist(desk), write_several(tmp_path, [sales[0], dearer], max_price="5"))
    order_job(scientist(desk), record.job_id)
    assert orders(desk, record) == [OrderStatus.OPEN] * 2
    assert lab.chain.token_balance(plain, lab.chain.deployment.escrow) == PRICE
    said = capsys.readouterr().err
    tokens = [lab.chain.get_token(token) for token in (sales[0].terms.payment_token, plain)]
    assert ", ".join(write_amount(PRICE, token) for token in tokens) in said


def test_max_price_is_for_all_datasets_together(desk: Desk, sales: list[Asset], tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        begin_job(scientist(desk), write_several(tmp_path, sales, max_price="9.9"))
    assert caught.value.code == "price-too-high"
    record = begin_job(scientist(desk), write_several(tmp_path, sales, max_price="10"))
    desk.lab.chain.set_price(sales[1].token_id, PRICE + 1, sender=desk.lab.people.owner)
    with pytest.raises(RefusedError):
        order_job(scientist(desk), record.job_id)
    assert orders(desk, record) == [OrderStatus.NONE] * 2


def test_one_dataset_that_can_not_be_ordered_leaves_none_ordered(
    desk: Desk, sales: list[Asset], tmp_path: Path
) -> None:
    record = begin_job(scientist(desk), write_several(tmp_path, sales))
    algorithm = parse_digest(record.submission.request.algorithm)
    desk.lab.chain.revoke(sales[1].token_id, algorithm, sender=desk.lab.people.owner)
    with pytest.raises(ContractRefusedError):
        order_job(scientist(desk), record.job_id)
    assert orders(desk, record) == [OrderStatus.NONE] * 2


@pytest.mark.parametrize("which", [0, 1])
def test_a_dataset_that_is_retired_or_kept_by_another_provider_is_refused_wherever_it_stands(
    desk: Desk, sales: list[Asset], tmp_path: Path, which: int
) -> None:
    lab, owner = desk.lab, desk.lab.people.owner
    elsewhere = replace(sales[which].terms, provider=lab.people.stranger.address)
    foreign, _ = lab.chain.register(elsewhere, sender=owner)
    mixed = [foreign if number == which else asset for number, asset in enumerate(sales)]
    with pytest.raises(RefusedError) as caught:
        begin_job(scientist(desk), write_several(tmp_path, mixed))
    assert caught.value.code == "wrong-provider"
    lab.chain.retire(sales[which].token_id, sender=owner)
    with pytest.raises(RefusedError) as caught:
        begin_job(scientist(desk), write_several(tmp_path, sales))
    assert caught.value.code == "asset-retired"


def test_after_the_deadline_every_order_of_a_job_is_taken_back(
    desk: Desk, sales: list[Asset], tmp_path: Path, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    record = begin_job(scientist(desk), write_several(tmp_path, sales))
    order_job(scientist(desk), record.job_id)
    alone = scientist(desk, transport=DeadProvider())
    assert run(["--json", "job", "refund", record.job_id], alone) is ExitCode.DENIED
    travel(anvil, DAY_S + 1)
    capsys.readouterr()
    alone = scientist(desk, transport=DeadProvider())
    assert run(["--json", "job", "refund", record.job_id], alone) is ExitCode.OK
    refunds = json.loads(capsys.readouterr().out)["refunds"]
    assert [refund["amount_wei"] for refund in refunds] == [str(PRICE)] * 2
    assert orders(desk, record) == [OrderStatus.REFUNDED] * 2


A, B = "aa" * 32, "bb" * 32


@pytest.mark.parametrize(
    "lines",
    [
        "",
        f"dataset: {A}\ndatasets: [{B}]\n",
        f"dataset: [{A}]\n",
        "datasets: []\n",
        f"datasets: {A}\n",
        f"datasets: [{A}, {A}]\n",
        f"datasets: {json.dumps([f'{number:064x}' for number in range(9)])}\n",
    ],
    ids=["none", "one and several", "a list of one", "no datasets", "not a list", "one twice", "nine"],
)
def test_a_job_file_names_one_dataset_or_a_list_of_up_to_eight(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "job.yaml"
    rest = 'algorithm: tiny\npurpose: DUO:0000006\nmax_price: "5"\n'
    path.write_text(f"datasets: [{A}, {B}]\n{rest}")
    assert load_job_file(path).asset_ids == [A, B]
    path.write_text(f"dataset: {A}\n{rest}")
    assert load_job_file(path).asset_ids == [A]
    path.write_text(lines + rest)
    with pytest.raises(DocumentError):
        load_job_file(path)


def offer(number: int, price_wei: int, token: str, *, placed: bool) -> Offer:
    terms = AssetTerms(1, b"", b"", b"", "", price_wei, token, NO_ONE, 0, 0)
    asset = Asset(number, "", NO_ONE, terms, NO_ONE, retired=False)
    event = OrderPlaced(b"", b"", number, NO_ONE, NO_ONE, price_wei, "0x", 0, 0, 0)
    return Offer(asset, Token(token, token, 0), event if placed else None)


OFFERS = st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["USD", "EUR"]), st.booleans()), max_size=8)


@given(OFFERS, st.integers(0, 300))
def test_no_price_that_rises_meanwhile_makes_a_job_dearer_than_max_price_in_any_token(
    rows: list[Any], limit: int
) -> None:
    offers = [offer(n, price, token, placed=placed) for n, (price, token, placed) in enumerate(rows)]
    costs = {
        token: sum(o.cost for o in offers if o.asset.terms.payment_token == token) for token in ("USD", "EUR")
    }
    if max(costs.values()) > limit:
        with pytest.raises(RefusedError):
            choose_items(offers, str(limit))
        return
    items = {item.token_id: item.max_price_wei for item in choose_items(offers, str(limit))}
    assert set(items) == {o.asset.token_id for o in offers if o.placed is None}
    for token, cost in costs.items():
        of_token = [o for o in offers if o.asset.terms.payment_token == token]
        most = sum(items.get(o.asset.token_id, o.cost) for o in of_token)
        assert cost <= most <= limit


def test_one_dataset_alone_may_cost_all_that_max_price_allows() -> None:
    (item,) = choose_items([offer(1, 3, "USD", placed=False)], "7")
    assert item.max_price_wei == 7
