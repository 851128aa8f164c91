"""`sealroom receipt`: verify, read and countersign receipts. All but signing needs no key, no home folder, no provider."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.calldata import calldata, keep_root
from cli.context import Session, SessionGroup, pass_session
from cli.countersignatures import countersigned_document, countersigned_words
from cli.errors import ExitCode, InputError
from cli.ids import ADDRESS, ROLE_ADDRESS, SIGNATURE
from cli.output import fields, plain, table

if TYPE_CHECKING:
    from provider.receipts.checklist import Step
    from provider.receipts.envelope import Envelope
    from provider.receipts.statement import Statement

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
    from cli.verifying import Question, proof_beside, verify_file
    from provider.receipts.countersigners import Requirement
    from provider.receipts.errors import VerificationError

    if trust is None and rpc_url is None:
        raise InputError("say whom to trust: --trust FILE, --rpc URL, or both", code="no-trust-root")
    question = Question(
        receipt=file,
        proof=proof or proof_beside(file),
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
    "account",
    type=ADDRESS,
    metavar="ACCOUNT",
    help="Sign for this contract account, which must accept the signature (ERC-1271); needs the chain.",
)
@click.option("--instead", is_flag=True, help="Take the place of what this account said before in this role.")
@click.option(
    "--typed-data", is_flag=True, help="Print what a wallet has to sign (EIP-712) and write nothing."
)
@click.option("--time", type=click.IntRange(1), help="Unix time to sign (default: now).")
@click.option(
    "--signature",
    type=SIGNATURE,
    metavar="HEX",
    help="Take this signature by --for, made elsewhere over --typed-data with the same --time.",
)
@pass_session
def countersign(  # noqa: PLR0913 - one argument per option
    session: Session,
    file: Path,
    *,
    role: str,
    statement: str,
    account: str | None,
    instead: bool,
    typed_data: bool,
    time: int | None,
    signature: str | None,
) -> None:
    """Add a signature to the receipt in FILE that says TEXT of it; its log entry and its proof stay as they are.

    What is signed is shown first, and on a terminal a yes is asked for. It doesn't verify the receipt. A key of this home
    signs; a hardware wallet or a board's contract gets --typed-data to sign, and its --signature is taken.
    """
    from cli.countersigning import Wish, countersign, describe_message
    from cli.output import json_text

    if signature is not None and (account is None or time is None):
        raise InputError("--signature needs to know by whom and when: --for and --time", code="usage")
    made = None if signature is None else bytes.fromhex(signature[2:])
    wish = Wish(file, role, statement, account, instead, time, made)
    if typed_data:
        message = describe_message(session, wish)
        session.output.data(message, lambda: json_text(message))
        return
    mark = countersign(session, wish)
    words = {"file": str(file), "keyid": mark.keyid, "role": role, "account": mark.account}
    session.output.data(words, lambda: fields(words))


@receipt.command("show")
@click.argument("file", type=FILE)
@pass_session
def show(session: Session, file: Path) -> None:
    """Show what a receipt says, with the proof beside it; verifies nothing."""
    from cli.reading import describe_receipt
    from cli.verifying import find_place, proof_beside, read_receipt
    from provider.receipts.countersigners import verify_countersignatures

    envelope, statement = read_receipt(file)
    place, found = find_place(proof_beside(file)), verify_countersignatures(envelope, statement)
    document = {
        **statement.document,
        "checkpoint": None if place is None else {"size": place.size, "root": place.root.hex()},
        "countersignatures": [countersigned_document(item) for item in found],
    }
    session.output.say("this is what the receipt says; `sealroom receipt verify` tells whether it is true")
    session.output.data(document, lambda: describe_receipt(statement, place, found))


@receipt.command("diff")
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@pass_session
def diff(session: Session, first: Path, second: Path) -> ExitCode:
    """Show what two receipts say differently, by path; verifies neither.

    Exits 0 when they say the same, 4 when they don't: 1 would be a bug of ours.
    """
    from cli.comparing import find_differences
    from cli.verifying import read_receipt

    left, right = (_signed_document(*read_receipt(file)) for file in (first, second))
    found = list(find_differences(left, right))
    rows = [(item.path, _side(item.first), _side(item.second)) for item in found]
    session.output.data(
        {"differences": [item.to_json() for item in found]},
        lambda: table(("PATH", "FIRST", "SECOND"), rows, empty="they say the same"),
    )
    return ExitCode.VERIFICATION if found else ExitCode.OK


@receipt.command("export")
@click.argument("file", type=FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["ro-crate", "slsa"]),
    required=True,
    help="A Five Safes RO-Crate in a BagIt folder, or an SLSA provenance v1 statement in a file.",
)
@click.option("--output", "-o", type=FILE, required=True, help="The folder, or the file, to write.")
@click.option(
    "--artifact",
    "artifacts",
    multiple=True,
    type=FILE,
    help="With ro-crate: a released file to put into the crate; repeatable.",
)
@pass_session
def export(session: Session, file: Path, *, form: str, output: Path, artifacts: tuple[Path, ...]) -> None:
    """Write what a receipt says in a form that other tools read; verifies nothing.

    Nobody signs it: only the provider could sign an SLSA statement. Whoever reads either verifies the receipt that it
    names, which a crate holds.
    """
    from cli.exporting import export_crate, export_provenance
    from cli.verifying import proof_beside

    if form == "slsa" and artifacts:
        raise InputError("--artifact goes into a crate: leave it away with --format slsa", code="usage")
    if form == "slsa":
        written = export_provenance(file, output)
    else:
        written = export_crate(file, proof_beside(file), artifacts, output)
    session.output.say("this is what the receipt says; `sealroom receipt verify` tells whether it is true")
    names = [str(path) for path in written]
    session.output.data({"format": form, "files": names}, lambda: "\n".join(names))


def _signed_document(envelope: Envelope, statement: Statement) -> dict[str, Any]:
    """Return what a receipt says, and whose signatures stand under it."""
    return {**statement.document, "signatures": {item.keyid: "signed" for item in envelope.signatures}}


def _side(value: object) -> str:
    plain_value = isinstance(value, (dict, list, bool, int)) or value is None
    return json.dumps(value, ensure_ascii=False) if plain_value else str(value)


for command in (calldata, keep_root):
    receipt.add_command(command)


def step_document(step: Step) -> dict[str, Any]:
    """Return one line of the checklist as JSON."""
    return {"number": step.number, "name": step.name, "result": step.result, "detail": step.detail}


def _checklist(steps: tuple[Step, ...]) -> str:
    return "\n".join(
        f"{step.number:>3}. {step.name:<26} {step.result:<8} {plain(step.detail)}" for step in steps
    )
