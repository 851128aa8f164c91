"""Which token is meant, and how its amounts are read and written: symbol and decimals are the token's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.amounts import format_amount
from cli.errors import InputError
from cli.output import plain

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Token


def get_token(session: Session, address: str | None) -> Token:
    """Return the payment token to use: the one named, else the deployment's test token.

    Raises:
        InputError: there is neither.
    """
    chosen = address or session.get_deployment().payment_token
    if chosen is None:
        raise InputError("this deployment names no payment token: say which", remedy="--token ADDRESS")
    return session.get_chain().get_token(chosen)


def write_amount(amount: int, token: Token) -> str:
    """Write an amount with its token's symbol; a token without one is named by its address."""
    return f"{format_amount(amount, token.decimals)} {plain(token.symbol) or f'of token {token.address}'}"


def write_coins(amount_wei: int) -> str:
    """Write an amount of the chain's own coins."""
    return f"{format_amount(amount_wei)} coins"
