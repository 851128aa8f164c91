"""A witness's one key: made once, kept encrypted in a file (see `sealedfile`), its name and public key readable beside it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.errors import WitnessKeyError
from policies.witnesses import WitnessKey, check_witness_name, parse_witness_key
from provider.receipts.cosignature import WitnessSigner
from provider.receipts.errors import KeysLockedError, MalformedError
from provider.receipts.sealedfile import (
    SCRYPT_LOG2_N,
    create_sealed,
    open_secret,
    read_sealed,
    seal_secret,
)
from provider.receipts.strictjson import parse_json_strict


def create_witness_key(
    path: Path, name: str, password: str, *, scrypt_log2_n: int = SCRYPT_LOG2_N
) -> WitnessSigner:
    """Make a witness's key and write it encrypted.

    Raises:
        WitnessKeyError: a witness can't have that name.
        KeysExistError: there is a key already.
        SigningKeysError: the password is empty, or the file can't be written.
    """
    signer = WitnessSigner(check_witness_name(name), Ed25519PrivateKey.generate())
    header = {"version": 1, "key": signer.public().to_text()}
    secret = signer.ed25519.private_bytes_raw()
    create_sealed(path, seal_secret(header, secret, password, scrypt_log2_n=scrypt_log2_n))
    return signer


def load_witness_key(path: Path, password: str) -> WitnessSigner:
    """Read the key that `create_witness_key` wrote.

    Raises:
        KeysMissingError: there is none.
        KeysLockedError: wrong password, or a damaged file.
    """
    header, secret = open_secret(read_sealed(path), password, name=path.name)
    name = parse_witness_key(header["key"]).name
    return WitnessSigner(name, Ed25519PrivateKey.from_private_bytes(secret))


def read_witness_key(path: Path) -> WitnessKey:
    """Return the public key, for which no password is needed.

    Raises:
        KeysMissingError: there is none.
        KeysLockedError: a damaged file.
    """
    try:
        document = parse_json_strict(read_sealed(path), document=path.name)
        return parse_witness_key(document["key"])
    except (MalformedError, WitnessKeyError, KeyError, TypeError) as exc:
        raise KeysLockedError(f"{path.name} can't be read: a damaged file") from exc
