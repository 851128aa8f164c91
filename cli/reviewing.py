"""Shows what is about to be signed on a chain, in human units, and on a terminal asks for a yes before it is.

Every transaction and permission passes here, whichever command makes it. Without a terminal, or with `--yes`, it is
shown and signed: a script has decided by running the command.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from cli.errors import DeclinedError
from cli.money import write_amount, write_coins
from cli.output import fields
from cli.times import format_time

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.intent import Intent
    from datatokens.model import Token

TOKEN_CONTRACT = "TestToken"  # noqa: S105 - the interface by which any ERC-20 is called
DATATOKEN, PAYMENT, ITSELF = "datatoken", "payment", "itself"
UNTOLD = frozenset({"permit_", "nonce", "proof"})
"""What says nothing to a person; a permission that goes along was shown by itself."""
TIMES = frozenset({"deadline", "expiresAt", "fromTime"})
AMOUNTS: Mapping[tuple[str, str], str] = {
    ("buy", "amount"): DATATOKEN,
    ("mintDatatoken", "amount"): DATATOKEN,
    ("register", "cap"): DATATOKEN,
    ("buy", "maxPrice"): PAYMENT,
    ("order", "maxPrice"): PAYMENT,
    ("orderWithPermit", "maxPrice"): PAYMENT,
    ("register", "price"): PAYMENT,
    ("setPrice", "price"): PAYMENT,
    ("deposit", "amount"): PAYMENT,
    ("depositWithPermit", "amount"): PAYMENT,
    ("withdraw", "amount"): PAYMENT,
    ("approve", "value"): ITSELF,
    ("faucet", "amount"): ITSELF,
    ("permit", "value"): ITSELF,
    ("transfer", "value"): ITSELF,
}
"""In which token an argument is counted: the datatoken, the payment token that the call or its asset names, or the token
that is called."""


def review(session: Session, intent: Intent) -> None:
    """Show an intent, and ask where there is somebody to ask.

    Raises:
        DeclinedError: the answer is no; nothing is signed.
    """
    session.output.say(describe(session, intent))
    ask(session)


def ask(session: Session) -> None:
    """Ask whether to sign what was shown, where there is somebody to ask.

    Raises:
        DeclinedError: the answer is no; nothing is signed.
    """
    if session.asks and not click.confirm("sign it?", default=False, err=True):
        raise DeclinedError


def describe(session: Session, intent: Intent) -> str:
    """Return what will be signed, one fact a line."""
    lines: dict[str, object] = {"to sign": _title(intent)}
    if intent.to is not None:
        lines["at" if intent.contract else "to"] = intent.to
    lines["as"] = intent.sender
    lines |= {f"  {name}": value for name, value in _arguments(session, intent, intent.arguments)}
    if intent.value_wei:
        lines["coins sent"] = write_coins(intent.value_wei)
    if intent.gas_wei is None:
        lines["costs"] = "nothing: a signature that the next transaction uses"
    else:
        lines["costs"] = f"at most {write_coins(intent.gas_wei)} for gas, at the fees of now"
    return fields(lines)


def _title(intent: Intent) -> str:
    if not intent.function:
        return "a transaction that sends coins" if not intent.arguments else "a transaction that creates code"
    name = "token" if intent.contract == TOKEN_CONTRACT else intent.contract
    kind = "a permission" if intent.gas_wei is None else "a transaction"
    return f"{kind}, {name}.{intent.function}"


def _arguments(
    session: Session, intent: Intent, arguments: Mapping[str, Any], *, prefix: str = ""
) -> Iterator[tuple[str, str]]:
    for name, value in arguments.items():
        if name in UNTOLD:
            continue
        if isinstance(value, dict):
            yield from _arguments(session, intent, value, prefix=prefix)
        elif value and isinstance(value, list) and isinstance(value[0], dict):
            for number, part in enumerate(value, start=1):
                yield from _arguments(session, intent, part, prefix=f"{number}. ")
        else:
            yield prefix + name, _word(session, intent, name, value, among=arguments)


def _word(session: Session, intent: Intent, name: str, value: object, *, among: Mapping[str, Any]) -> str:
    unit = AMOUNTS.get((intent.function, name))
    if unit is not None and isinstance(value, int):
        return write_amount(value, _unit(session, intent, unit, among))
    if name in TIMES and isinstance(value, int):
        return format_time(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (list, tuple)):
        return ", ".join(_word(session, intent, "", item, among=among) for item in value) or "none"
    return str(value)


def _unit(session: Session, intent: Intent, unit: str, among: Mapping[str, Any]) -> Token:
    chain = session.get_chain()
    if unit == ITSELF:
        return chain.get_token(intent.to or "")
    if unit == DATATOKEN:
        from datatokens.model import DATATOKEN_UNITS

        return DATATOKEN_UNITS
    permit = intent.arguments.get("permit_", {})
    named = (
        among.get("token") or among.get("paymentToken") or (None if "tokenId" in among else permit["token"])
    )
    return chain.get_token(named or chain.get_asset(among["tokenId"]).terms.payment_token)
