from __future__ import annotations

import io
import json

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from datatokens.model import Asset
from tests.chain_fixtures import COIN, PRICE
from tests.cli.conftest import Desk
from tests.cli.test_submitting_once import sale
from tests.provider_fixtures import new_account

__all__ = ["sale"]


class Asker:
    """Sessions of the scientist at a terminal, with what will be typed there."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self._desk = desk
        self._monkeypatch = monkeypatch

    def types(self, *lines: str) -> Session:
        self._monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        session = self.quiet()
        session.interactive = True
        return session

    def quiet(self) -> Session:
        """Return a session without a terminal, with the chain that a command would open."""
        session = self._desk.session("scientist", self._desk.lab.people.scientist)
        session._parts.pop("chain")
        return session


@pytest.fixture
def answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker(desk, monkeypatch)


def words_of(text: str) -> str:
    """Return text as it reads, however its columns are set."""
    return " ".join(text.split())


def credit_of(desk: Desk) -> int:
    chain, token = desk.lab.chain, desk.lab.chain.deployment.payment_token or ""
    return chain.escrow_balance(token, desk.lab.people.scientist.address)


def test_what_is_signed_is_shown_in_human_units_with_what_it_costs_and_a_no_sends_nothing(
    desk: Desk, answer: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    me, chain = desk.lab.people.scientist.address, desk.lab.chain
    coins = chain.native_balance(me)
    assert run(["--json", "wallet", "deposit", "2.5"], answer.types("y", "n")) is ExitCode.DENIED
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == "declined"
    permission, transaction = words_of(told.err).split("sign it?")[:2]
    assert "a permission, token.permit" in permission
    assert "2.5 tSEAL" in permission
    assert "costs nothing" in permission
    assert "a transaction, Escrow.depositWithPermit" in transaction
    assert "2.5 tSEAL" in transaction
    assert desk.lab.chain.deployment.escrow in transaction
    assert "coins for gas" in transaction
    assert (chain.native_balance(me), credit_of(desk)) == (coins, 0)


def test_a_no_to_the_permission_asks_nothing_more(
    desk: Desk, answer: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["wallet", "deposit", "2.5"], answer.types("n")) is ExitCode.DENIED
    assert capsys.readouterr().err.count("sign it?") == 1
    assert credit_of(desk) == 0


def test_no_answer_is_a_no(desk: Desk, answer: Asker) -> None:
    assert run(["wallet", "deposit", "2.5"], answer.types()) is ExitCode.INTERRUPTED
    assert credit_of(desk) == 0


def test_a_yes_signs_and_yes_on_the_command_line_is_not_asked(
    desk: Desk, answer: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["wallet", "deposit", "1"], answer.types("y", "y")) is ExitCode.OK
    assert run(["wallet", "deposit", "1", "--yes"], answer.types()) is ExitCode.OK
    told = capsys.readouterr().err
    assert told.count("sign it?") == 2
    assert told.count("Escrow.depositWithPermit") == 2
    assert credit_of(desk) == 2 * COIN


def test_without_a_terminal_it_is_shown_and_signed(
    desk: Desk, answer: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["wallet", "deposit", "1"], answer.quiet()) is ExitCode.OK
    assert "Escrow.depositWithPermit" in capsys.readouterr().err
    assert credit_of(desk) == COIN


def test_the_cost_that_is_shown_is_never_less_than_what_is_paid(
    desk: Desk, answer: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    me, chain, other = desk.lab.people.scientist.address, desk.lab.chain, new_account().address
    coins = chain.native_balance(me)
    assert run(["wallet", "send", "1", other, "--coins"], answer.quiet()) is ExitCode.OK
    told = words_of(capsys.readouterr().err)
    assert f"a transaction that sends coins to {other}" in told
    most = float(told.split("at most ")[1].split(" coins")[0])
    assert 0 < (coins - COIN - chain.native_balance(me)) / COIN <= most


def test_a_purchase_shows_price_and_datatokens_each_in_its_own_unit(
    desk: Desk, sale: Asset, answer: Asker, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.lab.chain.deposit(sale.terms.payment_token, 2 * PRICE, sender=desk.lab.people.scientist)
    assert run(["wallet", "buy", sale.asset_id, "2"], answer.types("n")) is ExitCode.DENIED
    told = words_of(capsys.readouterr().err)
    assert "amount 2 datatokens" in told
    assert "maxPrice 5 tSEAL" in told
    assert desk.lab.chain.token_balance(sale.datatoken, desk.lab.people.scientist.address) == 0
