"""`sealroom credential issue|add|show`: what an issuer says of an account, for policies that ask for it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import Session, SessionGroup, pass_session
from cli.errors import InputError
from cli.output import fields, table
from cli.times import MOMENT, Moment, format_time

if TYPE_CHECKING:
    from provider.credentials import Credential


@click.group(cls=SessionGroup)
def credential() -> None:
    """Issue credentials about accounts, and keep those about yours."""


@credential.command("issue")
@click.argument("who")
@click.argument("claim")
@click.option("--until", required=True, type=MOMENT, metavar="TIME", help="When it expires: 2027-12-31.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Where the credential is written."
)
@pass_session
def issue(session: Session, who: str, claim: str, *, until: Moment, output: Path) -> None:
    """Sign that CLAIM, such as not-for-profit, holds of WHO, an address or a key name.

    It counts for datasets whose policy names the signing account as an issuer, and can't be taken back before it
    expires: choose a time that is soon enough.
    """
    from cli.credentials import write_credential
    from cli.home import write_file
    from cli.people import resolve_address
    from policies.documents import validate_document
    from provider.credentials import Credential
    from provider.issuing import issue_credential

    if until.is_block or until.number <= time.time():
        raise InputError("--until: expected a time that is yet to come, such as 2027-12-31", code="usage")
    subject = resolve_address(session.home, who)
    unsigned = {"subject": subject, "claim": claim, "expires": until.number, "issuer": session.get_address()}
    validate_document(unsigned | {"signature": "0x" + "00" * 65}, Credential, document="credential")
    signed = issue_credential(session.get_account(), subject, claim, expires=until.number)
    write_file(output, write_credential(signed), mode=0o644)
    _tell(session, signed, {"file": str(output)})


@credential.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def add(session: Session, file: Path) -> None:
    """Keep the credential in FILE; `job submit` sends it where a policy asks for it."""
    from cli.credentials import check_subject, keep_credential, load_credential

    found = load_credential(file)
    check_subject(session, found)
    _tell(session, found, {"file": str(keep_credential(session.home, found))})


@credential.command("show")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@pass_session
def show(session: Session, file: Path | None) -> None:
    """Show the credential in FILE and whether its issuer signed it, or list those that are kept here."""
    from cli.credentials import list_credentials, load_credential

    if file is not None:
        _tell(session, load_credential(file), {})
        return
    kept = list_credentials(session.home)
    rows = [(one.claim, one.subject, one.issuer, _validity(one)) for one in kept]
    session.output.data(
        {"credentials": [one.model_dump() for one in kept]},
        lambda: table(("CLAIM", "ABOUT", "SIGNED BY", "VALID"), rows, empty="no credentials are kept here"),
    )


def _tell(session: Session, found: Credential, facts: dict[str, str]) -> None:
    words = {
        "claim": found.claim,
        "about": found.subject,
        "signed by": found.issuer,
        "valid": _validity(found),
    }
    session.output.data(found.model_dump() | facts, lambda: fields(words | facts))


def _validity(found: Credential) -> str:
    word = "until" if found.expires > time.time() else "expired at"
    return f"{word} {format_time(found.expires)}"
