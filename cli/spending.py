"""Moves money that is the caller's own: gifts to others, and datatokens bought ahead of an order.

Says beforehand, in words and without spending gas, what the chain would refuse or what would only cost gas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.amounts import parse_amount
from cli.consumers import find_proof
from cli.datasets import get_asset
from cli.errors import InputError, RefusedError
from cli.money import get_token, write_amount
from cli.people import resolve_address
from datatokens.errors import NotEnoughMoneyError
from datatokens.model import ONE_DATATOKEN_WEI, Token
from datatokens.trusted import named_addresses
from datatokens.units import COIN_DECIMALS

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import TxResult

COINS = Token(address="native", symbol="coins", decimals=COIN_DECIMALS)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: to whom, and the transaction."""

    to: str
    result: TxResult


@dataclass(frozen=True, slots=True)
class Bought:
    """Datatokens that were bought, and what they cost in units of `token`."""

    datatokens_wei: int
    cost: int
    token: Token
    result: TxResult


def choose_what(session: Session, *, token: str | None, coins: bool, asset_id: str | None) -> Token:
    """Return what is to be sent: coins, the datatokens of an asset, or a payment token.

    Raises:
        InputError: more than one was named.
    """
    if sum((token is not None, coins, asset_id is not None)) > 1:
        raise InputError("say one thing to send: --token, --coins or --dataset", code="usage")
    if coins:
        return COINS
    if asset_id is not None:
        return session.get_chain().get_token(get_asset(session, asset_id).datatoken)
    return get_token(session, token)


def send_amount(session: Session, what: Token, units: int, to: str) -> Sent:
    """Send coins or tokens to an address or a key name.

    Raises:
        AccountUnknownError, InputError: nobody is meant by `to`, or its checksum is wrong.
        RefusedError: it is the sender's own account, or a contract that would never give it back.
        NotEnoughMoneyError: the sender has less.
    """
    chain, address = session.get_chain(), resolve_address(session.home, to)
    _check_recipient(session, what, address)
    if what is COINS:
        available = chain.native_balance(session.get_address())
        if available < units:
            raise NotEnoughMoneyError(
                session.get_address(), asset="native", needed_wei=units, available_wei=available
            )
        return Sent(address, chain.send_coins(address, units, sender=session.get_account()))
    return Sent(address, chain.send_token(what.address, address, units, sender=session.get_account()))


def buy_datatokens(session: Session, asset_id: str, datatokens_wei: int, *, max_price: str | None) -> Bought:
    """Buy datatokens at the price that stands; the money is the owner's, the provider's and the community's at once.

    Raises:
        InputError: the registry has no such asset, or `max_price` is no amount of its payment token.
        RefusedError: it is retired, costs more than allowed, or the caller isn't on its allow-list.
        NotEnoughMoneyError: credit and balance together are less than the cost.
    """
    chain, asset = session.get_chain(), get_asset(session, asset_id)
    if asset.retired:
        raise RefusedError(f"dataset {asset_id} is retired: nothing can be bought", code="asset-retired")
    token, price = chain.get_token(asset.terms.payment_token), asset.terms.price_wei
    most = price if max_price is None else parse_amount(max_price, token.decimals)
    if price > most:
        raise RefusedError(
            f"price: at most {write_amount(most, token)} was allowed,"
            f" one datatoken costs {write_amount(price, token)}",
            code="price-too-high",
            remedy="raise --max-price, or ask the owner",
        )
    cost = -(-datatokens_wei * price // ONE_DATATOKEN_WEI)
    session.output.say(f"buying at {write_amount(price, token)} each: {write_amount(cost, token)} in all")
    proof, account = find_proof(session, asset), session.get_account()
    result = chain.buy(asset.token_id, datatokens_wei, price, sender=account, proof=proof)
    return Bought(datatokens_wei, cost, token, result)


def _check_recipient(session: Session, what: Token, address: str) -> None:
    deployment = session.get_deployment()
    contracts = {*named_addresses(deployment).values(), what.address}
    if address.lower() == session.get_address().lower():
        raise RefusedError(
            "the account to send to is the one that sends: only gas would be spent",
            code="self-send",
            remedy="name somebody else's address",
        )
    if int(address, 16) == 0 or address.lower() in {item.lower() for item in contracts}:
        raise RefusedError(
            f"what is sent to {address} is lost: nobody can take it out of there",
            code="recipient-invalid",
            remedy="`sealroom wallet deposit` pays into the escrow; else name a person's address",
        )
