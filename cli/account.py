"""`sealroom account`: keys as encrypted V3 keystores in the home folder."""

from __future__ import annotations

import click

from cli.amounts import format_amount, parse_amount
from cli.context import Session, SessionGroup, pass_session
from cli.errors import AccountUnknownError, RefusedError
from cli.output import fields, table


@click.group(cls=SessionGroup)
def account() -> None:
    """Make, list and fund keys."""


@account.command("new")
@click.argument("name")
@pass_session
def new(session: Session, name: str) -> None:
    """Make a new key, stored encrypted under NAME."""
    from datatokens.accounts import create_keystore, list_accounts

    if name in list_accounts(session.home.keys):
        raise RefusedError(f"there is a key named {name} already; keys are never overwritten")
    password = session.passwords.get_password(f"key {name}", new=True)
    address = create_keystore(session.home.keys, name, password)
    session.output.data({"name": name, "address": address}, lambda: f"{name}  {address}")


@account.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the keys of this home folder."""
    from datatokens.accounts import list_accounts

    found = list_accounts(session.home.keys)
    document = {"accounts": [{"name": name, "address": address} for name, address in found.items()]}
    empty = "no keys yet: run `sealroom account new NAME`"
    session.output.data(document, lambda: table(("NAME", "ADDRESS"), list(found.items()), empty=empty))


@account.command("show")
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show the address of one key."""
    from datatokens.accounts import list_accounts

    address = list_accounts(session.home.keys).get(name)
    if address is None:
        raise AccountUnknownError(f"there is no key named {name!r} in this home folder")
    session.output.data(
        {"name": name, "address": address}, lambda: fields({"name": name, "address": address})
    )


@account.command("fund")
@click.argument("name")
@click.option("--native", default="10", show_default=True, help="Coins for gas.")
@click.option("--tokens", default="100", show_default=True, help="Test tokens to pay for jobs with.")
@pass_session
def fund(session: Session, name: str, native: str, tokens: str) -> None:
    """Give a key coins and test tokens; works on the local chain only."""
    from cli.funding import fund_account

    session.account_name = name
    balances = fund_account(session, native_wei=parse_amount(native), token_wei=parse_amount(tokens))
    document = {"name": name, "native_wei": str(balances.native_wei), "token_wei": str(balances.token_wei)}
    session.output.data(
        document,
        lambda: fields(
            {"coins": format_amount(balances.native_wei), "test tokens": format_amount(balances.token_wei)}
        ),
    )
