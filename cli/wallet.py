"""`sealroom wallet`: money in hand and money in the escrow; gifts to others, and datatokens bought ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.amounts import parse_positive
from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.ids import ADDRESS, ASSET_ID
from cli.money import get_token, write_amount, write_coins
from cli.output import fields, say_transaction

if TYPE_CHECKING:
    from datatokens.model import Token


@click.group(cls=SessionGroup)
def wallet() -> None:
    """See, move and spend money: coins, tokens, datatokens."""


token_option = click.option(
    "--token",
    type=ADDRESS,
    metavar="ADDRESS",
    help="The payment token (default: the deployment's test token).",
)


@wallet.command("balance")
@token_option
@click.option("--dataset", "asset_id", type=ASSET_ID, help="Also the datatokens of this dataset.")
@pass_session
def balance(session: Session, token: str | None, asset_id: str | None) -> None:
    """Show coins, tokens, and credit in the escrow (income arrives there)."""
    from cli.datasets import get_asset

    chain, address, chosen = session.get_chain(), session.get_address(), get_token(session, token)
    native_wei, held = chain.native_balance(address), chain.token_balance(chosen.address, address)
    credit = chain.escrow_balance(chosen.address, address)
    document = {
        "address": address,
        **_of(chosen),
        "native_wei": str(native_wei),
        "token_wei": str(held),
        "escrow_wei": str(credit),
    }
    words = {
        "address": address,
        "coins": write_coins(native_wei),
        "tokens": write_amount(held, chosen),
        "in escrow": write_amount(credit, chosen),
    }
    if asset_id is not None:
        from datatokens.model import DATATOKEN_UNITS

        datatokens = chain.token_balance(get_asset(session, asset_id).datatoken, address)
        document |= {"asset_id": asset_id, "datatokens_wei": str(datatokens)}
        words["datatokens"] = write_amount(datatokens, DATATOKEN_UNITS)
    session.output.data(document, lambda: fields(words))


@wallet.command("deposit")
@click.argument("amount")
@token_option
@pass_session
def deposit(session: Session, amount: str, token: str | None) -> None:
    """Put tokens into the escrow, to pay orders from."""
    chosen = get_token(session, token)
    units = parse_positive(amount, chosen.decimals)
    result = session.get_chain().deposit(chosen.address, units, sender=session.get_account())
    say_transaction(session.output, result, _of(chosen) | _amount(units, chosen))


@wallet.command("withdraw")
@click.argument("amount", required=False)
@token_option
@pass_session
def withdraw(session: Session, amount: str | None, token: str | None) -> None:
    """Take credit out of the escrow; without AMOUNT, all of it."""
    chain, chosen = session.get_chain(), get_token(session, token)
    credit = chain.escrow_balance(chosen.address, session.get_address())
    units = parse_positive(amount, chosen.decimals) if amount is not None else credit
    if units == 0:
        raise InputError("there is nothing to withdraw", code="nothing-to-withdraw")
    result = chain.withdraw(chosen.address, units, sender=session.get_account())
    say_transaction(session.output, result, _of(chosen) | _amount(units, chosen))


@wallet.command("send")
@click.argument("amount")
@click.argument("to")
@token_option
@click.option("--coins", is_flag=True, help="Send the chain's own coins, which pay for gas.")
@click.option("--dataset", "asset_id", type=ASSET_ID, help="Send datatokens of this dataset: one is one job.")
@pass_session
def send(
    session: Session, amount: str, to: str, *, token: str | None, coins: bool, asset_id: str | None
) -> None:
    """Send AMOUNT to TO, an address or a key name: tokens, or coins, or datatokens."""
    from cli.spending import choose_what, send_amount

    what = choose_what(session, token=token, coins=coins, asset_id=asset_id)
    units = parse_positive(amount, what.decimals)
    sent = send_amount(session, what, units, to)
    say_transaction(session.output, sent.result, {"to": sent.to, **_of(what), **_amount(units, what)})


@wallet.command("buy")
@click.argument("asset_id", type=ASSET_ID)
@click.argument("amount", default="1")
@click.option("--max-price", help="The most to pay for one datatoken (default: what it costs now).")
@pass_session
def buy(session: Session, asset_id: str, amount: str, *, max_price: str | None) -> None:
    """Buy AMOUNT datatokens of a dataset at its price, to order jobs with later or to give away; one is one job."""
    from cli.spending import buy_datatokens

    bought = buy_datatokens(session, asset_id, parse_positive(amount), max_price=max_price)
    facts = {"asset_id": asset_id, "datatokens_wei": str(bought.datatokens_wei)}
    paid = {"cost": write_amount(bought.cost, bought.token), "cost_wei": str(bought.cost)}
    say_transaction(session.output, bought.result, facts | _of(bought.token) | paid)


def _of(token: Token) -> dict[str, object]:
    return {"token": token.address, "symbol": token.symbol, "decimals": token.decimals}


def _amount(units: int, token: Token) -> dict[str, object]:
    return {"amount": write_amount(units, token), "amount_wei": str(units)}
