"""Reads what an owner hands over: the policy file and the payment token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError
from cli.home import read_file
from policies.documents import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from cli.context import Session


def read_policy(path: Path) -> str:
    """Return the text of a policy file that holds; its bytes are what the digest on chain is of.

    Raises:
        InputError: the file can't be read as text.
        PolicyError: it is not a policy, or asks for what can't be enforced.
    """
    from policies.model import parse_policy

    data = read_file(path, what="policy", max_bytes=MAX_DOCUMENT_BYTES)
    parse_policy(data)
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise InputError("policy: is not UTF-8 text", code="policy-invalid") from exc


def get_token(session: Session, token: str | None) -> str:
    """Return the payment token to use: the one named, else the deployment's test token.

    Raises:
        InputError: there is neither.
    """
    chosen = token or session.get_deployment().payment_token
    if chosen is None:
        raise InputError("this deployment names no payment token: say which", remedy="--token ADDRESS")
    return chosen
