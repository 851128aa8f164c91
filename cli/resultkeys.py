"""Keeps the private half of a job's result key in the job's folder, encrypted with the account's password.

scrypt (RFC 7914) and AES-256-GCM, bound to the job id: a key moved to another job's folder doesn't open.
"""

from __future__ import annotations

import base64
import os
from typing import Annotated, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import Field

from cli.errors import InputError
from policies.documents import StrictModel, parse_document
from provider.wire import Base64

SCRYPT_LOG2_N = 15
SALT_BYTES = 16
NONCE_BYTES = 12


class SealedKey(StrictModel):
    """`result-key.json` of a job folder."""

    version: Literal[1] = 1
    kdf: Literal["scrypt-r8-p1"] = "scrypt-r8-p1"
    log2_n: Annotated[int, Field(ge=10, le=20)] = SCRYPT_LOG2_N
    salt: Base64
    nonce: Base64
    ciphertext: Base64


def seal_key(private: bytes, password: str, job_id: str) -> bytes:
    """Return the file that holds `private` for `job_id`."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    key = _derive(password, salt, SCRYPT_LOG2_N)
    ciphertext = AESGCM(key).encrypt(nonce, private, job_id.encode())
    sealed = SealedKey(salt=_encode(salt), nonce=_encode(nonce), ciphertext=_encode(ciphertext))
    return sealed.model_dump_json(indent=2).encode() + b"\n"


def open_key(data: bytes, password: str, job_id: str) -> bytes:
    """Return the private result key of `job_id`.

    Raises:
        InputError: wrong password, another job's key, or a damaged file; the three can't be told apart.
        DocumentError: the file is not a sealed key.
    """
    sealed = parse_document(data, SealedKey, document="result-key.json")
    key = _derive(password, base64.b64decode(sealed.salt), sealed.log2_n)
    try:
        return AESGCM(key).decrypt(
            base64.b64decode(sealed.nonce), base64.b64decode(sealed.ciphertext), job_id.encode()
        )
    except (InvalidTag, ValueError) as exc:
        raise InputError(
            f"the result key of job {job_id} doesn't open: wrong password, or a damaged file",
            code="result-key-locked",
            remedy="give the password that the account had when the job was submitted",
        ) from exc


def _derive(password: str, salt: bytes, log2_n: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**log2_n, r=8, p=1).derive(password.encode())


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
