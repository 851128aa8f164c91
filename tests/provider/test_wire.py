from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from provider.errors import BadSignatureError
from provider.wire import SECP256K1_HALF_ORDER, Domain, JobRequest, action_message, recover_signer

DOMAIN = Domain(chain_id=31337, escrow="0x" + "11" * 20)
KEY = "0x" + "42" * 32
ORDER = SECP256K1_HALF_ORDER * 2 + 1
FIELDS: dict[str, Any] = {
    "datasets": ["aa" * 32],
    "algorithm": "sha256:" + "bb" * 32,
    "parameters": "sha256:" + "cc" * 32,
    "purpose": "DUO:0000006",
    "provider": "0x" + "22" * 20,
    "result_key": "AAAA",
    "nonce": "dd" * 32,
    "expiry": 2_000_000_000,
}
OTHER_FIELDS: dict[str, Any] = {
    "datasets": ["ab" * 32],
    "algorithm": "sha256:" + "ba" * 32,
    "parameters": "sha256:" + "ca" * 32,
    "purpose": "DUO:0000042",
    "provider": "0x" + "23" * 20,
    "result_key": "AAAB",
    "nonce": "de" * 32,
    "expiry": 2_000_000_001,
}


def sign(request: JobRequest, domain: Domain = DOMAIN) -> str:
    return "0x" + bytes(Account.sign_message(request.signable(domain), KEY).signature).hex()


def test_the_signer_of_a_request_is_recovered() -> None:
    request = JobRequest(**FIELDS)
    assert recover_signer(request.signable(DOMAIN), sign(request)) == Account.from_key(KEY).address


@pytest.mark.parametrize("purpose", ["DUO:0000042", "DUO:0000007", "DUO:0000007[MONDO:0007254]"])
def test_a_purpose_may_name_its_disease_and_what_is_signed_is_the_text(purpose: str) -> None:
    request = JobRequest(**(FIELDS | {"purpose": purpose}))
    assert recover_signer(request.signable(DOMAIN), sign(request)) == Account.from_key(KEY).address
    assert (sign(request) == sign(JobRequest(**FIELDS))) is False


@pytest.mark.parametrize(
    "purpose",
    [
        "DUO:0000006[MONDO:0007254]",
        "DUO:0000007[]",
        "DUO:0000007[MONDO:0007254]\n",
        "DUO:0000007[mondo:0007254]",
    ],
)
def test_a_purpose_has_no_other_form(purpose: str) -> None:
    with pytest.raises(ValidationError):
        JobRequest(**(FIELDS | {"purpose": purpose}))


@pytest.mark.parametrize("count", [0, 9])
def test_a_request_is_for_one_to_eight_datasets(count: int) -> None:
    JobRequest(**(FIELDS | {"datasets": [f"{number:064x}" for number in range(8)]}))
    with pytest.raises(ValidationError):
        JobRequest(**(FIELDS | {"datasets": [f"{number:064x}" for number in range(count)]}))


def test_a_request_names_no_dataset_twice_and_their_order_is_signed() -> None:
    first, second = "aa" * 32, "bb" * 32
    with pytest.raises(ValidationError, match="stands twice"):
        JobRequest(**(FIELDS | {"datasets": [first, second, first]}))
    ids = {
        JobRequest(**(FIELDS | {"datasets": pair})).job_id(DOMAIN)
        for pair in ([first, second], [second, first])
    }
    assert len(ids) == 2


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_hole_6_the_signature_covers_every_field_of_the_request(name: str) -> None:
    request = JobRequest(**FIELDS)
    changed = JobRequest(**(FIELDS | {name: OTHER_FIELDS[name]}))
    assert changed.job_id(DOMAIN) != request.job_id(DOMAIN)
    assert recover_signer(changed.signable(DOMAIN), sign(request)) != Account.from_key(KEY).address


@pytest.mark.parametrize(
    "domain", [dataclasses.replace(DOMAIN, chain_id=1), dataclasses.replace(DOMAIN, escrow="0x" + "12" * 20)]
)
def test_hole_6_the_signature_covers_the_chain_and_the_contract(domain: Domain) -> None:
    request = JobRequest(**FIELDS)
    assert recover_signer(request.signable(domain), sign(request)) != Account.from_key(KEY).address


@pytest.mark.parametrize("change", ["action", "body", "provider", "nonce", "expiry"])
def test_hole_6_the_signature_covers_every_part_of_an_action(change: str) -> None:
    parts: dict[str, Any] = {
        "action": "job.cancel",
        "body": {"a": "b"},
        "provider": "0x" + "22" * 20,
        "nonce": "dd" * 32,
        "expiry": 5,
    }
    other: dict[str, Any] = {
        "action": "job.submit",
        "body": {"a": "c"},
        "provider": "0x" + "23" * 20,
        "nonce": "de" * 32,
        "expiry": 6,
    }
    message = action_message(**parts, domain=DOMAIN)
    signature = "0x" + bytes(Account.sign_message(message, KEY).signature).hex()
    changed = action_message(**(parts | {change: other[change]}), domain=DOMAIN)
    assert recover_signer(message, signature) == Account.from_key(KEY).address
    assert recover_signer(changed, signature) != Account.from_key(KEY).address


def test_the_other_form_of_a_signature_is_refused_so_that_one_request_has_one_signature() -> None:
    request = JobRequest(**FIELDS)
    raw = bytes.fromhex(sign(request)[2:])
    s = ORDER - int.from_bytes(raw[32:64])
    twin = raw[:32] + s.to_bytes(32) + bytes([55 - raw[64]])
    with pytest.raises(BadSignatureError):
        recover_signer(request.signable(DOMAIN), "0x" + twin.hex())


@given(st.binary(min_size=0, max_size=80))
def test_any_bytes_as_a_signature_recover_to_somebody_or_raise_our_error(data: bytes) -> None:
    message = JobRequest(**FIELDS).signable(DOMAIN)
    try:
        address = recover_signer(message, "0x" + data.hex())
    except BadSignatureError:
        return
    assert address.startswith("0x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("datasets", []),
        ("datasets", ["zz" * 32]),
        ("datasets", [{"blob": "anything"}]),
        ("algorithm", "latest"),
        ("algorithm", "sha256:" + "BB" * 32),
        ("purpose", "research"),
        ("expiry", "2000000000"),
        ("expiry", -1),
        ("nonce", "dd"),
        ("result_key", "not base64!"),
        ("environment", {"LD_PRELOAD": "x.so"}),
        ("entrypoint", "sh"),
    ],
)
def test_holes_2_10_and_14_a_request_names_ids_and_digests_and_carries_nothing_else(
    name: str, value: object
) -> None:
    with pytest.raises(ValidationError):
        JobRequest.model_validate(FIELDS | {name: value})
