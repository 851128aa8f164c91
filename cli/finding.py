"""`sealroom dataset list|search|show`: which datasets there are, at every provider that the chain knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cli.amounts import parse_amount
from cli.context import Session, SessionCommand, pass_session
from cli.errors import ExitCode, InputError
from cli.ids import ADDRESS, ASSET_ID, PURPOSE

if TYPE_CHECKING:
    from cli.discovery import Discovery
    from datatokens.model import Asset

provider_option = click.option("--provider", type=ADDRESS, metavar="ADDRESS", help="Only of this provider.")
all_option = click.option("--all", "with_retired", is_flag=True, help="Retired ones too.")


def add_commands(group: click.Group) -> None:
    """Add the commands of this module to the dataset group."""
    for command in (list_, search, show):
        group.add_command(command)


@click.command("list", cls=SessionCommand)
@provider_option
@click.option("--mine", is_flag=True, help="Only those that you own.")
@all_option
@pass_session
def list_(session: Session, provider: str | None, *, mine: bool, with_retired: bool) -> ExitCode:
    """List the datasets on the chain, with the names that their providers give them.

    A description that isn't the one on chain isn't used, and a provider that doesn't answer is said to be silent; exits 5
    when none answers.
    """
    from cli.descriptions import Kind
    from cli.discovery import discover
    from cli.entries import entry_document, entry_table, provider_documents, silence

    owner = session.get_address().lower() if mine else None
    assets = _list_assets(session, provider, owner=owner, with_retired=with_retired)
    found = discover(session, assets, kinds=[Kind.METADATA])
    document = {
        "datasets": [entry_document(entry) for entry in found.entries],
        "providers": provider_documents(found),
    }
    session.output.data(
        document, lambda: entry_table(found.entries, empty="no datasets yet") + silence(found)
    )
    return _exit_code(found)


@click.command(cls=SessionCommand)
@click.argument("words", nargs=-1)
@click.option(
    "--purpose", type=PURPOSE, metavar="TERM", help="The policy allows this purpose, such as DUO:0000006."
)
@click.option(
    "--max-price", metavar="TOKENS", help="A job costs at most this, in the dataset's payment token."
)
@click.option(
    "--min-size", type=click.IntRange(0), metavar="BYTES", help="All files together are no smaller."
)
@click.option("--max-size", type=click.IntRange(0), metavar="BYTES", help="All files together are no larger.")
@click.option(
    "--column", "columns", multiple=True, metavar="NAME", help="It has this column; repeat for more."
)
@click.option(
    "--runtime",
    type=click.Choice(["gvisor", "runc"]),
    help="The provider has it and the policy lets jobs run on it.",
)
@provider_option
@all_option
@pass_session
def search(  # noqa: PLR0913 - one argument per option
    session: Session,
    words: tuple[str, ...],
    *,
    purpose: str | None,
    max_price: str | None,
    min_size: int | None,
    max_size: int | None,
    columns: tuple[str, ...],
    runtime: str | None,
    provider: str | None,
    with_retired: bool,
) -> ExitCode:
    """Find datasets whose name or description has all WORDS, and which are all that the options say.

    What can't be judged, because a provider doesn't answer or its description isn't the one on chain, is listed apart.
    """
    from cli.criteria import Criteria, matches
    from cli.discovery import discover
    from cli.entries import entry_document, entry_table, provider_documents, silence
    from policies.runtimes import GVISOR

    criteria = Criteria(
        words=words,
        columns=columns,
        min_size_bytes=min_size,
        max_size_bytes=max_size,
        purpose=_check_purpose(purpose),
        runtime=GVISOR if runtime == "gvisor" else runtime,
        max_price=None if max_price is None else parse_amount(max_price),
    )
    found = discover(session, _list_assets(session, provider, with_retired=with_retired))
    verdicts = [(matches(criteria, entry), entry) for entry in found.entries]
    hits = [entry for verdict, entry in verdicts if verdict]
    unjudged = [entry for verdict, entry in verdicts if verdict is None]
    document = {
        "datasets": [entry_document(entry) for entry in hits],
        "unjudged": [entry_document(entry) for entry in unjudged],
        "providers": provider_documents(found),
    }
    apart = "\n\nmay be what you look for, but can't be judged:\n" + entry_table(unjudged) if unjudged else ""
    session.output.data(
        document, lambda: entry_table(hits, empty="no dataset found") + apart + silence(found)
    )
    return _exit_code(found)


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID)
@pass_session
def show(session: Session, asset_id: str) -> ExitCode:
    """Show one dataset of any provider with its description and policy, each checked against the chain.

    Exits 4 when one isn't the one on chain or can't be read, 5 when the provider doesn't give it.
    """
    from cli.datasets import get_asset
    from cli.descriptions import Kind
    from cli.discovery import discover
    from cli.entries import entry_document, entry_page, provider_documents, silence
    from cli.policywords import describe_purposes, may_order

    found = discover(session, [get_asset(session, asset_id)])
    (entry,) = found.entries
    account = _find_account(session)
    allowed = may_order(entry.policy, entry.asset, account) if account else None
    policy = entry.documents.get(Kind.POLICY, b"").decode(errors="replace")
    document = entry_document(entry) | {
        "may_order": allowed,
        "purposes": describe_purposes(entry.policy) if entry.policy else [],
        "policy": policy or None,
        "metadata": json.loads(entry.documents[Kind.METADATA]) if entry.description else None,
        "providers": provider_documents(found),
    }
    session.output.data(document, lambda: entry_page(entry, policy, may_order=allowed) + silence(found))
    if {"differs", "unreadable"} & set(entry.flaws.values()):
        return ExitCode.VERIFICATION
    return ExitCode.UNREACHABLE if entry.flaws else ExitCode.OK


def _list_assets(
    session: Session, provider: str | None, *, owner: str | None = None, with_retired: bool
) -> list[Asset]:
    from cli.discovery import list_datasets

    return [
        asset
        for asset in list_datasets(session.get_chain(), provider)
        if (with_retired or not asset.retired) and owner in (None, asset.owner.lower())
    ]


def _check_purpose(purpose: str | None) -> str | None:
    from policies.purposes import find_purpose

    if purpose is not None and find_purpose(purpose) is None:
        raise InputError(
            f"purpose: expected a permission, got {purpose}, which can't be what a job is for",
            code="purpose-invalid",
            remedy="docs/policy.md lists them",
        )
    return purpose


def _find_account(session: Session) -> str | None:
    """Return the address of the key chosen, None where none was and there isn't exactly one."""
    try:
        return session.get_address()
    except InputError:
        if session.account_name is not None:
            raise
        return None


def _exit_code(found: Discovery) -> ExitCode:
    return ExitCode.UNREACHABLE if found.unanswered else ExitCode.OK
