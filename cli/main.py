"""The `sealroom` command: finds the group, runs it, and turns what it raises into words and an exit code.

Groups are imported when they are used, so that help starts fast.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli.context import Session, new_session, session_options
from cli.errors import ExitCode, describe_error
from cli.output import plain


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or group that is imported when used: where it stands, and its one-line help."""

    module: str
    attribute: str
    help: str


ENTRIES: Mapping[str, Entry] = {
    "up": Entry("cli.stack", "up", "Start chain, provider and worker from one home folder."),
    "down": Entry("cli.stack", "down", "Stop what `up` started."),
    "status": Entry("cli.stack", "status", "Say what runs, and why not."),
    "account": Entry("cli.account", "account", "Make, list and fund keys."),
    "wallet": Entry("cli.wallet", "wallet", "See, move and spend money: coins, tokens, datatokens."),
    "order": Entry("cli.order", "order", "List orders, look at one, and take back what was not used."),
    "dataset": Entry("cli.dataset", "dataset", "Register, find and govern datasets."),
    "algorithm": Entry("cli.algorithm", "algorithm", "Pack algorithms, ask for approval, read their code."),
    "job": Entry("cli.job", "job", "Submit jobs, follow them, fetch what was released."),
    "review": Entry("cli.review", "review", "Look at releases that wait for you, and decide on them."),
    "policy": Entry("cli.policy", "policy", "Check, explain and test policies; needs no provider."),
    "credential": Entry(
        "cli.credential", "credential", "Issue credentials about accounts, and keep those about yours."
    ),
    "image": Entry("cli.image", "image", "List, add and verify the images that algorithms run in."),
    "receipt": Entry(
        "cli.receipt",
        "receipt",
        "Verify, read, countersign and export receipts; needs no provider, and a key only to sign.",
    ),
    "audit": Entry(
        "cli.audit", "audit", "Check what a provider did: its whole log, and a job by running it again."
    ),
    "witness": Entry(
        "cli.witness", "witness", "Cosign providers' logs, and show where one has two histories."
    ),
    "mirror": Entry("cli.mirror", "mirror", "Keep a verified copy of a provider's log."),
    "provider": Entry("cli.provider", "provider", "Connect to a provider, and publish what verifies it."),
    "chain": Entry("cli.chain", "chain", "Deploy the contracts on a chain, show and check them."),
    "doctor": Entry(
        "cli.doctor", "doctor", "Check whether this machine can seal jobs, and say what is missing."
    ),
}


class LazyGroup(click.Group):
    """Imports a command when it is run; its help line stands in `ENTRIES`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return one command."""
        entry = ENTRIES.get(cmd_name)
        if entry is None:
            return None
        command: Any = getattr(importlib.import_module(entry.module), entry.attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in ENTRIES.items()])


@click.group(
    cls=LazyGroup,
    params=list(session_options()),
    epilog="Exit codes: 0 ok, 1 our bug, 2 usage, 3 denied, 4 verification failed, 5 unreachable, "
    "6 job failed or withheld.",
)
@click.version_option(package_name="sealroom")
def root() -> None:
    """Train on data that may not leave: sealed jobs, a gate on what comes out, receipts anyone can verify."""


def run(arguments: Sequence[str], session: Session) -> ExitCode:
    """Run one command line and return its exit code; every error ends here."""
    if "--json" in arguments:  # known before parsing, so that a usage error is JSON as well
        session.output.json = True
    try:
        result = root.main(list(arguments), prog_name="sealroom", standalone_mode=False, obj=session)
        return ExitCode(result) if isinstance(result, int) else ExitCode.OK
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every error is told
        problem = describe_error(error)
        if problem.exit_code is ExitCode.BUG:
            session.output.say("\n".join(plain(line) for line in traceback.format_exc().splitlines()))
        session.output.problem(problem)
        return problem.exit_code
    finally:
        session.close()


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:], new_session(os.environ)))
