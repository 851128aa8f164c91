from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.submissions import Submission
from cli.submitting import begin_job, order_job
from cli.times import format_time
from datatokens.localchain import LocalChain
from datatokens.model import Asset, OrderStatus
from tests.chain_fixtures import PRICE, travel
from tests.cli.conftest import DeadProvider, Desk
from tests.cli.test_submitting_once import sale, scientist, write_job

__all__ = ["sale"]
DAY_S = 86_400


@pytest.fixture
def ordered(desk: Desk, sale: Asset, tmp_path: Path) -> Submission:
    """A job that was paid, whose provider then went away."""
    record = begin_job(scientist(desk), write_job(tmp_path, sale))
    order_job(scientist(desk), record.job_id)
    return record


def alone(desk: Desk) -> Session:
    return scientist(desk, transport=DeadProvider())


def status_of(desk: Desk, record: Submission) -> OrderStatus:
    order = desk.lab.chain.find_order(bytes.fromhex(record.job_id), record.consumer, int(record.token_ids[0]))
    return order.status if order else OrderStatus.NONE


def read_error(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(capsys.readouterr().out)["error"]
    return error


def test_hole_19_a_consumer_takes_the_money_back_from_a_provider_that_never_answers(
    desk: Desk, sale: Asset, ordered: Submission, anvil: LocalChain, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, token, me = desk.lab.chain, sale.terms.payment_token, ordered.consumer
    credit, held = chain.escrow_balance(token, me), chain.token_balance(token, me)
    travel(anvil, DAY_S + 1)
    assert run(["--json", "job", "refund", ordered.job_id], alone(desk)) is ExitCode.OK
    told = capsys.readouterr()
    (document,) = json.loads(told.out)["refunds"]
    assert document["amount_wei"] == str(PRICE)
    assert re.fullmatch(r"0x[0-9a-f]{64}", document["transaction"])
    assert document["gas_used"] > 0
    assert "`sealroom wallet withdraw`" in told.err
    assert status_of(desk, ordered) is OrderStatus.REFUNDED
    assert chain.escrow_balance(token, me) == credit + PRICE
    assert run(["wallet", "withdraw"], alone(desk)) is ExitCode.OK
    assert chain.token_balance(token, me) == held + PRICE


def test_hole_19_a_refund_before_the_deadline_says_when_it_will_be_possible(
    desk: Desk, ordered: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    order = desk.lab.chain.find_order(
        bytes.fromhex(ordered.job_id), ordered.consumer, int(ordered.token_ids[0])
    )
    assert order is not None
    assert run(["--json", "job", "refund", ordered.job_id], alone(desk)) is ExitCode.DENIED
    error = read_error(capsys)
    assert error["code"] == "deadline-not-reached"
    assert format_time(order.deadline) in error["message"]
    assert status_of(desk, ordered) is OrderStatus.OPEN


@pytest.mark.parametrize("ending", ["settled", "refunded"])
def test_an_order_that_has_ended_is_not_refunded_and_how_it_ended_is_told(
    desk: Desk, ordered: Submission, anvil: LocalChain, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    order = desk.lab.chain.find_order(
        bytes.fromhex(ordered.job_id), ordered.consumer, int(ordered.token_ids[0])
    )
    assert order is not None
    ran, not_run = ([order.order_id], []) if ending == "settled" else ([], [order.order_id])
    desk.lab.chain.settle(ran, not_run, sender=desk.lab.people.provider)
    travel(anvil, DAY_S + 1)
    assert run(["--json", "job", "refund", ordered.job_id], alone(desk)) is ExitCode.DENIED
    error = read_error(capsys)
    assert error["code"] == f"order-{ending}"
    assert ending in error["message"]


def test_a_job_without_an_order_has_nothing_to_refund(
    desk: Desk, sale: Asset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = begin_job(scientist(desk), write_job(tmp_path, sale))
    assert run(["--json", "job", "refund", record.job_id], alone(desk)) is ExitCode.DENIED
    assert read_error(capsys)["code"] == "no-order"


def test_a_job_that_this_home_never_made_can_not_be_refunded_here(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--json", "job", "refund", "ab" * 32], alone(desk)) is ExitCode.USAGE
    assert read_error(capsys)["code"] == "job-unknown"


def test_a_deadline_is_told_in_iso_time_and_one_that_no_calendar_holds_as_it_is() -> None:
    assert format_time(0) == "1970-01-01T00:00:00Z"
    assert format_time(2**40 - 1) == f"unix time {2**40 - 1}"
