"""`sealroom job`: submit, follow, cancel, read the log, fetch, refund."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import ExitCode, job_exit_code
from cli.ids import JOB_ID
from cli.logs import show_log
from cli.money import write_amount
from cli.output import fields, plain, table
from cli.tryout import try_

if TYPE_CHECKING:
    from cli.refunding import Refund
    from provider.wire import JobView

AWAITING_APPROVAL = "awaiting-approval"
DEFAULT_WAIT_S = 6 * 3600


@click.group(cls=SessionGroup)
def job() -> None:
    """Submit jobs, follow them, fetch what was released."""


job.add_command(try_)
wait_option = click.option("--wait", is_flag=True, help="Follow the job until its receipt is anchored.")
timeout_option = click.option(
    "--timeout-s",
    type=click.IntRange(1),
    default=DEFAULT_WAIT_S,
    show_default=True,
    help="How long --wait waits.",
)


def _words(view: JobView) -> str:
    pairs = {
        "job": view.job_id,
        "state": f"{view.state} ({view.code})",
        "what": view.message,
        "next": view.next_step,
        "order": view.order_tx or "-",
        "receipt": "-" if view.receipt_index is None else f"entry {view.receipt_index}",
        "anchor": view.anchor_tx or "-",
    }
    return fields(pairs)


def _tell(session: Session, view: JobView) -> ExitCode:
    """Print where a job stands and return the exit code for it."""
    session.output.data(view.model_dump(mode="json"), lambda: _words(view))
    if view.code == AWAITING_APPROVAL:
        session.output.say(f"no money was moved; next: {plain(view.next_step)}")
        return ExitCode.DENIED
    return job_exit_code(view.state)


def _go_on(session: Session, job_id: str, *, wait: bool, timeout_s: int) -> ExitCode:
    from cli.submissions import mark_done
    from cli.submitting import send_job
    from cli.watching import decide_and_order, watch_job

    try:
        send_job(session, job_id)
        if wait:
            view = watch_job(session, job_id, timeout_s=timeout_s, pay=True)
        else:
            view = decide_and_order(session, job_id)
    except KeyboardInterrupt:
        # By its id: the file may be changed meanwhile, and would make a new job once this one has ended.
        session.output.say(f"job {job_id} is not lost: go on with `sealroom job resume {job_id} --wait`")
        raise
    if view.terminal:
        mark_done(session.home, job_id)
    return _tell(session, view)


@job.command("preflight")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def preflight(session: Session, file: Path) -> ExitCode:
    """Foresee what the provider says of the job in FILE and what it costs; signs, sends and pays nothing. Exits 3 unless allowed."""
    from cli.preflight import foresee_job
    from cli.preflightwords import preflight_document, preflight_page
    from policies.foresight import Foresight

    found = foresee_job(session, file)
    session.output.data(preflight_document(found), lambda: preflight_page(found))
    goes = found.forecast.status is Foresight.ALLOW and not found.problems
    return ExitCode.OK if goes else ExitCode.DENIED


@job.command("submit")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--again", is_flag=True, help="Start, and pay for, another job though the last has not ended.")
@click.option("--with-datatoken", is_flag=True, help="Pay with a datatoken that you hold, in place of money.")
@wait_option
@timeout_option
@pass_session
def submit(
    session: Session, file: Path, *, again: bool, with_datatoken: bool, wait: bool, timeout_s: int
) -> ExitCode:
    """Submit the job in FILE: sign, send, and order it once the policy allows it; goes on with one that has not ended."""
    from cli.submitting import begin_job

    record = begin_job(session, file, again=again, with_datatoken=with_datatoken)
    session.output.say(f"job {record.job_id}")
    return _go_on(session, record.job_id, wait=wait, timeout_s=timeout_s)


@job.command("resume")
@click.argument("job_id", type=JOB_ID)
@wait_option
@timeout_option
@pass_session
def resume(session: Session, job_id: str, *, wait: bool, timeout_s: int) -> ExitCode:
    """Go on with a job where it was left: send it again, and order it if that is still to do."""
    return _go_on(session, job_id, wait=wait, timeout_s=timeout_s)


@job.command("status")
@click.argument("job_id", type=JOB_ID)
@wait_option
@timeout_option
@pass_session
def status(session: Session, job_id: str, *, wait: bool, timeout_s: int) -> ExitCode:
    """Show where a job stands, why, and what comes next; orders nothing."""
    from cli.submitting import get_job
    from cli.watching import Progress, watch_job

    if wait:
        return _tell(session, watch_job(session, job_id, timeout_s=timeout_s, pay=False))
    view = get_job(session, job_id)
    Progress(session.output.say).show(view)
    session.output.data(view.model_dump(mode="json"), lambda: _words(view))
    return ExitCode.OK


@job.command("list")
@pass_session
def list_(session: Session) -> None:
    """List your jobs, and jobs on your datasets."""
    from provider.wire import JobsView

    views = session.get_api().get_model("/v1/jobs", JobsView, login=True).jobs
    rows = [(view.job_id, view.state, view.code, view.message) for view in views]
    document = {"jobs": [view.model_dump(mode="json") for view in views]}
    session.output.data(
        document, lambda: table(("JOB", "STATE", "REASON", "WHAT"), rows, empty="no jobs yet")
    )


@job.command("cancel")
@click.argument("job_id", type=JOB_ID)
@pass_session
def cancel(session: Session, job_id: str) -> None:
    """Stop a job that has not ended; what was paid comes back unless you are its consumer and its algorithm has started, or it waits for review."""
    from provider.wire import JobCancelBody, JobView

    view = session.get_api().act("job.cancel", JobCancelBody(job_id=job_id), JobView)
    session.output.data(view.model_dump(mode="json"), lambda: _words(view))


@job.command("log")
@click.argument("job_id", type=JOB_ID)
@pass_session
def log(session: Session, job_id: str) -> None:
    """Show what the algorithm printed: to the data's owner, and to the job's consumer where the policy opens it."""
    show_log(session, job_id)


@job.command("refund")
@click.argument("job_id", type=JOB_ID)
@pass_session
def refund(session: Session, job_id: str) -> None:
    """Take back the price of a job whose orders' deadline has passed; needs the chain only, no provider."""
    from cli.refunding import refund_job

    done = refund_job(session, job_id)
    refunds = [
        {
            "consumer": refund.order.consumer,
            "token": refund.payment_token,
            "amount_wei": str(refund.order.amount_wei),
            "transaction": refund.result.tx_hash,
            "gas_used": refund.result.gas_used,
        }
        for refund in done
    ]
    session.output.data(
        {"job_id": job_id, "refunds": refunds}, lambda: "\n\n".join(fields(refund) for refund in refunds)
    )
    for refund in done:
        _say_refund(session, refund)


