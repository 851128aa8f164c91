"""`sealroom order`: what was ordered and what became of the money; from the chain alone, without a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionGroup, pass_session
from cli.ids import ADDRESS, ASSET_ID, JOB_ID
from cli.output import fields, table

if TYPE_CHECKING:
    from cli.orders import OrderFacts

consumer_option = click.option(
    "--consumer", type=ADDRESS, metavar="ADDRESS", help="Who ordered (default: the key of --as)."
)
dataset_option = click.option("--dataset", "asset_id", type=ASSET_ID, help="Only this dataset.")


@click.group(cls=SessionGroup)
def order() -> None:
    """List orders, look at one, and take back what was not used."""


@order.command("list")
@dataset_option
@click.option("--received", is_flag=True, help="Orders on your datasets, in place of those you placed.")
@pass_session
def list_(session: Session, *, asset_id: str | None, received: bool) -> None:
    """List the orders that you placed, or received, with their status on chain."""
    from cli.orders import list_placed, list_received

    found = list_received(session, asset_id) if received else list_placed(session, asset_id)
    rows = [(one.job_id, one.asset_id, one.amount, one.state, one.deadline, one.consumer) for one in found]
    heading = ("JOB", "DATASET", "AMOUNT", "STATUS", "DEADLINE", "CONSUMER")
    document = {"orders": [one.to_json() for one in found]}
    session.output.data(document, lambda: table(heading, rows, empty="no orders yet"))


@order.command("show")
@click.argument("job_id", type=JOB_ID)
@dataset_option
@consumer_option
@pass_session
def show(session: Session, job_id: str, *, asset_id: str | None, consumer: str | None) -> None:
    """Show the orders of one job: what was paid, to whom it goes, and whether it can be refunded."""
    from cli.orders import get_orders

    found = get_orders(session, job_id, consumer=consumer, asset_id=asset_id)
    _tell(session, job_id, found)


@order.command("refund")
@click.argument("job_id", type=JOB_ID)
@dataset_option
@consumer_option
@pass_session
def refund(session: Session, job_id: str, *, asset_id: str | None, consumer: str | None) -> None:
    """Refund the open orders of a job after their deadline; anyone may, and the consumer gets the money.

    Like `job refund`, for jobs that another home folder submitted.
    """
    from cli.orders import get_orders, refund_orders

    done = refund_orders(session, get_orders(session, job_id, consumer=consumer, asset_id=asset_id))
    _tell(session, job_id, done)


def _tell(session: Session, job_id: str, found: list[OrderFacts]) -> None:
    document = {"job_id": job_id, "orders": [one.to_json() for one in found]}
    session.output.data(document, lambda: "\n\n".join(fields(one.to_words()) for one in found))
