"""`sealroom receipt`: verify and read receipts. Needs no key, no home folder and no provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.calldata import calldata, keep_root
from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.ids import ADDRESS
from cli.output import fields, plain

if TYPE_CHECKING:
    from provider.receipts.checklist import Step

FILE = click.Path(path_type=Path)


@click.group(cls=SessionGroup)
def receipt() -> None:
    """Verify and read receipts; needs no key and no provider."""


@receipt.command("verify")
@click.argument("file", type=FILE)
@click.option(
    "--artifact", "artifacts", multiple=True, type=FILE, help="A file the receipt must be about; repeatable."
)
@click.option("--proof", type=FILE, help="The log proof (default: beside the receipt, .tlog-proof).")
@click.option("--trust", type=FILE, help="The trust root file that the dataset's owner published.")
@click.option(
    "--rpc", "rpc_url", metavar="URL", help="Read keys, roots, order and approvals from this chain."
)
@click.option(
    "--deployment", type=FILE, help="The contracts to believe on that chain (default: the home folder's)."
)
@click.option(
    "--provider",
    "provider",
    type=ADDRESS,
    metavar="ADDRESS",
    help="With --rpc and no --trust: whose receipt it must be.",
)
@pass_session
def verify(
    session: Session,
    file: Path,
    *,
    artifacts: tuple[Path, ...],
    proof: Path | None,
    trust: Path | None,
    rpc_url: str | None,
    deployment: Path | None,
    provider: str | None,
) -> None:
    """Verify a receipt step by step: offline with --trust, against the chain with --rpc, or both."""
    from cli.verifying import Question, verify_file
    from provider.receipts.errors import VerificationError

    if trust is None and rpc_url is None:
        raise InputError("say whom to trust: --trust FILE, --rpc URL, or both", code="no-trust-root")
    question = Question(
        receipt=file,
        proof=proof or file.parent / f"{file.stem}.tlog-proof",
        artifacts=artifacts,
        trust=trust,
        rpc_url=rpc_url,
        deployment=deployment or session.home.deployment_file,
        provider=provider,
    )
    try:
        verified = verify_file(question)
    except VerificationError as exc:
        if not session.output.json:
            click.echo(_checklist(exc.steps))
        raise
    facts = verified.statement.facts
    document = {
        "verdict": verified.verdict.value,
        "outcome": facts.egress.outcome,
        "job_id": facts.job.id,
        "provider": facts.provider.address,
        "anchor": {"tx": verified.anchor.tx, "size": verified.anchor.size, "time": verified.anchor.time},
        "steps": [step_document(step) for step in verified.steps],
    }
    session.output.data(
        document, lambda: f"{_checklist(verified.steps)}\nVERIFIED: job {facts.job.id} {facts.egress.outcome}"
    )


@receipt.command("show")
@click.argument("file", type=FILE)
@pass_session
def show(session: Session, file: Path) -> None:
    """Show what a receipt says; verifies nothing."""
    from cli.verifying import read_statement

    statement = read_statement(file)
    facts = statement.facts
    words = {
        "job": facts.job.id,
        "outcome": facts.egress.outcome,
        "consumer": facts.job.consumer,
        "provider": facts.provider.address,
        "datasets": ", ".join(item.asset_id for item in facts.inputs.datasets),
        "orders": ", ".join(order.tx_hash for order in facts.job.orders) or "none",
        "algorithm": facts.inputs.algorithm,
        "decision": facts.policy.decision,
        "runtime": facts.sandbox.runtime if facts.sandbox else "did not run",
        "gate": f"{facts.egress.verdict} {facts.egress.rule}".strip(),
        "left": ", ".join(f"{item.name} sha256:{item.sha256}" for item in statement.subjects),
    }
    session.output.say("this is what the receipt says; `sealroom receipt verify` tells whether it is true")
    session.output.data(statement.document, lambda: fields(words))


for command in (calldata, keep_root):
    receipt.add_command(command)


def step_document(step: Step) -> dict[str, Any]:
    """Return one line of the checklist as JSON."""
    return {"number": step.number, "name": step.name, "result": step.result, "detail": step.detail}


def _checklist(steps: tuple[Step, ...]) -> str:
    return "\n".join(
        f"{step.number:>3}. {step.name:<26} {step.result:<8} {plain(step.detail)}" for step in steps
    )
