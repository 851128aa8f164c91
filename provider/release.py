"""Encrypts what the gate let out to the scientist's result key, and opens it again. Decides nothing about what may leave.

HPKE (RFC 9180, base mode) with the hybrid KEM ML-KEM-768 + X25519, HKDF-SHA256 and AES-256-GCM: recorded today, it stays
closed to a quantum computer later. One ciphertext holds a header of names and sizes and then the files, so that names,
sizes, order and contents are authenticated together, bound to the job id.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from policies.canonical import canonical_json
from provider.receipts.errors import MalformedError
from provider.receipts.strictjson import JsonLimits, parse_json_strict

SUITE = b"\x01"
MAGIC = b"sealroom-release-v1\n"
RESULT_KEY_BYTES = 1 + 1184 + 32
PRIVATE_KEY_BYTES = 1 + 64 + 32
MAX_RELEASE_BYTES = 2 * 1024**3
MAX_HEADER_BYTES = 1024 * 1024
_HEADER_LIMITS = JsonLimits(size_bytes=MAX_HEADER_BYTES, depth=2)
_SEED_BYTES = 64
_MLKEM_PUBLIC_BYTES = 1184
_LENGTH = struct.Struct(">I")
_HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class ReleaseError(Exception):
    """Base: a release can't be sealed or opened.

    ReleaseError
    ├── ResultKeyError    a result key is not one
    └── ReleaseOpenError  wrong key, another job, or altered bytes
    """

    code = "release-error"


class ResultKeyError(ReleaseError):
    """A result key is not one that a release can be sealed to."""

    code = "result-key-invalid"


class ReleaseOpenError(ReleaseError):
    """A release doesn't open: wrong key, another job, or altered bytes; the three can't be told apart."""

    code = "release-closed"


@dataclass(frozen=True, slots=True)
class ResultKey:
    """A scientist's key pair for one job, serialised; `private` never leaves the scientist and isn't shown."""

    private: bytes = field(repr=False)
    public: bytes


def create_result_key() -> ResultKey:
    """Make a fresh key pair: private 97 bytes (suite, ML-KEM seed, X25519), public 1217 bytes (suite, ML-KEM, X25519)."""
    mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return ResultKey(SUITE + mlkem.private_bytes_raw() + x25519.private_bytes_raw(), SUITE + public)


def check_result_key(result_key: bytes) -> None:
    """Check that a release can be sealed to this public key, by sealing nothing to it.

    Raises:
        ResultKeyError: another suite or length, or a key that no secret can be agreed with.
    """
    try:
        _HPKE.encrypt(b"", _load_public(result_key), b"")
    except ValueError as exc:
        raise ResultKeyError("the result key can't be used: no secret can be agreed with it") from exc


def seal_release(artifacts: Mapping[str, bytes | Path], *, result_key: bytes, job_id: str) -> bytes:
    """Encrypt the released files, given as bytes or as paths to read, to `result_key` for one job.

    Raises:
        ResultKeyError: see `check_result_key`.
        ReleaseError: more than `MAX_RELEASE_BYTES`.
        OSError: a path can't be read.
    """
    public = _load_public(result_key)
    contents = {
        name: data if isinstance(data, bytes) else data.read_bytes() for name, data in artifacts.items()
    }
    header = canonical_json([[name, len(data)] for name, data in contents.items()])
    plain = b"".join([_LENGTH.pack(len(header)), header, *contents.values()])
    if len(plain) > MAX_RELEASE_BYTES or len(header) > MAX_HEADER_BYTES:
        raise ReleaseError(f"the release is {len(plain)} bytes, at most {MAX_RELEASE_BYTES} are sealed")
    try:
        return MAGIC + SUITE + _HPKE.encrypt(plain, public, _info(job_id))
    except ValueError as exc:
        raise ResultKeyError("the result key can't be used: no secret can be agreed with it") from exc


def open_release(ciphertext: bytes, private_key: bytes, job_id: str) -> dict[str, bytes]:
    """Decrypt a release to its files by name.

    Not checked here: that the files are those of the receipt. Compare their digests.

    Raises:
        ResultKeyError: `private_key` is not a private result key.
        ReleaseOpenError: wrong key, another job, or altered bytes.
    """
    key = _load_private(private_key)
    if not ciphertext.startswith(MAGIC + SUITE):
        raise ReleaseOpenError("the release is not of this format: fetch it again")
    try:
        plain = _HPKE.decrypt(ciphertext[len(MAGIC + SUITE) :], key, _info(job_id))
    except (InvalidTag, ValueError) as exc:
        raise ReleaseOpenError("the release doesn't open: wrong key, another job, or altered bytes") from exc
    return _split(plain)


def _info(job_id: str) -> bytes:
    return MAGIC + job_id.encode()


def _split(plain: bytes) -> dict[str, bytes]:
    """Take apart what anyone who knows the result key may have sealed."""
    files: dict[str, bytes] = {}
    try:
        (length,) = _LENGTH.unpack_from(plain)
        start = _LENGTH.size + length
        for name, size in parse_json_strict(plain[_LENGTH.size : start], limits=_HEADER_LIMITS):
            if type(name) is not str or type(size) is not int or size < 0 or name in files:
                raise ReleaseOpenError("the release opens, but its list of files is not of this format")
            files[name] = plain[start : start + size]
            start += size
    except (struct.error, MalformedError, ValueError, TypeError) as exc:
        raise ReleaseOpenError("the release opens, but what is inside is not of this format") from exc
    if start != len(plain):
        raise ReleaseOpenError("the release opens, but its sizes don't add up")
    return files


def _load_public(data: bytes) -> MLKEM768X25519PublicKey:
    if len(data) != RESULT_KEY_BYTES or data[:1] != SUITE:
        raise ResultKeyError(
            f"expected a result key of {RESULT_KEY_BYTES} bytes that begins with 1 (ML-KEM-768 and X25519), "
            f"got {len(data)} bytes: make one with this software"
        )
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(data[1 : 1 + _MLKEM_PUBLIC_BYTES])
        return MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(data[-32:]))
    except ValueError as exc:
        raise ResultKeyError("the result key's ML-KEM or X25519 part is not a public key") from exc


def _load_private(data: bytes) -> MLKEM768X25519PrivateKey:
    if len(data) != PRIVATE_KEY_BYTES or data[:1] != SUITE:
        raise ResultKeyError(f"expected a private result key of {PRIVATE_KEY_BYTES} bytes, got {len(data)}")
    mlkem = MLKEM768PrivateKey.from_seed_bytes(data[1 : 1 + _SEED_BYTES])
    return MLKEM768X25519PrivateKey(mlkem, X25519PrivateKey.from_private_bytes(data[-32:]))
