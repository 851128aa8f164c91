from __future__ import annotations

import json
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from datatokens.client import ChainClient
from datatokens.ethkeys import LocalAccount
from datatokens.model import Asset
from tests.chain_fixtures import COIN, PRICE, load_hostile
from tests.cli.conftest import Desk
from tests.cli.test_submitting_once import sale, scientist
from tests.provider_fixtures import new_account

__all__ = ["sale"]


def ask(
    session: Session, capsys: pytest.CaptureFixture[str], *words: str, expect: ExitCode = ExitCode.OK
) -> Any:
    """Run a command and return the document that it prints."""
    code = run(["--json", *words], session)
    document = json.loads(capsys.readouterr().out)
    assert code is expect, document
    return document


def code_of(document: Any) -> str:
    return str(document["error"]["code"])


def make_cents(chain: ChainClient, holder: LocalAccount) -> str:
    """Deploy a token with six decimals, of which `holder` has 100."""
    artifact = load_hostile("CentToken")
    code = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
    address: str = chain._gateway.create(code, sender=holder)
    faucet = keccak(text="faucet(uint256)")[:4] + (100 * 10**6).to_bytes(32)
    chain._gateway.execute(address, faucet, sender=holder)
    return address


def test_a_balance_says_coins_tokens_credit_and_datatokens_with_their_units(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    me = desk.lab.people.scientist.address
    desk.lab.chain.mint_datatoken(sale.token_id, me, 3 * COIN, sender=desk.lab.people.owner)
    found = ask(scientist(desk), capsys, "wallet", "balance", "--dataset", sale.asset_id)
    assert (found["symbol"], found["decimals"]) == ("tSEAL", 18)
    assert found["token_wei"] == str(1000 * COIN)
    assert found["datatokens_wei"] == str(3 * COIN)
    assert run(["wallet", "balance"], scientist(desk)) is ExitCode.OK
    assert "1000 tSEAL" in capsys.readouterr().out


def test_a_token_that_does_not_say_its_decimals_is_counted_in_its_units(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = desk.lab.chain.deployment.registry  # it has balances, and no decimals
    found = ask(scientist(desk), capsys, "wallet", "balance", "--token", silent)
    assert (found["symbol"], found["decimals"]) == ("", 0)
    assert run(["wallet", "balance", "--token", silent], scientist(desk)) is ExitCode.OK
    assert f"0 of token {silent}" in capsys.readouterr().out


def test_tokens_coins_and_datatokens_are_sent_to_a_colleague(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, me, other = desk.lab.chain, desk.lab.people.scientist, new_account().address
    chain.mint_datatoken(sale.token_id, me.address, 2 * COIN, sender=desk.lab.people.owner)
    done = ask(scientist(desk), capsys, "wallet", "send", "2.5", other)
    assert (done["to"], done["amount"], done["amount_wei"]) == (other, "2.5 tSEAL", str(5 * COIN // 2))
    ask(scientist(desk), capsys, "wallet", "send", "1", other, "--coins")
    ask(scientist(desk), capsys, "wallet", "send", "1", other, "--dataset", sale.asset_id)
    assert chain.token_balance(sale.terms.payment_token, other) == 5 * COIN // 2
    assert chain.native_balance(other) == COIN
    assert chain.token_balance(sale.datatoken, other) == COIN


@pytest.mark.parametrize("mood", [3, 5], ids=["moves nothing", "returns false"])
def test_what_a_token_does_not_move_is_not_told_as_sent(
    desk: Desk, capsys: pytest.CaptureFixture[str], mood: int
) -> None:
    chain, me = desk.lab.chain, desk.lab.people.scientist
    artifact = load_hostile("HostileToken")
    token: str = chain._gateway.create(bytes.fromhex(artifact["bytecode"][2:]), sender=me)
    for call in (
        keccak(text="faucet(address,uint256)")[:4] + encode(["address", "uint256"], [me.address, 5 * COIN]),
        keccak(text="become(uint8,address,bytes)")[:4]
        + encode(["uint8", "address", "bytes"], [mood, me.address, b""]),
    ):
        chain._gateway.execute(token, call, sender=me)
    words = ("wallet", "send", "1", new_account().address, "--token", token)
    assert code_of(ask(scientist(desk), capsys, *words, expect=ExitCode.DENIED)) == "transaction-failed"


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (["0"], "amount-zero", ExitCode.USAGE),
        (["0.0000000000000000001"], "amount-invalid", ExitCode.USAGE),
        (["1e3"], "amount-invalid", ExitCode.USAGE),
        (["1001"], "not-enough-money", ExitCode.DENIED),
        (["2000", "--coins"], "not-enough-money", ExitCode.DENIED),
        (["1", "--dataset", "DATASET"], "not-enough-money", ExitCode.DENIED),
        (["1", "--coins", "--dataset", "DATASET"], "usage", ExitCode.USAGE),
    ],
)
def test_what_can_not_be_sent_is_refused_with_the_reason(
    desk: Desk,
    sale: Asset,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: str,
    exit_code: ExitCode,
) -> None:
    amount, *rest = [sale.asset_id if word == "DATASET" else word for word in words]
    me, coins = desk.lab.people.scientist.address, desk.lab.chain.native_balance
    before = coins(me)
    found = ask(
        scientist(desk), capsys, "wallet", "send", amount, new_account().address, *rest, expect=exit_code
    )
    assert code_of(found) == code
    assert coins(me) == before


def test_money_is_not_sent_to_oneself_to_nobody_or_to_a_contract_that_keeps_it(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment = desk.lab.chain.deployment
    refused = ExitCode.DENIED
    myself = ask(scientist(desk), capsys, "wallet", "send", "1", "scientist", expect=refused)
    assert code_of(myself) == "self-send"
    for address in ("0x" + "00" * 20, deployment.escrow, deployment.payment_token or ""):
        found = ask(scientist(desk), capsys, "wallet", "send", "1", address, expect=refused)
        assert code_of(found) == "recipient-invalid"


def test_an_address_with_a_wrong_checksum_is_refused_wherever_it_is_typed(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    right = new_account().address
    wrong = right[:2] + right[2:].swapcase()
    found = ask(scientist(desk), capsys, "wallet", "send", "1", wrong, expect=ExitCode.USAGE)
    assert code_of(found) == "address-checksum"
    told = ask(scientist(desk), capsys, "wallet", "balance", "--token", wrong, expect=ExitCode.USAGE)
    assert "checksum" in told["error"]["message"]
    done = ask(scientist(desk), capsys, "wallet", "send", "1", right.lower())
    assert done["to"] == right


def test_who_has_no_coins_for_gas_is_told_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    poor = new_account()
    desk.lab.chain.send_token(
        desk.lab.chain.deployment.payment_token or "", poor.address, COIN, sender=desk.lab.people.scientist
    )
    session = desk.session("poor", poor)
    found = ask(session, capsys, "wallet", "send", "1", new_account().address, expect=ExitCode.DENIED)
    assert code_of(found) == "not-enough-money"
    assert "for gas" in found["error"]["message"]


def test_datatokens_are_bought_at_the_price_and_pay_a_later_order(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, me = desk.lab.chain, desk.lab.people.scientist.address
    held = chain.token_balance(sale.terms.payment_token, me)
    done = ask(scientist(desk), capsys, "wallet", "buy", sale.asset_id, "2", "--max-price", "5")
    assert (done["cost"], done["cost_wei"]) == ("10 tSEAL", str(2 * PRICE))
    assert chain.token_balance(sale.datatoken, me) == 2 * COIN
    assert chain.token_balance(sale.terms.payment_token, me) == held - 2 * PRICE


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["1", "--max-price", "4.9"], "price-too-high"),
        (["1000"], "not-enough-money"),
        (["0"], "amount-zero"),
    ],
)
def test_a_purchase_that_can_not_be_is_refused_before_it_is_sent(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str], words: list[str], code: str
) -> None:
    expect = ExitCode.USAGE if code == "amount-zero" else ExitCode.DENIED
    found = ask(scientist(desk), capsys, "wallet", "buy", sale.asset_id, *words, expect=expect)
    assert code_of(found) == code


def test_nothing_is_bought_of_a_retired_dataset(
    desk: Desk, sale: Asset, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.lab.chain.retire(sale.token_id, sender=desk.lab.people.owner)
    found = ask(scientist(desk), capsys, "wallet", "buy", sale.asset_id, expect=ExitCode.DENIED)
    assert code_of(found) == "asset-retired"


def test_amounts_of_a_token_with_six_decimals_are_read_and_written_with_six(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, me, other = desk.lab.chain, desk.lab.people.scientist, new_account().address
    cents = make_cents(chain, me)
    found = ask(scientist(desk), capsys, "wallet", "balance", "--token", cents)
    assert (found["symbol"], found["decimals"], found["token_wei"]) == ("tCENT", 6, str(100 * 10**6))
    done = ask(scientist(desk), capsys, "wallet", "deposit", "12.5", "--token", cents)
    assert (done["amount"], done["amount_wei"]) == ("12.5 tCENT", "12500000")
    assert chain.escrow_balance(cents, me.address) == 12_500_000
    ask(scientist(desk), capsys, "wallet", "withdraw", "--token", cents)
    ask(scientist(desk), capsys, "wallet", "send", "0.000001", other, "--token", cents)
    assert chain.token_balance(cents, other) == 1
    finer = ask(
        scientist(desk), capsys, "wallet", "send", "0.0000001", other, "--token", cents, expect=ExitCode.USAGE
    )
    assert "the token has 6" in finer["error"]["message"]
    poor = ask(scientist(desk), capsys, "wallet", "deposit", "101", "--token", cents, expect=ExitCode.DENIED)
    assert "expected at least 101 tCENT, got 99.999999" in poor["error"]["message"]
