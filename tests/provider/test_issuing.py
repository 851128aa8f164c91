"""A credential says what its issuer signed, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from datatokens.ethkeys import Account
from provider.credentials import Credential
from provider.errors import BadSignatureError
from provider.issuing import issue_credential, list_verified, verify_credential
from provider.wire import signing_hash

ISSUER, OTHER = Account.from_key("0x" + "11" * 32), Account.from_key("0x" + "22" * 32)
SUBJECT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
CREDENTIAL = issue_credential(ISSUER, SUBJECT, "not-for-profit", expires=1_900_000_000)


def test_a_credential_names_who_signed_it_and_what() -> None:
    facts = verify_credential(CREDENTIAL)
    assert (facts.issuer, facts.subject) == (ISSUER.address, SUBJECT)
    assert (facts.claim, facts.expires) == ("not-for-profit", 1_900_000_000)


def test_what_is_signed_stays_what_it_is() -> None:
    """Credentials are kept for months: another hash of the same words would make all of them worthless."""
    assert signing_hash(CREDENTIAL.signable).hex() == HASH


HASH = "48fd25c17708f14d7bad7f4ed77d80daa515628ddc6b109dfb77871d959fd77c"


@pytest.mark.parametrize(
    "change",
    [
        {"claim": "ethics-approval"},
        {"subject": OTHER.address},
        {"expires": 1_900_000_001},
        {"issuer": OTHER.address},
        {"signature": issue_credential(OTHER, SUBJECT, "not-for-profit", expires=1_900_000_000).signature},
        {"signature": "0x" + "00" * 65},
    ],
    ids=[
        "another claim",
        "another account",
        "a second longer",
        "another issuer's name",
        "another issuer's signature",
        "no signature",
    ],
)
def test_a_credential_that_was_changed_says_nothing(change: dict[str, Any]) -> None:
    changed = CREDENTIAL.model_copy(update=change)
    with pytest.raises(BadSignatureError):
        verify_credential(changed)
    assert list_verified((changed, CREDENTIAL)) == (verify_credential(CREDENTIAL),)


@pytest.mark.parametrize(
    "change",
    [
        {"claim": "Not for profit"},
        {"subject": "0x12"},
        {"expires": -1},
        {"expires": "soon"},
        {"signature": "0x12"},
        {"note": "x"},
    ],
)
def test_what_is_no_credential_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Credential.model_validate(CREDENTIAL.model_dump() | change)
