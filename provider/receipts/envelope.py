"""The DSSE v1.0.2 envelope around a statement: its exact bytes, its two signatures, its JSON.

Refuses duplicate keys, junk in base64, two signatures of one key id, and more than named limits. Who is trusted, and what
the payload says, is decided elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from provider.receipts.base64text import encode_base64, parse_any_base64
from provider.receipts.errors import MalformedError
from provider.receipts.keys import SigningKeys
from provider.receipts.strictjson import JsonLimits, parse_json_strict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPE_BYTES = 1024 * 1024
MAX_ENVELOPE_DEPTH = 4
MAX_RECEIPT_BYTES = 8 * 1024 * 1024
MAX_SIGNATURES = 16
MAX_SIGNATURE_BYTES = 8192
MAX_TEXT_CHARS = 256
_LIMITS = JsonLimits(size_bytes=MAX_ENVELOPE_BYTES, depth=MAX_ENVELOPE_DEPTH)
_NAME = "envelope"


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature over the PAE and the id of its key; the id is a hint, never a proof."""

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Exact payload bytes with their signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...]

    @property
    def pae(self) -> bytes:
        """The bytes that are signed and logged."""
        return pae(self.payload_type, self.payload)

    def to_json(self) -> bytes:
        """Write the envelope as one line of JSON without the line's end."""
        signatures = [{"keyid": s.keyid, "sig": encode_base64(s.sig)} for s in self.signatures]
        document = {
            "payload": encode_base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": signatures,
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()

    def find_signature(self, keyid: str) -> bytes | None:
        """Return the signature with that key id, if there is one."""
        return next((s.sig for s in self.signatures if s.keyid == keyid), None)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding (DSSE v1.0.2, "Signature definition"); lengths count bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(payload: bytes, keys: SigningKeys) -> Envelope:
    """Sign a statement's bytes with the P-256 service key and the secp256k1 signer key."""
    message = pae(PAYLOAD_TYPE, payload)
    p256, signer = keys.keyids
    signatures = (
        EnvelopeSignature(p256, keys.sign_p256(message)),
        EnvelopeSignature(signer, keys.sign_secp256k1(message)),
    )
    return Envelope(payload, PAYLOAD_TYPE, signatures)


def parse_envelope(data: bytes) -> Envelope:
    """Parse one envelope; unknown fields are ignored.

    Raises:
        MalformedError: not a DSSE envelope, or beyond the limits of this module.
    """
    document = parse_json_strict(data, document=_NAME, limits=_LIMITS)
    if not isinstance(document, dict):
        raise MalformedError(_NAME, f"expected an object, got {type(document).__name__}")
    encoded = _get_text(document, "payload", MAX_ENVELOPE_BYTES)
    signatures = _parse_signatures(document.get("signatures"))
    _check_one_alphabet([encoded, *(text for _, text in signatures)])
    return Envelope(
        parse_any_base64(encoded, document=_NAME),
        _get_text(document, "payloadType", MAX_TEXT_CHARS),
        tuple(EnvelopeSignature(keyid, parse_any_base64(sig, document=_NAME)) for keyid, sig in signatures),
    )


def parse_receipt(data: bytes) -> tuple[Envelope, ...]:
    """Parse a receipt file: JSON Lines of envelopes, each line ended by a line feed, no empty line.

    Raises:
        MalformedError: empty, cut off, or a line that is not an envelope.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise MalformedError("receipt", f"is {len(data)} bytes, at most {MAX_RECEIPT_BYTES} are read")
    *lines, rest = data.split(b"\n")
    if rest or not lines:
        raise MalformedError("receipt", "expected lines that each end with a line feed: the file was cut off")
    if any(not (line.startswith(b"{") and line.endswith(b"}")) for line in lines):
        raise MalformedError("receipt", "expected one JSON object in each line, with nothing around it")
    return tuple(parse_envelope(line) for line in lines)


def format_receipt(envelope: Envelope) -> bytes:
    """Write the receipt file of one envelope."""
    return envelope.to_json() + b"\n"


def _parse_signatures(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SIGNATURES:
        raise MalformedError(_NAME, f"signatures: expected a list of 1 to {MAX_SIGNATURES}")
    found: dict[str, str] = {}
    for item in value:
        if not isinstance(item, dict):
            raise MalformedError(_NAME, "signatures: expected objects")
        keyid = _get_text(item, "keyid", MAX_TEXT_CHARS)
        if keyid in found:
            raise MalformedError(_NAME, "signatures: a key id stands twice")
        found[keyid] = _get_text(item, "sig", MAX_SIGNATURE_BYTES)
    return list(found.items())


def _get_text(document: dict[str, Any], key: str, max_chars: int) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= max_chars:
        raise MalformedError(_NAME, f"{key}: expected text of 1 to {max_chars} characters")
    return value


def _check_one_alphabet(texts: list[str]) -> None:
    """Refuse an envelope that uses both base64 alphabets: no writer does, and it would give one value many texts."""
    joined = "".join(texts)
    if ("-" in joined or "_" in joined) and ("+" in joined or "/" in joined):
        raise MalformedError(_NAME, "mixes the standard and the URL-safe base64 alphabet")
