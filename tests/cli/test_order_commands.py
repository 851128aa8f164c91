from __future__ import annotations

from pathlib import Path

import pytest

from cli.errors import ExitCode
from cli.submissions import Submission, list_open
from cli.submitting import begin_job, order_job
from datatokens.localchain import LocalChain, fund
from datatokens.model import Asset, OrderItem, OrderStatus
from policies.canonical import parse_digest
from tests.chain_fixtures import COIN, PRICE, travel
from tests.cli.conftest import DeadProvider, Desk
from tests.cli.test_refunding import DAY_S, ordered, status_of
from tests.cli.test_submitting_once import sale, scientist, write_job
from tests.cli.test_wallet_commands import ask, code_of
from tests.provider_fixtures import make_bundle, new_account

__all__ = ["ordered", "sale"]


def test_orders_are_listed_by_whoever_placed_them_without_a_provider(
    desk: Desk, sale: Asset, ordered: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = scientist(desk, transport=DeadProvider())
    (found,) = ask(alone, capsys, "order", "list")["orders"]
    expected = {
        "job_id": ordered.job_id,
        "asset_id": sale.asset_id,
        "consumer": ordered.consumer,
        "amount": "5 tSEAL",
        "amount_wei": str(PRICE),
        "state": "open",
        "refundable": False,
        "with_datatoken": False,
    }
    assert {name: found[name] for name in expected} == expected
    assert ask(alone, capsys, "order", "list", "--dataset", sale.asset_id)["orders"] == [found]
    other = desk.session("stranger", desk.lab.people.stranger)
    assert ask(other, capsys, "order", "list") == {"orders": []}


def test_an_owner_lists_the_orders_received_and_nobody_else_s(
    desk: Desk, sale: Asset, ordered: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = desk.session("owner", desk.lab.people.owner)
    (found,) = ask(owner, capsys, "order", "list", "--received")["orders"]
    assert found["job_id"] == ordered.job_id
    assert ask(scientist(desk), capsys, "order", "list", "--received") == {"orders": []}
    words = ("order", "list", "--received", "--dataset", sale.asset_id)
    assert code_of(ask(scientist(desk), capsys, *words, expect=ExitCode.DENIED)) == "not-owner"


def test_one_order_is_shown_to_whoever_names_its_consumer(
    desk: Desk, ordered: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    other = desk.session("stranger", desk.lab.people.stranger)
    absent = ask(other, capsys, "order", "show", ordered.job_id, expect=ExitCode.USAGE)
    assert code_of(absent) == "no-order"
    (found,) = ask(other, capsys, "order", "show", ordered.job_id, "--consumer", ordered.consumer)["orders"]
    assert found["provider"] == desk.lab.people.provider.address
    assert found["transaction"].startswith("0x")


def test_a_refund_waits_for_the_deadline_and_then_anyone_can_make_it(
    desk: Desk, ordered: Submission, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = desk.session("stranger", desk.lab.people.stranger, transport=DeadProvider())
    words = ("order", "refund", ordered.job_id, "--consumer", ordered.consumer)
    early = ask(stranger, capsys, *words, expect=ExitCode.DENIED)
    assert code_of(early) == "deadline-not-reached"
    travel(anvil, DAY_S + 1)
    assert ask(stranger, capsys, "order", "show", *words[2:])["orders"][0]["refundable"] is True
    (done,) = ask(stranger, capsys, *words)["orders"]
    assert done["state"] == "refunded"
    assert done["refund_transaction"].startswith("0x")
    assert status_of(desk, ordered) is OrderStatus.REFUNDED
    again = ask(stranger, capsys, *words, expect=ExitCode.DENIED)
    assert code_of(again) == "order-refunded"


def test_the_refund_of_anothers_order_for_the_same_job_leaves_ones_own_job_going_on(
    desk: Desk, sale: Asset, ordered: Submission, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job's id is no secret: whoever knows it can order under it, and let the order lapse."""
    chain, owner = desk.lab.chain, desk.lab.people.owner
    job, algorithm = bytes.fromhex(ordered.job_id), parse_digest(ordered.submission.request.algorithm)
    fund(desk.rpc_url, owner.address, COIN)
    chain.faucet(PRICE, sender=owner)
    chain.order(job, algorithm, [OrderItem(sale.token_id, PRICE)], chain.head().time + 3600, sender=owner)
    travel(anvil, DAY_S + 1)
    alone = scientist(desk, transport=DeadProvider())
    ask(alone, capsys, "order", "refund", ordered.job_id, "--consumer", owner.address)
    home, order = alone.home, ordered.order
    assert [one.job_id for one in list_open(home, order=order, consumer=ordered.consumer)] == [ordered.job_id]
    ask(scientist(desk, transport=DeadProvider()), capsys, "order", "refund", ordered.job_id)
    assert list(list_open(home, order=order, consumer=ordered.consumer)) == []


def test_a_datatoken_that_is_held_pays_a_job_and_comes_back_when_it_is_refunded(
    desk: Desk, sale: Asset, tmp_path: Path, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, me = desk.lab.chain, desk.lab.people.scientist.address
    file = write_job(tmp_path, sale, with_datatoken="true")
    desk.lab.upload(make_bundle())
    words = ("job", "submit", str(file))
    assert code_of(ask(scientist(desk), capsys, *words, expect=ExitCode.DENIED)) == "no-datatoken"
    ask(scientist(desk), capsys, "wallet", "buy", sale.asset_id)
    chain.set_price(sale.token_id, 100 * PRICE, sender=desk.lab.people.owner)
    money = chain.token_balance(sale.terms.payment_token, me)
    record = begin_job(scientist(desk), file)
    order_job(scientist(desk), record.job_id)
    (found,) = ask(scientist(desk), capsys, "order", "show", record.job_id)["orders"]
    assert (found["amount"], found["with_datatoken"], found["token"]) == (
        "one datatoken",
        True,
        sale.datatoken,
    )
    assert chain.token_balance(sale.datatoken, me) == 0
    assert chain.token_balance(sale.terms.payment_token, me) == money
    travel(anvil, DAY_S + 1)
    ask(scientist(desk), capsys, "order", "refund", record.job_id)
    assert chain.token_balance(sale.datatoken, me) == COIN


def test_a_datatoken_given_to_a_colleague_pays_the_colleague_s_job(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, colleague = desk.lab.chain, new_account()
    ask(scientist(desk), capsys, "wallet", "buy", sale.asset_id)
    ask(scientist(desk), capsys, "wallet", "send", "1", colleague.address, "--coins")
    ask(scientist(desk), capsys, "wallet", "send", "1", colleague.address, "--dataset", sale.asset_id)
    desk.lab.upload(make_bundle())
    session = desk.session("colleague", colleague)
    record = begin_job(session, write_job(tmp_path, sale), with_datatoken=True)
    order_job(session, record.job_id)
    assert status_of(desk, record) is OrderStatus.OPEN
    assert chain.token_balance(sale.datatoken, colleague.address) == 0
