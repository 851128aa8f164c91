"""`sealroom dataset requests|approve|decline|revoke`: which algorithms may run on a dataset."""

from __future__ import annotations

import click

from cli.context import Session, SessionCommand, pass_session
from cli.ids import ASSET_ID, DIGEST
from cli.output import fields, say_transaction, table

DAY_S = 86400
dataset_option = click.option("--dataset", "asset_id", required=True, type=ASSET_ID, help="The dataset's id.")


def add_commands(group: click.Group) -> None:
    """Add the commands of this module to the dataset group."""
    for command in (requests, approve, decline, revoke):
        group.add_command(command)


@click.command(cls=SessionCommand)
@click.option("--dataset", "asset_id", type=ASSET_ID, help="Only requests for this dataset.")
@pass_session
def requests(session: Session, asset_id: str | None) -> None:
    """List requests for approval: for your datasets, and your own."""
    from provider.wire import ApprovalsView

    views = session.get_api().get_model("/v1/approvals", ApprovalsView, login=True).approvals
    chosen = [view for view in views if asset_id in (None, view.asset_id)]
    rows = [
        (view.state, view.algorithm, f"{view.name} {view.version}", view.purpose, view.message)
        for view in chosen
    ]
    heading = ("STATE", "ALGORITHM", "NAME", "PURPOSE", "MESSAGE")
    session.output.data(
        {"approvals": [view.model_dump(mode="json") for view in chosen]},
        lambda: table(heading, rows, empty="no requests"),
    )


@click.command(cls=SessionCommand)
@click.argument("algorithm", type=DIGEST)
@dataset_option
@click.option(
    "--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it holds."
)
@pass_session
def approve(session: Session, algorithm: str, asset_id: str, days: int) -> None:
    """Approve an algorithm, by the digest of every byte of it, for a time."""
    from cli.datasets import get_asset
    from policies.canonical import parse_digest

    chain, asset = session.get_chain(), get_asset(session, asset_id)
    expires_at = chain.next_time() + days * DAY_S
    result = chain.approve(asset.token_id, parse_digest(algorithm), expires_at, sender=session.get_account())
    facts: dict[str, object] = {"asset_id": asset_id, "algorithm": algorithm, "expires": expires_at}
    say_transaction(session.output, result, facts)


@click.command(cls=SessionCommand)
@click.argument("algorithm", type=DIGEST)
@dataset_option
@pass_session
def revoke(session: Session, algorithm: str, asset_id: str) -> None:
    """Take an approval back; jobs that already run end, no new one starts."""
    from cli.datasets import get_asset
    from policies.canonical import parse_digest

    asset = get_asset(session, asset_id)
    result = session.get_chain().revoke(asset.token_id, parse_digest(algorithm), sender=session.get_account())
    say_transaction(session.output, result, {"asset_id": asset_id, "algorithm": algorithm, "revoked": True})


@click.command(cls=SessionCommand)
@click.argument("algorithm", type=DIGEST)
@dataset_option
@click.option("--reason", default="", help="Told to whoever asked.")
@pass_session
def decline(session: Session, algorithm: str, asset_id: str, reason: str) -> None:
    """Say no to a request for approval."""
    from policies.documents import validate_document
    from provider.wire import ApprovalDeclineBody, ApprovalView

    value = {"asset_id": asset_id, "algorithm": algorithm, "reason": reason}
    body = validate_document(value, ApprovalDeclineBody, document="decline")
    view = session.get_api().act("approval.decline", body, ApprovalView)
    session.output.data(view.model_dump(mode="json"), lambda: fields(view.model_dump(mode="json")))
