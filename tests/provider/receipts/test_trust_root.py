from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.receipts.errors import FieldError, MalformedError
from provider.receipts.keys import SigningKeys
from provider.receipts.trust import parse_trust
from tests.receipt_samples import ANCHOR_TIME, CHAIN_ID, make_sample, trusted_key

TRUST = make_sample(keys=SigningKeys.generate(CHAIN_ID)).trust


def changed(path: str, value: object) -> bytes:
    document: Any = json.loads(TRUST.to_json())
    *parents, last = path.split(".")
    place = document
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[last] = value
    return json.dumps(document).encode()


def test_a_trust_root_survives_writing_and_reading() -> None:
    keys = SigningKeys.generate(CHAIN_ID)
    trust = replace(
        TRUST, keys=(*TRUST.keys, trusted_key(keys, valid_until=ANCHOR_TIME, revoked_at=ANCHOR_TIME))
    )
    assert parse_trust(trust.to_json()) == trust


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("version", "1"),
        ("chainId", 1),
        ("provider", "0x12"),
        ("origin", "sealroom/31337/0x00"),
        ("keys", {}),
        ("keys.0.p256", "0x04"),
        ("keys.0.ed25519", "00" * 32),
        ("keys.0.revokedAt", "never"),
        ("closed", "never"),
        ("keys.0.validUntil", "never"),
        ("anchors.0.size", -1.5),
        ("anchors.0.root", "0x00"),
        ("anchors.0.tx", None),
    ],
)
def test_a_trust_root_with_a_wrong_field_is_malformed(path: str, value: object) -> None:
    with pytest.raises(MalformedError, match="trust root"):
        parse_trust(changed(path, value))


def test_a_trust_root_with_a_wrong_value_is_not_written() -> None:
    with pytest.raises(FieldError):
        replace(TRUST, provider="me").to_json()


@given(st.binary(max_size=200))
def test_garbage_is_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_trust(data)


def test_an_anchor_is_found_only_by_its_exact_size_and_root() -> None:
    (anchor,) = TRUST.anchors
    assert TRUST.find_anchor(anchor.size, anchor.root) == anchor
    assert TRUST.find_anchor(anchor.size + 1, anchor.root) is None
    assert TRUST.find_anchor(anchor.size, b"\x00" * 32) is None
