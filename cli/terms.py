"""`sealroom dataset allow|policy|history`: who may order, under which policy, and how that came about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import InputError
from cli.ids import ASSET_ID
from cli.output import Document, fields, say_transaction, table

if TYPE_CHECKING:
    from datatokens.model import TxResult

ANYONE = "anyone may order: there is no allow-list"


def add_commands(group: click.Group) -> None:
    """Add the commands of this module to the dataset group."""
    for command in (allow, policy, history):
        group.add_command(command)


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID)
@click.argument("who", nargs=-1)
@click.option(
    "--file", type=click.Path(path_type=Path), help="A file of addresses, one to a line; # begins a comment."
)
@click.option("--anyone", is_flag=True, help="Let anyone order.")
@click.option(
    "--for-policy", is_flag=True, help="The list is one that a policy names; the chain's stays as it is."
)
@click.option("--show", is_flag=True, help="Show who may order; changes nothing.")
@pass_session
def allow(
    session: Session,
    asset_id: str,
    who: tuple[str, ...],
    *,
    file: Path | None,
    anyone: bool,
    for_policy: bool,
    show: bool,
) -> None:
    """Let only WHO (addresses or key names) order and buy; the list given takes the place of the one before.

    The provider keeps the list, to give each account on it its own proof; the chain has the list's Merkle root. Orders
    already placed stay. With --for-policy the provider alone gets the list, for a policy whose `people.consumers` has its
    root, which `sealroom policy root` prints.
    """
    from cli.consumers import allow_anyone, allow_only, keep_list, list_consumers, read_consumers
    from cli.datasets import get_asset

    if sum((bool(who) or file is not None, anyone, show)) != 1:
        raise InputError("say one thing: accounts (or --file), --anyone, or --show", code="usage")
    asset = get_asset(session, asset_id)
    if show:
        listed = list_consumers(session, asset)
        words = ANYONE if listed is None else "\n".join(listed)
        session.output.data({"asset_id": asset_id, "consumers": listed}, lambda: words)
        return
    if anyone:
        _tell(session, allow_anyone(session, asset), {"asset_id": asset_id, "consumers": None})
        return
    accounts = read_consumers(session, who, file)
    if for_policy:
        facts = {"asset_id": asset_id, "root": keep_list(session, asset, accounts), "consumers": accounts}
        session.output.data(facts, lambda: fields(facts))
        return
    session.output.say(f"{len(accounts)} accounts may order:\n" + "\n".join(f"  {one}" for one in accounts))
    _tell(session, allow_only(session, asset, accounts), {"asset_id": asset_id, "consumers": accounts})


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID)
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def policy(session: Session, asset_id: str, file: Path) -> None:
    """Put the policy in FILE in place of the one before; jobs that wait or are queued are decided by it."""
    from cli.governing import change_policy, read_policy

    digest, result = change_policy(session, asset_id, read_policy(file))
    _tell(session, result, {"asset_id": asset_id, "policy_digest": digest})


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID)
@pass_session
def history(session: Session, asset_id: str) -> None:
    """Show, from the chain alone, what a dataset's owners did: registration, policies, prices, lists, approvals."""
    from cli.histories import list_history

    steps = list_history(session, asset_id)
    rows = [(step.time, step.block, step.what, step.detail) for step in steps]
    document = {"asset_id": asset_id, "history": [step.to_json() for step in steps]}
    session.output.data(document, lambda: table(("TIME", "BLOCK", "WHAT", "DETAIL"), rows))


def _tell(session: Session, result: TxResult | None, facts: Document) -> None:
    if result is not None:
        say_transaction(session.output, result, facts)
        return
    session.output.say("that is what stands on chain already: nothing was sent")
    document = {**facts, "transaction": None, "gas_used": None}
    session.output.data(document, lambda: fields(document))
