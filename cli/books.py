"""`sealroom dataset jobs|receipts|income|log`: what was done with an owner's data, and what it earned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionCommand, pass_session
from cli.ids import ASSET_ID, JOB_ID
from cli.logs import show_log
from cli.money import write_amount
from cli.output import fields, table

if TYPE_CHECKING:
    from provider.wire import JobView

dataset_option = click.option("--dataset", "asset_id", type=ASSET_ID, help="Only this dataset.")


def add_commands(group: click.Group) -> None:
    """Add the commands of this module to the dataset group."""
    for command in (jobs, receipts, income, log):
        group.add_command(command)


def _list_mine(session: Session, asset_id: str | None) -> dict[str, int]:
    """Return the token ids of the caller's datasets at the provider, or of one of them, by asset id."""
    from cli.discovery import list_datasets

    me, found = session.get_address().lower(), list_datasets(session.get_chain(), session.get_provider())
    mine = {asset.asset_id: asset.token_id for asset in found if asset.owner.lower() == me}
    return mine if asset_id is None else {key: mine[key] for key in mine.keys() & {asset_id}}


def _list_jobs(session: Session, asset_id: str | None) -> list[JobView]:
    """Return the jobs on datasets that the caller owns."""
    from provider.wire import JobsView

    wanted = set(_list_mine(session, asset_id))
    views = session.get_api().get_model("/v1/jobs", JobsView, login=True).jobs
    return [view for view in views if wanted & set(view.request.datasets)]


@click.command(cls=SessionCommand)
@dataset_option
@pass_session
def jobs(session: Session, asset_id: str | None) -> None:
    """List the jobs on your datasets, whatever became of them."""
    views = _list_jobs(session, asset_id)
    rows = [(view.job_id, view.state, view.code, view.consumer, view.request.purpose) for view in views]
    session.output.data(
        {"jobs": [view.model_dump(mode="json") for view in views]},
        lambda: table(("JOB", "STATE", "REASON", "CONSUMER", "PURPOSE"), rows, empty="no jobs yet"),
    )


@click.command(cls=SessionCommand)
@dataset_option
@pass_session
def receipts(session: Session, asset_id: str | None) -> None:
    """List the receipts of jobs on your datasets, with their place in the log."""
    ended = [view for view in _list_jobs(session, asset_id) if view.receipt_index is not None]
    rows = [(view.receipt_index, view.job_id, view.state, view.anchor_tx or "not yet") for view in ended]
    keys = ("receipt_index", "job_id", "state", "anchor_tx")
    document = {"receipts": [{key: getattr(view, key) for key in keys} for view in ended]}
    session.output.data(
        document, lambda: table(("ENTRY", "JOB", "STATE", "ANCHORED BY"), rows, empty="no receipts yet")
    )


@click.command(cls=SessionCommand)
@dataset_option
@pass_session
def income(session: Session, asset_id: str | None) -> None:
    """Show what your datasets earned, what is still open in the escrow, and what can be withdrawn; from the chain alone."""
    from cli.earnings import list_credit, list_incomes

    incomes, credit = list_incomes(session, asset_id), list_credit(session, asset_id)
    rows = [(one.asset_id, *one.to_words()) for one in incomes]
    heading = ("DATASET", "EARNED", "SOLD AHEAD", "OPEN", "REFUNDED", "SHARES")
    document = {
        "datasets": [one.to_json() for one in incomes],
        "credit": [one.to_json() for one in credit],
    }
    withdrawable = ", ".join(write_amount(one.withdrawable, one.token) for one in credit)
    session.output.data(
        document,
        lambda: (
            table(heading, rows, empty="you own no datasets here")
            + "\n\n"
            + fields({"withdrawable": withdrawable or "nothing"})
        ),
    )


@click.command(cls=SessionCommand)
@click.argument("job_id", type=JOB_ID)
@pass_session
def log(session: Session, job_id: str) -> None:
    """Show what the algorithm printed, where the dataset's policy keeps it for its owner."""
    show_log(session, job_id)
