"""`sealroom audit run`: audits a provider's whole log, from a folder or from the provider itself. Needs no key."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.context import Session, SessionCommand, pass_session
from cli.errors import ExitCode, InputError, MismatchError
from cli.home import read_file
from cli.ids import is_address
from cli.output import indent, is_terminal, plain, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.auditchain import AuditChain
    from cli.auditstate import AuditState
    from datatokens.client import ChainClient
    from provider.audit.findings import Finding
    from provider.audit.report import Report
    from provider.receipts.trust import TrustRoot

FILE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
GIVEN_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("run", cls=SessionCommand)
@click.argument("log", metavar="PROVIDER_OR_FOLDER")
@click.option("--trust", type=FILE, help="The trust root file that the dataset's owner published.")
@click.option(
    "--rpc", "rpc_url", metavar="URL", help="Read keys, anchors, orders and approvals from this chain."
)
@click.option(
    "--deployment", type=FILE, help="The contracts to believe on that chain (default: the home folder's)."
)
@click.option("--state", type=FOLDER, help="Where to keep what was audited (default: beside the log's copy).")
@click.option(
    "--releases",
    type=GIVEN_FOLDER,
    help="Fetched files to compare with the receipts, in a folder for each job.",
)
@click.option(
    "--seen",
    multiple=True,
    type=FILE,
    help="A signed checkpoint of this log shown before or to others; repeatable.",
)
@click.option("--html", type=FILE, help="Write the report as one HTML file, to read and to print.")
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="How many processes judge receipts (default: one a core)."
)
@pass_session
def run(session: Session, /, log: str, **options: Any) -> ExitCode:  # noqa: ANN401 - the options above
    """Audit a provider's whole log: what it signed, anchored, was paid for and let out; the next run takes what is new."""
    return _run(session, log, RunOptions(**options))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the options of `audit run` said."""

    trust: Path | None
    rpc_url: str | None
    deployment: Path | None
    state: Path | None
    releases: Path | None
    seen: tuple[Path, ...]
    html: Path | None
    jobs: int | None


def _run(session: Session, log: str, options: RunOptions) -> ExitCode:
    from cli.auditing import Material, run_audit
    from cli.auditstate import STATE_FILE

    chain = None if options.rpc_url is None else _connect(session, options.rpc_url, options.deployment)
    folder, trust, asked = _find_log(session, log, options, chain)
    material = Material(
        folder=folder,
        trust=trust,
        state=(options.state if asked is None and options.state else folder) / STATE_FILE,
        processes=options.jobs or os.cpu_count() or 1,
        asked=asked,
        current=chain is not None,
        seen=tuple(_read_text(path) for path in options.seen),
        releases=options.releases,
    )
    report = run_audit(material, _opener(chain, trust), progress=_progress(session))
    if options.html is not None:
        from cli.auditreport import write_report

        write_report(options.html, report)
    session.output.data(report.to_json(), lambda: describe(report))
    return ExitCode.OK if report.is_clean else ExitCode.VERIFICATION


def _find_log(
    session: Session, log: str, options: RunOptions, chain: ChainClient | None
) -> tuple[Path, TrustRoot, int | None]:
    """Return the folder of a log's copy, whom to trust, and where a provider was named, when it was asked for what is new.

    The log is read after the anchors: one that was read before would look cut off. A copy may take hours.
    """
    if Path(log).is_dir():
        from cli.mirrored import MirrorFolder

        return Path(log), _load_trust(options.trust, chain, MirrorFolder(Path(log)).checkpoint()), None
    from cli.mirroring import LogKeys, copy_log
    from cli.sources import open_source

    with open_source(session, log, chain) as source:
        trust = _load_trust(options.trust, chain, source.checkpoint())
        if is_address(log) and trust.provider.lower() != log.lower():
            raise MismatchError(f"what answers there is the log of {trust.provider}, not of {log}")
        folder = (options.state or session.home.audits) / trust.origin.replace("/", "-")
        keys = LogKeys(trust.origin, tuple(key.ed25519 for key in trust.keys))
        asked = int(time.time()) if chain is None else chain.head().time
        copy_log(source, source.checkpoint(), folder, keys, tell=lambda _done, _all: None)
    return folder, trust, asked


def describe(report: Report) -> str:
    """Put a report into words for a terminal."""
    from provider.audit.findings import KINDS

    lines = [
        f"{report.size} entries of {report.origin}, {report.new} of them new; {report.anchored} are anchored",
        *(_describe_finding(finding) for finding in report.findings),
    ]
    failed = [line for line in report.checks if line.result == "failed"]
    skipped = [line for line in report.checks if line.result == "skipped"]
    if failed:
        lines += ["", table(("found", "times"), [(line.code.value, line.count) for line in failed])]
    if skipped:
        lines += ["", "not checked, for want of what it takes:"]
        lines += [f"  {KINDS[line.code].rule}" for line in skipped]
    passed = len(report.checks) - len(failed) - len(skipped)
    verdict = "CLEAN" if report.is_clean else f"NOT CLEAN: {report.verdict}"
    return "\n".join(
        [*lines, "", f"{verdict}: {passed} checks passed, {len(failed)} failed, {len(skipped)} skipped"]
    )


def _describe_finding(finding: Finding) -> str:
    place = "" if finding.index is None else f" entry {finding.index}"
    job = "" if finding.job_id is None else f" job {finding.job_id}"
    head = f"{finding.severity.word} {finding.code.value}{place}{plain(job)}"
    said = [finding.text, *(f"{name}: {plain(value)}" for name, value in finding.evidence.items())]
    return "\n".join([head, *(indent(line) for line in said)])


def _connect(session: Session, rpc_url: str, deployment: Path | None) -> ChainClient:
    from datatokens.client import ChainClient
    from datatokens.model import load_deployment

    chain = ChainClient.connect(rpc_url, load_deployment(deployment or session.home.deployment_file))
    chain.check()
    return chain


def _load_trust(path: Path | None, chain: ChainClient | None, note: str) -> TrustRoot:
    """Return whom to trust: who a file says, else who the log says that it is, whose account then judges it.

    With both, the keys are the file's, and the anchors the chain's: a file ends on the day that it was made.
    """
    from provider.receipts.trust import MAX_TRUST_BYTES, parse_trust

    if path is not None:
        trust = parse_trust(read_file(path, what="trust root", max_bytes=MAX_TRUST_BYTES))
        return trust if chain is None else _bring_up_to_date(trust, chain)
    if chain is None:
        raise InputError("say whom to trust: --trust FILE, --rpc URL, or both", code="no-trust-root")
    from cli.sources import claimed_provider
    from cli.trusting import build_trust

    return build_trust(chain, claimed_provider(note))


def _bring_up_to_date(trust: TrustRoot, chain: ChainClient) -> TrustRoot:
    from cli.trusting import build_trust

    now = build_trust(chain, trust.provider)
    if (trust.chain_id, trust.escrow.lower()) != (now.chain_id, now.escrow.lower()):
        raise MismatchError(
            f"the trust root is of chain {trust.chain_id} and escrow {trust.escrow}, and --rpc leads to chain"
            f" {now.chain_id} and escrow {now.escrow}"
        )
    return replace(trust, anchors=now.anchors, closed=now.closed)


def _opener(chain: ChainClient | None, trust: TrustRoot) -> Callable[[AuditState], AuditChain] | None:
    if chain is None:
        return None
    from cli.auditchain import AuditChain

    return lambda state: AuditChain(chain, trust.provider, state)


def _read_text(path: Path) -> str:
    from provider.receipts.note import MAX_NOTE_BYTES

    return read_file(path, what="checkpoint", max_bytes=MAX_NOTE_BYTES).decode("utf-8", "replace")


def _progress(session: Session) -> Callable[[int, int], None]:
    def show(done: int, size: int) -> None:
        if is_terminal() and not session.output.json:
            click.echo(f"\r{done} of {size} entries", err=True, nl=done == size)

    return show