def _say_refund(session: Session, refund: Refund) -> None:
    if refund.order.paid_with_datatoken:
        session.output.say("the datatoken that paid for the job came back")
        return
    known = refund.payment_token == session.get_deployment().payment_token
    words = "sealroom wallet withdraw" + ("" if known else f" --token {refund.payment_token}")
    amount = write_amount(refund.order.amount_wei, session.get_chain().get_token(refund.payment_token))
    session.output.say(f"{amount} is credit in the escrow now: `{words}` takes it out")


@job.command("fetch")
@click.argument("job_id", type=JOB_ID)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write to (default: ./<first digits of the id>).",
)
@pass_session
def fetch(session: Session, job_id: str, output: Path | None) -> ExitCode:
    """Fetch, decrypt and verify what was released, with its receipt; exits 6 when nothing was."""
    from cli.fetching import fetch_job

    target = output or Path(job_id[:12])
    done = fetch_job(session, job_id, target)
    outcome = done.receipt.statement.facts.egress.outcome
    document = {
        "job_id": job_id,
        "outcome": outcome,
        "verdict": done.receipt.verdict.value,
        "folder": str(target),
        "files": {path.name: str(path) for path in done.files},
        "digests": dict(done.digests),
    }
    words = {"outcome": outcome, "receipt": "verified", **{path.name: path for path in done.files}}
    session.output.data(document, lambda: fields(words))
    return job_exit_code(outcome)
