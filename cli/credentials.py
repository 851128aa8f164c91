"""The credentials in a scientist's home: reads them from files, keeps them, and chooses those that policies ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError, MismatchError, RefusedError
from cli.governing import find_policy
from cli.home import Home, read_file, write_file
from policies.canonical import digest_of
from policies.documents import parse_document
from policies.people import CredentialDemand
from provider.credentials import Credential
from provider.errors import BadSignatureError
from provider.issuing import verify_credential

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset

MAX_CREDENTIAL_BYTES = 4096


def load_credential(path: Path) -> Credential:
    """Read a credential whose issuer signed it.

    Raises:
        InputError, DocumentError: the file can't be read as one.
        MismatchError: its issuer didn't sign this.
    """
    data = read_file(path, what="credential", max_bytes=MAX_CREDENTIAL_BYTES)
    credential = parse_document(data, Credential, document="credential")
    try:
        verify_credential(credential)
    except BadSignatureError as exc:
        raise MismatchError(
            f"credential: {credential.issuer} didn't sign this", remedy="ask the issuer for the file again"
        ) from exc
    return credential


def write_credential(credential: Credential) -> bytes:
    """Return a credential as a file."""
    return credential.model_dump_json(indent=2).encode() + b"\n"


def keep_credential(home: Home, credential: Credential) -> Path:
    """Keep a credential in the home folder; the same one twice is one."""
    data = write_credential(credential)
    path = home.credentials / f"{credential.claim}-{digest_of(data)[7:23]}.json"
    write_file(path, data)
    return path


def list_credentials(home: Home) -> list[Credential]:
    """Return the credentials that the home folder keeps, each verified; the longest valid first.

    Raises:
        DocumentError, MismatchError: one was changed since it was added.
    """
    found = [load_credential(path) for path in sorted(home.credentials.glob("*.json"))]
    return sorted(found, key=lambda credential: -credential.expires)


def choose_credentials(
    demands: Iterable[CredentialDemand], kept: Sequence[Credential], *, subject: str, now: int
) -> tuple[tuple[Credential, ...], tuple[CredentialDemand, ...]]:
    """Return one credential about `subject` for each demand that can be met now, and the demands that can't."""
    chosen: dict[Credential, None] = {}
    missing = []
    for demand in demands:
        found = next((one for one in kept if _meets(one, demand, subject=subject, now=now)), None)
        if found is None:
            missing.append(demand)
        else:
            chosen[found] = None
    return tuple(chosen), tuple(missing)


def _meets(credential: Credential, demand: CredentialDemand, *, subject: str, now: int) -> bool:
    return (
        credential.claim == demand.claim
        and credential.subject.lower() == subject.lower()
        and credential.issuer.lower() in demand.issuers
        and credential.expires > now
    )


def find_credentials(session: Session, assets: Sequence[Asset], *, now: int) -> tuple[Credential, ...]:
    """Return the credentials that the policies of these datasets ask for; none for a policy that can't be read.

    Raises:
        MismatchError: the provider shows another policy than the chain names.
        RefusedError: this home has none for a claim that is asked for: a job without it would be refused.
    """
    policies = [find_policy(session, asset) for asset in assets]
    demands = [demand for policy in policies if policy is not None for demand in policy.credentials]
    if not demands:
        return ()
    kept, subject = list_credentials(session.home), session.get_address()
    chosen, missing = choose_credentials(demands, kept, subject=subject, now=now)
    if missing:
        first = missing[0]
        raise RefusedError(
            f"a credential for {first.claim} is asked for, about {subject} and unexpired, and this home has none",
            code="credential-missing",
            remedy=f"have one of {', '.join(first.issuers)} issue it, then `sealroom credential add FILE`",
        )
    return chosen


def check_subject(session: Session, credential: Credential) -> None:
    """Check that a credential is about an account of this home.

    Raises:
        InputError: it is somebody else's, of no use here.
    """
    from datatokens.accounts import list_accounts

    known = {address.lower() for address in list_accounts(session.home.keys).values()}
    if credential.subject.lower() not in known:
        raise InputError(
            f"credential: it is about {credential.subject}, which is no account of this home folder",
            code="credential-of-another",
        )
