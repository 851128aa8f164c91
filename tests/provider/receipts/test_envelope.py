from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse
from securesystemslib.exceptions import VerificationError as OutsideVerificationError
from securesystemslib.signer._key import SSlibKey

from provider.receipts.envelope import (
    MAX_SIGNATURES,
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    format_receipt,
    pae,
    parse_envelope,
    parse_receipt,
    sign_envelope,
)
from provider.receipts.errors import MalformedError
from provider.receipts.keys import SigningKeys
from provider.receipts.signatures import (
    find_recovered_address,
    is_p256_signature,
    load_p256,
    p256_keyid,
    signer_keyid,
)
from tests.receipt_samples import CHAIN_ID

KEYS = SigningKeys.generate(CHAIN_ID)
PAYLOAD = '{"name":"Krankenhaus Köln ✓"}'.encode()
ENVELOPE = sign_envelope(PAYLOAD, KEYS)


def with_field(**changes: object) -> bytes:
    document = json.loads(ENVELOPE.to_json()) | changes
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def test_the_pae_is_that_of_the_dsse_specification() -> None:
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_lengths_count_bytes_and_not_characters() -> None:
    assert pae("é", "ü✓".encode()) == "DSSEv1 2 é 5 ü✓".encode()


def test_the_dsse_specification_example_signature_verifies() -> None:
    """Protocol test vector of the DSSE specification: ECDSA over P-256 with SHA-256, r‖s there, DER here."""
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    message = pae("http://example.com/HelloWorld", b"hello world")
    point = b"\x04" + x.to_bytes(32) + y.to_bytes(32)
    assert is_p256_signature(point, der(raw), message)
    assert not is_p256_signature(point, der(raw), message + b" ")


def der(raw: bytes) -> bytes:
    numbers = b""
    for half in (raw[:32], raw[32:]):
        body = half.lstrip(b"\x00")
        body = b"\x00" + body if body[0] & 0x80 else body
        numbers += b"\x02" + bytes([len(body)]) + body
    return b"\x30" + bytes([len(numbers)]) + numbers


def test_both_signatures_are_over_the_pae() -> None:
    public = KEYS.public()
    p256, signer = ENVELOPE.signatures
    assert (p256.keyid, signer.keyid) == (
        p256_keyid(public.p256),
        signer_keyid(CHAIN_ID, public.signer),
    )
    assert signer.keyid == f"eip155:{CHAIN_ID}:{public.signer}"
    assert is_p256_signature(public.p256, p256.sig, pae(PAYLOAD_TYPE, PAYLOAD))
    assert find_recovered_address(signer.sig, pae(PAYLOAD_TYPE, PAYLOAD)) == public.signer
    assert len(signer.sig) == 65
    assert signer.sig[64] in (27, 28)


def test_an_envelope_survives_writing_and_reading() -> None:
    assert parse_envelope(ENVELOPE.to_json()) == ENVELOPE
    assert parse_receipt(format_receipt(ENVELOPE)) == (ENVELOPE,)
    assert b"\n" not in ENVELOPE.to_json()


@given(st.binary(), st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable()))
def test_any_payload_and_type_survive_writing_and_reading(payload: bytes, payload_type: str) -> None:
    envelope = Envelope(payload or b"x", payload_type, (EnvelopeSignature("k", b"s"),))
    assert parse_envelope(envelope.to_json()) == envelope


