"""`sealroom review`: list, show, fetch, release, withhold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cli.context import Session, SessionGroup, pass_session
from cli.ids import JOB_ID
from cli.output import fields, plain, table
from cli.times import format_time

if TYPE_CHECKING:
    from provider.reviews import ReviewSummary, ReviewView


@click.group(cls=SessionGroup)
def review() -> None:
    """Look at releases that wait for you, and decide on them."""


folder_option = click.option(
    "--looked-at",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder that `review fetch` wrote; the decision is on the files as they lie there.",
)
reason_option = click.option(
    "--reason", default="", help="Why, in a few words; told to the other reviewers, and to nobody else."
)


@review.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the releases that you are asked to review, or were."""
    from cli.deciding import list_reviews

    found = list_reviews(session)
    rows = [
        (one.job_id, one.outcome, one.decided or "-", format_time(one.due), one.consumer)
        for one in found.reviews
    ]
    heading = ("JOB", "OUTCOME", "YOU SAID", "UNTIL", "FOR")
    session.output.data(
        found.model_dump(mode="json"), lambda: table(heading, rows, empty="nothing waits for you")
    )


@review.command("show")
@click.argument("job_id", type=JOB_ID)
@pass_session
def show(session: Session, job_id: str) -> None:
    """Show what waits: files, what the gate said of them, and the decisions once all that are needed are made."""
    from cli.deciding import get_review

    view = get_review(session, job_id)
    session.output.data(view.model_dump(mode="json"), lambda: _page(view))


@review.command("fetch")
@click.argument("job_id", type=JOB_ID)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write to (default: ./review-<first digits of the id>).",
)
@pass_session
def fetch(session: Session, job_id: str, output: Path | None) -> None:
    """Fetch the files that would leave, with the gate's table; they are as secret as the data until they leave."""
    from cli.deciding import fetch_review

    target = output or Path(f"review-{job_id[:12]}")
    fetched = fetch_review(session, job_id, target)
    document = {"folder": str(target), **fetched.model_dump(mode="json")}
    words = {"folder": target, **fetched.files, "looked at": fetched.looked_at}
    session.output.data(document, lambda: fields(words))


@review.command("release")
@click.argument("job_id", type=JOB_ID)
@folder_option
@reason_option
@pass_session
def release(session: Session, job_id: str, *, folder: Path, reason: str) -> None:
    """Sign that what you fetched may leave; final, and told to nobody before all decisions needed are made."""
    _decide(session, job_id, folder, "release", reason)


@review.command("withhold")
@click.argument("job_id", type=JOB_ID)
@folder_option
@reason_option
@pass_session
def withhold(session: Session, job_id: str, *, folder: Path, reason: str) -> None:
    """Sign that what you fetched must stay; final, and told to nobody before all decisions needed are made."""
    _decide(session, job_id, folder, "withhold", reason)


def _decide(
    session: Session, job_id: str, folder: Path, decision: Literal["release", "withhold"], reason: str
) -> None:
    from cli.deciding import decide_review

    view = decide_review(session, job_id, folder, decision=decision, reason=reason)
    session.output.data(view.review.model_dump(mode="json"), lambda: fields(_summary(view.review)))


def _summary(one: ReviewSummary) -> dict[str, object]:
    return {
        "job": one.job_id,
        "for": one.consumer,
        "datasets": " ".join(one.datasets),
        "algorithm": one.algorithm,
        "purpose": one.purpose,
        "waits since": format_time(one.opened),
        "withheld at": format_time(one.due),
        "outcome": one.outcome,
        "you said": one.decided or "nothing yet",
    }


def _page(view: ReviewView) -> str:
    parts = [fields(_summary(view.review) | {"looked at": view.looked_at})]
    if view.files:
        parts.append(
            table(("FILE", "BYTES", "DIGEST"), [(f.name, f.size_bytes, f.digest) for f in view.files])
        )
        checks = [(c.name, "passed" if c.ok else "NOT passed", plain(c.detail)) for c in view.checks]
        parts.append(table(("CHECK", "RESULT", "DETAIL"), checks))
    if view.decisions:
        made = [(d.reviewer, d.decision, format_time(d.time), plain(d.reason)) for d in view.decisions]
        parts.append(table(("REVIEWER", "DECISION", "TIME", "REASON"), made))
    return "\n\n".join(parts)
