"""`sealroom provider keys|endpoint|close`: the keys that a provider signs receipts with, and the end of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionCommand, SessionGroup, pass_session
from cli.ids import ADDRESS
from cli.output import fields, say_transaction, table
from cli.times import MOMENT, Moment, format_time

if TYPE_CHECKING:
    from datatokens.model import KeySet, TxResult


def add_commands(group: click.Group) -> None:
    """Add the commands of this module to the provider group."""
    for command in (keys, endpoint, close):
        group.add_command(command)


@click.group(cls=SessionGroup)
def keys() -> None:
    """List, rotate and revoke the keys that sign receipts."""


@keys.command("list")
@click.option("--provider", "address", type=ADDRESS, metavar="ADDRESS", help="Default: the pinned provider.")
@pass_session
def list_(session: Session, address: str | None) -> None:
    """List the key sets that a provider published, as the chain has them."""
    chain, provider = session.get_chain(), address or session.get_provider()
    found, closed = chain.list_keys(provider), chain.closed_at(provider)
    rows = [
        (one.index, one.signer, _state(one), format_time(one.valid_from), _until(one), one.endpoint)
        for one in found
    ]
    document = {"provider": provider, "closed": closed, "keys": [_document(one) for one in found]}
    heading = ("KEYS", "SIGNER", "STATE", "FROM", "UNTIL", "ENDPOINT")
    end = "" if closed is None else f"\n\nclosed for good at {format_time(closed)}"
    session.output.data(document, lambda: table(heading, rows, empty="no keys were published") + end)


@keys.command("rotate")
@click.option("--lost", is_flag=True, help="The keys in use can't be opened any more.")
@pass_session
def rotate(session: Session, *, lost: bool) -> None:
    """Sign with new keys from now on; for the operator, while the worker is stopped.

    Receipts that wait are anchored first, so that those of the old keys verify for ever. Run it again if it was stopped.
    With --lost they can't be: those that wait never verify, and it is said how many.
    """
    from cli.rotating import rotate_keys

    found, result = rotate_keys(session, lost=lost)
    _tell(session, found, result)
    session.output.say("`sealroom up` starts the worker, which signs with the new keys")


@keys.command("revoke")
@click.argument("index", type=click.IntRange(0))
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME|BLOCK",
    help="When the keys were compromised: 2027-01-31, 2027-01-31T09:00:00Z, a unix time or block:NUMBER (default: now).",
)
@pass_session
def revoke(session: Session, index: int, since: Moment | None) -> None:
    """Take the trust from key set INDEX from a time on: receipts anchored since don't verify, earlier ones do.

    It can't be taken back; a later call can only name an earlier time. The chain keeps when it was said.
    """
    from cli.rotating import revoke_keys

    found, result = revoke_keys(session, index, since)
    _tell(session, found, result)


@click.command(cls=SessionCommand)
@click.argument("url")
@pass_session
def endpoint(session: Session, url: str) -> None:
    """Publish URL as the address of the provider's service; its keys stay the same."""
    from cli.rotating import move_endpoint

    found, result = move_endpoint(session, url)
    _tell(session, found, result)


@click.command(cls=SessionCommand)
@pass_session
def close(session: Session) -> None:
    """End the provider's log FOR GOOD: its receipts still verify, and none can follow."""
    from cli.rotating import close_log

    size, result = close_log(session)
    say_transaction(session.output, result, {"closed": True, "receipts": size})


def _document(one: KeySet) -> dict[str, object]:
    return {
        "index": one.index,
        "state": _state(one),
        "signer": one.signer,
        "p256": "0x" + one.p256.hex(),
        "ed25519": "0x" + one.ed25519.hex(),
        "endpoint": one.endpoint,
        "valid_from": one.valid_from,
        "valid_until": one.valid_until,
        "revoked": one.revoked,
        "revoked_at": one.revoked_at,
    }


def _state(one: KeySet) -> str:
    if one.revoked:
        return "revoked"
    return "in force" if one.valid_until is None else "ended"


def _until(one: KeySet) -> str:
    until = "-" if one.valid_until is None else format_time(one.valid_until)
    return until if one.revoked_at is None else f"{until} (said {format_time(one.revoked_at)})"


def _tell(session: Session, found: KeySet, result: TxResult | None) -> None:
    facts = _document(found)
    if result is not None:
        say_transaction(session.output, result, facts)
        return
    session.output.data({**facts, "transaction": None, "gas_used": None}, lambda: fields(facts))
