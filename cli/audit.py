"""`sealroom audit`: checks what a provider did, for whoever trusts nobody and has an afternoon."""

from __future__ import annotations

import click

from cli.auditrun import run
from cli.context import SessionGroup
from cli.replay import replay


@click.group(cls=SessionGroup)
def audit() -> None:
    """Check what a provider did: its whole log, and a job by running it again."""


audit.add_command(run)
audit.add_command(replay)
