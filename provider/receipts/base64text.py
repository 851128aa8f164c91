"""Base64 without slack: one text for one value in each alphabet, so that no change of a byte goes unseen."""

from __future__ import annotations

import base64
import binascii

from provider.receipts.errors import MalformedError


def encode_base64(data: bytes) -> str:
    """Write bytes as standard, padded base64 (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def parse_base64(text: str, *, document: str) -> bytes:
    """Read standard, padded base64.

    Raises:
        MalformedError: white space, junk, missing padding, or spare bits that are not zero (RFC 4648 §3.5).
    """
    try:
        data = binascii.a2b_base64(text)
    except (binascii.Error, ValueError) as exc:
        raise MalformedError(document, "expected base64 without junk") from exc
    if encode_base64(data) != text:
        raise MalformedError(document, "expected base64 in its one canonical form")
    return data


def parse_any_base64(text: str, *, document: str) -> bytes:
    """Read standard or URL-safe base64, padded (RFC 4648 §4, §5); DSSE allows both.

    Raises:
        MalformedError: both alphabets in one text, or anything `parse_base64` refuses.
    """
    if ("-" in text or "_" in text) and ("+" in text or "/" in text):
        raise MalformedError(document, "mixes the standard and the URL-safe base64 alphabet")
    return parse_base64(text.replace("-", "+").replace("_", "/"), document=document)
