"""`sealroom wallet`: money in hand and money in the escrow."""

from __future__ import annotations

import click

from cli.amounts import format_amount, parse_amount
from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.governing import get_token
from cli.ids import ADDRESS
from cli.output import fields, say_transaction


@click.group(cls=SessionGroup)
def wallet() -> None:
    """See, deposit and withdraw money."""


token_option = click.option(
    "--token",
    type=ADDRESS,
    metavar="ADDRESS",
    help="The payment token (default: the deployment's test token).",
)


@wallet.command("balance")
@token_option
@pass_session
def balance(session: Session, token: str | None) -> None:
    """Show coins, tokens, and credit in the escrow (income arrives there)."""
    chain, address, chosen = session.get_chain(), session.get_address(), get_token(session, token)
    amounts = {
        "native_wei": chain.native_balance(address),
        "token_wei": chain.token_balance(chosen, address),
        "escrow_wei": chain.escrow_balance(chosen, address),
    }
    document = {"address": address, "token": chosen, **{name: str(value) for name, value in amounts.items()}}
    words = {
        "address": address,
        "coins": format_amount(amounts["native_wei"]),
        "tokens": format_amount(amounts["token_wei"]),
        "in escrow": format_amount(amounts["escrow_wei"]),
    }
    session.output.data(document, lambda: fields(words))


@wallet.command("deposit")
@click.argument("amount")
@token_option
@pass_session
def deposit(session: Session, amount: str, token: str | None) -> None:
    """Put tokens into the escrow, to pay orders from."""
    chosen, amount_wei = get_token(session, token), parse_amount(amount)
    result = session.get_chain().deposit(chosen, amount_wei, sender=session.get_account())
    say_transaction(session.output, result, {"token": chosen, "amount_wei": str(amount_wei)})


@wallet.command("withdraw")
@click.argument("amount", required=False)
@token_option
@pass_session
def withdraw(session: Session, amount: str | None, token: str | None) -> None:
    """Take credit out of the escrow; without AMOUNT, all of it."""
    chain, chosen = session.get_chain(), get_token(session, token)
    credit = chain.escrow_balance(chosen, session.get_address())
    amount_wei = parse_amount(amount) if amount is not None else credit
    if amount_wei == 0:
        raise InputError("there is nothing to withdraw", code="nothing-to-withdraw")
    result = chain.withdraw(chosen, amount_wei, sender=session.get_account())
    say_transaction(session.output, result, {"token": chosen, "amount_wei": str(amount_wei)})