def test_url_safe_base64_is_read_too() -> None:
    document = json.loads(ENVELOPE.to_json())
    document["payload"] = document["payload"].replace("+", "-").replace("/", "_")
    for item in document["signatures"]:
        item["sig"] = item["sig"].replace("+", "-").replace("/", "_")
    assert parse_envelope(json.dumps(document).encode()) == ENVELOPE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"[" * 100_000, id="very deep"),
        pytest.param(b'{"a":' * 50_000, id="very deep objects"),
        pytest.param(b'\xef\xbb\xbf{"payload":""}', id="byte order mark"),
        pytest.param("{}".encode("utf-16"), id="utf-16"),
        pytest.param(b'{"payload":"e30=","payload":"e30="}', id="duplicate key"),
        pytest.param(with_field(payload=None), id="no payload"),
        pytest.param(with_field(payload=7), id="payload is a number"),
        pytest.param(with_field(payload="e30"), id="payload without padding"),
        pytest.param(with_field(payload="e31="), id="spare bits set"),
        pytest.param(with_field(payload="e30=\n"), id="line feed in base64"),
        pytest.param(with_field(payload="+_+_"), id="two alphabets"),
        pytest.param(with_field(payload="é"), id="not ascii"),
        pytest.param(with_field(payloadType=""), id="empty type"),
        pytest.param(with_field(payloadType="x" * 300), id="long type"),
        pytest.param(with_field(signatures=[]), id="no signature"),
        pytest.param(with_field(signatures={}), id="signatures are an object"),
        pytest.param(with_field(signatures=["x"]), id="a signature is a text"),
        pytest.param(with_field(signatures=[{"sig": "e30="}]), id="no key id"),
        pytest.param(with_field(signatures=[{"keyid": "a", "sig": "e30="}] * 2), id="a key id twice"),
        pytest.param(
            with_field(signatures=[{"keyid": str(n), "sig": "e30="} for n in range(MAX_SIGNATURES + 1)]),
            id="too many signatures",
        ),
        pytest.param(with_field(other=float("nan")), id="NaN"),
        pytest.param(with_field(other=1.5), id="a float"),
        pytest.param(with_field(other=2**53), id="a number that loses digits"),
        pytest.param(b'{"other":' + b"9" * 100_000 + b"}", id="a very long number"),
        pytest.param(b'{"other":"\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"\\ud800":1}', id="half a surrogate pair in a key"),
        pytest.param(b" " * (1024 * 1024 + 1), id="too large"),
    ],
)
def test_what_is_no_envelope_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_envelope(data)


def test_unknown_fields_are_ignored() -> None:
    assert parse_envelope(with_field(future={"a": [1, True, None]})) == ENVELOPE


@pytest.mark.parametrize("data", [b"", b"\n", b"{}", ENVELOPE.to_json(), b" " + ENVELOPE.to_json() + b"\n"])
def test_a_receipt_file_that_is_cut_or_padded_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_receipt(data)


@given(st.binary(max_size=300))
def test_garbage_is_malformed_and_nothing_else(data: bytes) -> None:
    for parse in (parse_envelope, parse_receipt):
        with pytest.raises(MalformedError):
            parse(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"payload": json_values, "payloadType": json_values, "signatures": json_values}
    )
)
def test_json_of_any_shape_is_read_or_malformed(document: dict[str, object]) -> None:
    try:
        parse_envelope(json.dumps(document).encode())
    except MalformedError:
        return
    assert {"payload", "payloadType", "signatures"} <= set(document)


def test_securesystemslib_verifies_our_envelope_by_the_p256_key_alone() -> None:
    key = SSlibKey.from_crypto(KEYS.p256.public_key(), keyid=KEYS.keyids[0])
    outside = dsse.Envelope.from_dict(json.loads(ENVELOPE.to_json()))
    assert outside.payload == PAYLOAD
    assert set(outside.verify([key], threshold=1)) == {KEYS.keyids[0]}
    outside.payload += b" "
    with pytest.raises(OutsideVerificationError):
        outside.verify([key], threshold=1)


def test_openssl_verifies_the_p256_signature(tmp_path: Path) -> None:
    public = load_p256(KEYS.public().p256).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(public)
    (tmp_path / "pae").write_bytes(ENVELOPE.pae)
    (tmp_path / "sig").write_bytes(ENVELOPE.signatures[0].sig)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "pae"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "Verified OK")
    (tmp_path / "pae").write_bytes(ENVELOPE.pae + b" ")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1
