"""`sealroom audit`: checks what a provider did, for whoever trusts nobody and has an afternoon."""

from __future__ import annotations

import click

from cli.auditrun import run
from cli.context import SessionGroup


@click.group(cls=SessionGroup)
def audit() -> None:
    """Check what a provider did: its whole log."""


audit.add_command(run)
