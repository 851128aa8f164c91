"""One way to turn a value into bytes, and bytes into a digest, for everything that is ever compared or signed.

Canonical JSON here: UTF-8, keys sorted by code point, no white space, no floats, no NaN (RFC 8785 restricted to
strings, integers, booleans, null, arrays and objects, where the two agree).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from policies.errors import DocumentError

type_names = {float: "a float (write it as a decimal string)", bytes: "bytes"}
DIGEST_PREFIX = "sha256:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_SAFE_INTEGER = 2**53 - 1


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Serialise a JSON value to its one canonical form.

    Raises:
        DocumentError: a float, a key that is not a string, an integer past 2^53 - 1, or a type JSON doesn't have.
    """
    _check_canonical(value, "$")
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise DocumentError("json", "$", "a string holds half of a surrogate pair") from exc


def _check_canonical(value: object, path: str) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise DocumentError("json", path, "an integer beyond 2^53 - 1 loses digits: write it as a string")
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise DocumentError("json", path, f"the key {key!r} is not a string")
            _check_canonical(item, f"{path}.{key}")
        return
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        for index, item in enumerate(value):
            _check_canonical(item, f"{path}[{index}]")
        return
    raise DocumentError(
        "json", path, f"expected a JSON value, got {type_names.get(type(value), type(value).__name__)}"
    )


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
