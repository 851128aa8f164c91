"""`sealroom up|down|status`: the whole stack from one home folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import ExitCode
from cli.output import table

if TYPE_CHECKING:
    from cli.services import PartStatus

PORT = click.IntRange(1, 65535)


def _document(session: Session, parts: list[PartStatus]) -> dict[str, Any]:
    return {"home": str(session.home.root), "parts": [item.to_json() for item in parts]}


def _words(parts: list[PartStatus]) -> str:
    rows = [
        (item.part, "up" if item.running else "down", item.pid or "-", item.url or "-", item.detail)
        for item in parts
    ]
    return table(("PART", "STATE", "PID", "URL", "DETAIL"), rows)


@click.command(cls=SessionCommand)
@click.option("--port", type=PORT, help="Port of the provider (first time: 8830, or a free one).")
@click.option("--rpc-port", type=PORT, help="Port of the local chain (first time: 8545, or a free one).")
@click.option("--rpc-url", help="Use this chain instead of a local one.")
@click.option("--deployment", type=click.Path(path_type=Path), help="The contracts on that chain.")
@click.option(
    "--data-root", type=click.Path(path_type=Path), help="Where datasets stand (default: HOME/data)."
)
@click.option(
    "--owner", "owners", multiple=True, help="Key name or address that may offer datasets; repeatable."
)
@pass_session
def up(
    session: Session,
    *,
    port: int | None,
    rpc_port: int | None,
    rpc_url: str | None,
    deployment: Path | None,
    data_root: Path | None,
    owners: tuple[str, ...],
) -> None:
    """Start chain, provider and worker from one home folder; a second `up` starts only what is missing."""
    from cli.operating import StackOptions
    from cli.services import start_stack

    options = StackOptions(
        port=port,
        rpc_port=rpc_port,
        rpc_url=rpc_url,
        deployment=deployment,
        data_root=data_root,
        owners=owners,
    )
    parts = start_stack(session, options)
    session.output.data(_document(session, parts), lambda: _words(parts))


@click.command(cls=SessionCommand)
@click.option(
    "--keep-chain", is_flag=True, help="Stop the provider only, so that its anchors can still be read."
)
@pass_session
def down(session: Session, *, keep_chain: bool) -> None:
    """Stop what `up` started; data, keys and the chain's state stay."""
    from cli.services import stop_stack

    stopped = stop_stack(session.home, keep_chain=keep_chain)
    words = f"stopped {', '.join(stopped)}" if stopped else "nothing ran"
    session.output.data({"stopped": stopped}, lambda: words)


@click.command(cls=SessionCommand)
@pass_session
def status(session: Session) -> ExitCode:
    """Say what runs, and why not; exits 5 when a part is down.

    Where the provider runs from this home folder: also which jobs are under way, and which containers wait for jobs.
    """
    from cli.services import WORKER, stack_status
    from cli.workload import find_workload, workload_document, workload_words

    parts, found = stack_status(session.home), find_workload(session.home)
    document, words = _document(session, parts), _words(parts)
    if found is not None:
        works = any(item.running for item in parts if item.part == WORKER)
        document |= workload_document(*found, works=works)
        words += "\n\n" + workload_words(*found, works=works)
    session.output.data(document, lambda: words)
    return ExitCode.OK if all(item.running for item in parts) else ExitCode.UNREACHABLE
