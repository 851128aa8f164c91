"""Secrets in a file under a password: AES-256-GCM with a key from scrypt (RFC 7914), a readable header authenticated beside them.

Written whole or not at all, mode 0600, and never over a file that is there; keys that others follow are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policies.canonical import canonical_json
from provider.receipts.errors import (
    KeysExistError,
    KeysLockedError,
    KeysMissingError,
    MalformedError,
    SigningKeysError,
)
from provider.receipts.strictjson import parse_json_strict

SCRYPT_LOG2_N = 15
MAX_SCRYPT_LOG2_N = 20
_SALT_BYTES = 16
_NONCE_BYTES = 12


def seal_secret(header: Mapping[str, Any], secret: bytes, password: str, *, scrypt_log2_n: int) -> bytes:
    """Return the file of a secret: its header, how the password is stretched, and the secret encrypted.

    Raises:
        SigningKeysError: the password is empty.
    """
    if not password:
        raise SigningKeysError("the password of the keys is empty: give one")
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    kdf = {"name": "scrypt", "log2N": scrypt_log2_n, "r": 8, "p": 1, "salt": salt.hex()}
    clear = {**header, "kdf": kdf}
    sealed = AESGCM(_stretch(password, salt, scrypt_log2_n)).encrypt(nonce, secret, canonical_json(clear))
    document = {**clear, "cipher": "AES-256-GCM", "nonce": nonce.hex(), "sealed": sealed.hex()}
    return json.dumps(document, indent=2).encode() + b"\n"


def open_secret(data: bytes, password: str, *, name: str) -> tuple[dict[str, Any], bytes]:
    """Return header and secret of a file that `seal_secret` made; `name` is the file's, for errors.

    Raises:
        KeysLockedError: wrong password, or a damaged file.
    """
    try:
        document = parse_json_strict(data, document=name)
        nonce, sealed = bytes.fromhex(document.pop("nonce")), bytes.fromhex(document.pop("sealed"))
        document.pop("cipher")
        log2_n = document["kdf"]["log2N"]
        if not 1 <= log2_n <= MAX_SCRYPT_LOG2_N:
            raise KeysLockedError(f"{name} asks for an scrypt cost of 2^{log2_n}, at most 2^20 is done")
        key = _stretch(password, bytes.fromhex(document["kdf"]["salt"]), log2_n)
        return document, AESGCM(key).decrypt(nonce, sealed, canonical_json(document))
    except (InvalidTag, MalformedError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise KeysLockedError(f"{name} can't be opened: wrong password, or a damaged file") from exc


def create_sealed(path: Path, data: bytes) -> None:
    """Write a file, and its folder (0700) when that is missing.

    Raises:
        KeysExistError: there is one already.
        SigningKeysError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(path, data)
    except FileExistsError as exc:
        raise KeysExistError(f"there is a {path.name} already: load it, or move it away first") from exc
    except OSError as exc:
        raise SigningKeysError(f"{path.name} can't be written: {exc.strerror}") from exc


def read_sealed(path: Path) -> bytes:
    """Read a file.

    Raises:
        KeysMissingError: there is none.
        SigningKeysError: it can't be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as exc:
        raise KeysMissingError(f"there is no {path.name}: create the keys first") from exc
    except OSError as exc:
        raise SigningKeysError(f"{path.name} can't be read: {exc.strerror}") from exc


def _stretch(password: str, salt: bytes, log2_n: int) -> bytes:
    n = 1 << log2_n
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=1, maxmem=256 * n * 8, dklen=32)


def _write_once(path: Path, data: bytes) -> None:
    """Write through a temporary file and a hard link, which fails when `path` is there: whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
