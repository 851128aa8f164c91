"""`sealroom receipt`: verify, read and countersign receipts. All but signing needs no key, no home folder, no provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionGroup, pass_session
from cli.countersignatures import countersigned_document, countersigned_words
from cli.errors import InputError
from cli.ids import ADDRESS, ROLE_ADDRESS
from cli.output import fields, plain

if TYPE_CHECKING:
    from provider.receipts.checklist import Step

FILE = click.Path(path_type=Path)


@click.group(cls=SessionGroup)
def receipt() -> None:
    """Verify, read, countersign and export receipts; needs no provider, and a key only to sign."""


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
@click.option(
    "--require-countersignature",
    "required",
    multiple=True,
    type=ROLE_ADDRESS,
    metavar="ROLE=ADDRESS",
    help="Also demand a valid countersignature of this account in this role; repeatable.",
)
@pass_session
def verify(  # noqa: PLR0913 - one argument per option
    session: Session,
    file: Path,
    *,
    artifacts: tuple[Path, ...],
    proof: Path | None,
    trust: Path | None,
    rpc_url: str | None,
    deployment: Path | None,
    provider: str | None,
    required: tuple[tuple[str, str], ...],
) -> None:
    """Verify a receipt step by step: offline with --trust, against the chain with --rpc, or both."""
    from cli.verifying import Question, verify_file
    from provider.receipts.countersigners import Requirement
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
        required=tuple(Requirement(role, account) for role, account in required),
    )
    try:
        answer = verify_file(question)
    except VerificationError as exc:
        if not session.output.json:
            click.echo(_checklist(exc.steps))
        raise
    verified = answer.receipt
    facts = verified.statement.facts
    document = {
        "verdict": verified.verdict.value,
        "outcome": facts.egress.outcome,
        "job_id": facts.job.id,
        "provider": facts.provider.address,
        "anchor": {"tx": verified.anchor.tx, "size": verified.anchor.size, "time": verified.anchor.time},
        "steps": [step_document(step) for step in verified.steps],
        "countersignatures": [countersigned_document(item) for item in answer.countersigned],
    }
    lines = [_checklist(verified.steps), *(countersigned_words(item) for item in answer.countersigned)]
    lines.append(f"VERIFIED: job {facts.job.id} {facts.egress.outcome}")
    session.output.data(document, lambda: "\n".join(lines))


@receipt.command("countersign")
@click.argument("file", type=FILE)
@click.option("--role", required=True, help="In which role: owner, ethics-board, or another of a-z 0-9 -.")
@click.option("--statement", required=True, metavar="TEXT", help="What is said of the receipt, in one line.")
@click.option(
    "--for",
    "contract",
    type=ADDRESS,
    metavar="CONTRACT",
    help="Sign for this contract account, which must accept the key's signature (ERC-1271); needs the chain.",
)
@click.option("--instead", is_flag=True, help="Take the place of what this account said before in this role.")
@pass_session
def countersign(
    session: Session, file: Path, *, role: str, statement: str, contract: str | None, instead: bool
) -> None:
    """Add a signature to the receipt in FILE that says TEXT of it; its log entry and its proof stay as they are.

    What is signed is shown first, and on a terminal a yes is asked for. It doesn't verify the receipt.
    """
    from cli.countersigning import Wish, countersign

    mark = countersign(session, Wish(file, role, statement, contract, instead))
    words = {"file": str(file), "keyid": mark.keyid, "role": role, "account": mark.account}
    session.output.data(words, lambda: fields(words))


@receipt.command("show")
@click.argument("file", type=FILE)
@pass_session
def show(session: Session, file: Path) -> None:
    """Show what a receipt says; verifies nothing."""
    from cli.verifying import read_receipt

    _, statement = read_receipt(file)
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


def step_document(step: Step) -> dict[str, Any]:
    """Return one line of the checklist as JSON."""
    return {"number": step.number, "name": step.name, "result": step.result, "detail": step.detail}


def _checklist(steps: tuple[Step, ...]) -> str:
    return "\n".join(
        f"{step.number:>3}. {step.name:<26} {step.result:<8} {plain(step.detail)}" for step in steps
    )
