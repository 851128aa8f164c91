"""`sealroom policy check|explain|test|root`: whether a policy holds, what it says, and that it decides as its owner means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import ExitCode
from cli.output import fields, table

if TYPE_CHECKING:
    from policies.cases import CaseResult
    from policies.model import Policy

MAX_SHOWN = 40


@click.group(cls=SessionGroup)
def policy() -> None:
    """Check, explain and test policies; needs no provider."""


@policy.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def check(session: Session, file: Path) -> None:
    """Check that the policy in FILE can be enforced as it is written; a mistake is told with its line and path."""
    from policies.baseline import is_baseline_allowed

    found = _load(file)
    allows = is_baseline_allowed(found)
    if not allows:
        session.output.say(
            "warning: this policy allows no job at all; `sealroom policy explain` says what it asks for"
        )
    facts = {"policy": str(file), "digest": found.digest, "holds": True, "allows_anything": allows}
    session.output.data(facts, lambda: fields({"holds": "yes", "digest": found.digest}))


@policy.command("explain")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def explain(session: Session, file: Path) -> None:
    """Tell in plain words what the policy in FILE allows, what is enforced, and what the scientist only promises."""
    from cli.policywords import explanation_document, explanation_page

    found = _load(file)
    session.output.data(
        {"digest": found.digest} | explanation_document(found), lambda: explanation_page(found)
    )


@policy.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("cases", required=False, type=click.Path(path_type=Path))
@pass_session
def test(session: Session, file: Path, cases: Path | None) -> ExitCode:
    """Decide the cases kept beside FILE (NAME.cases.yaml), or in CASES, and compare with what they expect."""
    from cli.home import read_file
    from policies.cases import parse_cases, run_cases
    from policies.documents import MAX_DOCUMENT_BYTES

    decided = _load(file)
    path = cases or file.with_suffix(".cases.yaml")
    found = parse_cases(read_file(path, what="cases", max_bytes=MAX_DOCUMENT_BYTES))
    results = run_cases(decided, found)
    failed = [result for result in results if not result.holds]
    rows = [_row(result) for result in results]
    document = {"cases": [_document(result) for result in results], "failed": len(failed)}
    end = f"{len(results)} cases, {len(failed)} decided otherwise than expected"
    session.output.data(document, lambda: f"{table(('CASE', 'DECIDED', 'BY', ''), rows)}\n\n{end}")
    return ExitCode.VERIFICATION if failed else ExitCode.OK


@policy.command("root")
@click.argument("who", nargs=-1)
@click.option(
    "--file", type=click.Path(path_type=Path), help="A file of addresses, one to a line; # begins a comment."
)
@pass_session
def root(session: Session, who: tuple[str, ...], *, file: Path | None) -> None:
    """Print the root of the allow-list of WHO (addresses or key names), for `people.consumers` of a policy."""
    from cli.consumers import read_consumers
    from datatokens.allowlist import build_root

    accounts = read_consumers(session, who, file)
    found = build_root(accounts).hex()
    session.output.data({"root": found, "consumers": accounts}, lambda: found)


def _load(file: Path) -> Policy:
    """Read a policy file.

    Raises:
        InputError: the file can't be read, or an address in it has a wrong checksum.
        DocumentError: it is no policy, with line and path.
    """
    from cli.governing import read_policy
    from policies.model import parse_policy

    return parse_policy(read_policy(file).encode())


def _row(result: CaseResult) -> tuple[str, str, str, str]:
    expected = f"expected {result.case.expect}" + (f" by {result.case.rule}" if result.case.rule else "")
    return (
        result.case.name,
        result.decision.status.value,
        result.rule or "-",
        "as expected" if result.holds else expected,
    )


def _document(result: CaseResult) -> dict[str, object]:
    return {
        "name": result.case.name,
        "expected": result.case.expect,
        "expected_rule": result.case.rule,
        "decided": result.decision.status.value,
        "rule": result.rule,
        "holds": result.holds,
    }
