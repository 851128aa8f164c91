"""`sealroom doctor`: one page on whether this machine can seal jobs, what a sealed container shows, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import ExitCode
from cli.ids import DIGEST
from cli.output import fields, table

if TYPE_CHECKING:
    from cli.doctoring import Checkup, Row

SHOWN = 48


@click.command(cls=SessionCommand)
@click.option(
    "--image", "image", type=DIGEST, help="Try this image (default: the newest that was built for jobs)."
)
@pass_session
def doctor(session: Session, *, image: str | None) -> ExitCode:
    """Check whether this machine can seal jobs, and say what is missing and how to get it.

    Seals a throw-away container on every runtime of the engine and prints what was expected and what was seen. Needs
    neither a home folder nor a running provider. Exits 0 only if a job can be sealed and every probe passed.
    """
    from cli.doctoring import examine

    checkup = examine(session.home, image=image)
    session.output.data(checkup.to_json(), lambda: _page(checkup))
    return checkup.exit_code


def _page(checkup: Checkup) -> str:
    parts = [fields(checkup.facts)]
    if checkup.rows:
        parts.append(table(("PROBE", "EXPECTED", "SEEN", "ON", ""), [_line(row) for row in checkup.rows]))
    if checkup.missing:
        lines = [(item.what, item.remedy) for item in checkup.missing]
        parts.append(table(("MISSING", "HOW TO GET IT"), lines))
    parts.append("A job can be sealed here." if checkup.healthy else "Not every job can be sealed here.")
    return "\n\n".join(parts)


def _line(row: Row) -> tuple[str, ...]:
    """Return one row of the page; what is long is cut, unless it differs."""
    from sandbox.expectation import NOT_SEEN

    texts, verdict = [row.expected, row.seen], "DIFFERS"
    if row.ok or row.seen == NOT_SEEN:
        texts = [text if len(text) <= SHOWN else text[: SHOWN - 1] + "…" for text in texts]
        verdict = "ok" if row.ok else NOT_SEEN
    return (row.check, *texts, " ".join(row.runtimes), verdict)
