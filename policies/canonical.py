"""One way to turn a value into bytes, and bytes into a digest, for everything that is ever compared or signed.

Canonical JSON here: UTF-8, keys sorted by code point, no white space, numbers as ECMAScript writes them, no NaN. This is
RFC 8785 for every document whose keys stay in the Basic Multilingual Plane.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from policies.errors import DocumentError

DIGEST_PREFIX = "sha256:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_SAFE_INTEGER = 2**53 - 1
MAX_PLAIN_DIGITS = 21
MIN_PLAIN_POINT = -6
_SCALARS = json.JSONEncoder(ensure_ascii=False)


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Serialise a JSON value to its one canonical form.

    Raises:
        DocumentError: NaN or an infinity, a key that is not a string, an integer past 2^53 - 1, or a type JSON doesn't have.
    """
    try:
        return _encode(value, "$").encode()
    except UnicodeEncodeError as exc:
        raise DocumentError("json", "$", "a string holds half of a surrogate pair") from exc
    except RecursionError as exc:
        raise DocumentError("json", "$", "is nested too deep") from exc


def _encode(value: object, path: str) -> str:
    if isinstance(value, float):
        return _encode_float(value, path)
    if value is None or isinstance(value, (str, bool, int)):
        return _encode_scalar(value, path)
    if isinstance(value, Mapping):
        return _encode_mapping(value, path)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return "[" + ",".join(_encode(item, f"{path}[{index}]") for index, item in enumerate(value)) + "]"
    raise DocumentError("json", path, f"expected a JSON value, got {type(value).__name__}")


def _encode_scalar(value: str | int | None, path: str) -> str:
    if isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER:
        raise DocumentError("json", path, "an integer beyond 2^53 - 1 loses digits: write it as a string")
    return _SCALARS.encode(value)


def _encode_mapping(value: Mapping[Any, Any], path: str) -> str:
    for key in value:
        if not isinstance(key, str):
            raise DocumentError("json", path, f"the key {key!r} is not a string")
    pairs = (f"{_encode_scalar(key, path)}:{_encode(value[key], f'{path}.{key}')}" for key in sorted(value))
    return "{" + ",".join(pairs) + "}"


def _encode_float(value: float, path: str) -> str:
    """Write a float as ECMAScript does (ECMA-262, Number::toString; RFC 8785 section 3.2.2.3)."""
    if not math.isfinite(value):
        raise DocumentError("json", path, "NaN and infinities have no form in JSON")
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if 0 < point <= MAX_PLAIN_DIGITS:
        whole = text[:point].ljust(point, "0")
        plain = f"{whole}.{text[point:]}" if text[point:] else whole
    elif MIN_PLAIN_POINT < point <= 0:
        plain = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if text[1:] else ""
        plain = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{plain}" if sign else plain


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 digest (FIPS 180-4) of `data`."""
    return hashlib.sha256(data).digest()


def digest_text(digest: bytes) -> str:
    """Write a 32-byte digest as it stands at the edge: `sha256:` and 64 lower-case hex digits."""
    return DIGEST_PREFIX + digest.hex()


def digest_of(data: bytes) -> str:
    """Return the edge form of the SHA-256 digest of `data`."""
    return digest_text(sha256(data))


def parse_digest(text: str) -> bytes:
    """Read `sha256:<64 hex>` back to 32 bytes.

    Raises:
        DocumentError: any other form, upper case included.
    """
    if not _DIGEST.fullmatch(text):
        raise DocumentError("digest", "", f"expected sha256:<64 lower-case hex digits>, got {text[:80]!r}")
    return bytes.fromhex(text[len(DIGEST_PREFIX) :])
