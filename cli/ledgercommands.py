"""`sealroom dataset privacy`: what of a dataset's privacy is spent, and what one more job would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.ids import ASSET_ID
from cli.output import fields, table

if TYPE_CHECKING:
    from cli.ledgers import Further, Ledger


def add_commands(group: click.Group) -> None:
    """Add the command of this module to the dataset group."""
    group.add_command(privacy)


@click.command(cls=SessionCommand)
@click.argument("asset_id", type=ASSET_ID)
@click.option("--job", type=click.Path(path_type=Path), help="Say too what the job in this file would cost.")
@pass_session
def privacy(session: Session, asset_id: str, job: Path | None) -> None:
    """Show what jobs have reserved and spent of a dataset's privacy budget, added up here from what each did."""
    from cli.ledgers import read_ledger

    found = read_ledger(session, asset_id, job)
    session.output.data(_document(asset_id, found), lambda: _words(found))


def _document(asset_id: str, found: Ledger) -> dict[str, Any]:
    policy = found.privacy
    document: dict[str, Any] = {"asset_id": asset_id, **policy.model_dump(mode="json")}
    return document | {
        "spent": _text(found.spent),
        "consumer_spent": _text(found.consumer_spent),
        "left": _text(found.left),
        "spendings": [item.model_dump(mode="json") for item in found.spendings],
        "further": None if found.further is None else _further(found.further),
    }


def _further(further: Further) -> dict[str, Any]:
    cost = further.cost.model_dump(mode="json")
    return cost | {"after": _text(further.after), "consumer_after": _text(further.consumer_after)}


def _words(found: Ledger) -> str:
    policy, further = found.privacy, found.further
    unit = "a row" if policy.unit == "row" else f"all rows of one {policy.unit.column}"
    pairs = {
        "mode": policy.mode,
        "unit": unit,
        "delta": policy.delta or "-",
        "budget": f"epsilon {policy.budget}" if policy.budget else "-",
        "spent": _text(found.spent) or "-",
        "left": _text(found.left) or "-",
        "yours": f"{_text(found.consumer_spent) or '-'} of {policy.consumer_budget or 'no limit of its own'}",
    }
    if further is not None:
        cost = further.cost
        pairs["this job"] = f"epsilon {cost.epsilon} at delta {cost.delta}; spent would be {further.after}"
    rows = [
        (item.job_id, item.state, item.epsilon, item.delta, "you" if item.mine else "")
        for item in found.spendings
    ]
    heads = ("JOB", "STATE", "EPSILON", "DELTA", "WHOSE")
    return f"{fields(pairs)}\n\n{table(heads, rows, empty='no job has spent anything yet')}"


def _text(amount: object) -> str | None:
    return None if amount is None else format(amount, "f")
