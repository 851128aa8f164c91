"""`sealroom mirror`: keep a verified copy of a log, which any web server can serve and an audit can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionCommand, pass_session
from cli.output import fields

if TYPE_CHECKING:
    from cli.mirroring import Tell

FILE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
STEPS = 10


@click.command(cls=SessionCommand)
@click.argument("log", metavar="PROVIDER|URL")
@click.option("-o", "--output", "folder", type=FOLDER, required=True, help="The folder of the copy.")
@click.option(
    "--trust", type=FILE, help="The trust root file that has the log's keys (default: those on the chain)."
)
@pass_session
def mirror(session: Session, log: str, *, folder: Path, trust: Path | None) -> None:
    """Keep a verified copy of a provider's log in a folder: what is new is fetched, and kept when it is signed and proven.

    PROVIDER is an account, and the chain says where it answers; URL is where a provider answers, or where a copy is served.
    The same command goes on where it was stopped. A log that shows another history than before ends it with exit code 4,
    and the evidence stands beside the copy.
    """
    from cli.sources import copy_target

    copied = copy_target(session, log, folder, trust, tell=_teller(session))
    checkpoint = copied.checkpoint
    document = {
        "log": checkpoint.origin,
        "folder": str(folder),
        "receipts": checkpoint.size,
        "new": checkpoint.size - copied.before,
        "root": checkpoint.root.hex(),
    }
    session.output.data(document, lambda: fields(document))


def _teller(session: Session) -> Tell:
    """Return what says how far a copy is, a few times at most."""
    said = 0

    def tell(done: int, total: int) -> None:
        nonlocal said
        step = done * STEPS // total
        if step > said:
            said = step
            session.output.say(f"copied {done} of {total} receipts")

    return tell
