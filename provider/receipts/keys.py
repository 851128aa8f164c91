"""The provider's three signing keys: made once, kept encrypted in one file, used to sign, never shown.

P-256 and secp256k1 sign receipts, Ed25519 signs checkpoints. The file holds the three 32-byte secrets under AES-256-GCM
with a key from scrypt (RFC 7914); chain id and public keys stand beside them, authenticated. Refuses to overwrite;
keys that others follow are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from coincurve import PrivateKey as Secp256k1PrivateKey
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies.canonical import canonical_json
from provider.receipts.errors import (
    KeysExistError,
    KeysLockedError,
    KeysMissingError,
    MalformedError,
    SigningKeysError,
)
from provider.receipts.signatures import address_of, p256_keyid, signer_keyid
from provider.receipts.strictjson import parse_json_strict

KEYS_FILE = "signing-keys.json"
NEXT_KEYS_FILE = "signing-keys.next.json"
SCRYPT_LOG2_N = 15
MAX_SCRYPT_LOG2_N = 20
_SECRET_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What the provider publishes on chain: P-256 point (65 bytes 0x04‖X‖Y), signer address, Ed25519 key (32 bytes)."""

    p256: bytes
    signer: str
    ed25519: bytes


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The three private keys in use for one chain; its repr shows none of them."""

    chain_id: int
    p256: ec.EllipticCurvePrivateKey = field(repr=False)
    secp256k1: Secp256k1PrivateKey = field(repr=False)
    ed25519: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, chain_id: int) -> Self:
        """Make three fresh keys from the system's random source."""
        p256 = ec.generate_private_key(ec.SECP256R1())
        return cls(chain_id, p256, Secp256k1PrivateKey(), Ed25519PrivateKey.generate())

    def public(self) -> PublicKeys:
        """Return the public halves."""
        point = self.p256.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        signer = address_of(self.secp256k1.public_key.format(compressed=False))
        return PublicKeys(point, signer, self.ed25519.public_key().public_bytes_raw())

    @property
    def keyids(self) -> tuple[str, str]:
        """The ids that stand beside the two receipt signatures: P-256 first, then the signer's."""
        public = self.public()
        return p256_keyid(public.p256), signer_keyid(self.chain_id, public.signer)

    def sign_p256(self, message: bytes) -> bytes:
        """Return the DER ECDSA signature over SHA-256(message)."""
        return self.p256.sign(message, ec.ECDSA(hashes.SHA256()))

    def sign_secp256k1(self, message: bytes) -> bytes:
        """Return 65 bytes r‖s‖v over SHA-256(message): low s, v 27 or 28."""
        raw = self.secp256k1.sign_recoverable(message)
        return raw[:64] + bytes([raw[64] + 27])

    def sign_ed25519(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature (RFC 8032)."""
        return self.ed25519.sign(message)


def create_signing_keys(
    folder: Path, password: str, *, chain_id: int, scrypt_log2_n: int = SCRYPT_LOG2_N
) -> SigningKeys:
    """Make the keys and write them encrypted, mode 0600, all three or none.

    Raises:
        KeysExistError: there are keys in `folder` already.
        SigningKeysError: the password is empty, or the folder can't be written.
    """
    return _create(folder / KEYS_FILE, password, chain_id, scrypt_log2_n)


def load_signing_keys(folder: Path, password: str, chain_id: int) -> SigningKeys:
    """Read the keys that `create_signing_keys` wrote.

    Raises:
        KeysMissingError: there are none.
        KeysLockedError: wrong password, or a damaged file.
        SigningKeysError: they were made for another chain.
    """
    return _load(folder / KEYS_FILE, password, chain_id)


def create_next_keys(
    folder: Path, password: str, *, chain_id: int, lost: bool = False, scrypt_log2_n: int = SCRYPT_LOG2_N
) -> SigningKeys:
    """Return the keys that are to follow, made beside those in use unless an earlier rotation made them and was stopped.

    Raises:
        KeysLockedError: the password isn't that of the keys in use, unless these are `lost`.
        SigningKeysError: see `load_signing_keys`.
    """
    if not lost:
        load_signing_keys(folder, password, chain_id)
    found = find_next_keys(folder, password, chain_id)
    return found or _create(folder / NEXT_KEYS_FILE, password, chain_id, scrypt_log2_n)


def find_next_keys(folder: Path, password: str, chain_id: int) -> SigningKeys | None:
    """Return the keys that an unfinished rotation made; None when there is none. Fails as `load_signing_keys`."""
    if not (folder / NEXT_KEYS_FILE).exists():
        return None
    return _load(folder / NEXT_KEYS_FILE, password, chain_id)


def promote_next_keys(folder: Path, retired: PublicKeys) -> None:
    """Put the next keys in place of the `retired` ones, kept under their signer's address if there are any left of them.

    Can be repeated.

    Raises:
        SigningKeysError: the folder can't be written.
    """
    try:
        with suppress(FileExistsError, FileNotFoundError):
            os.link(folder / KEYS_FILE, folder / f"retired-{retired.signer.lower()}.json")
        (folder / NEXT_KEYS_FILE).replace(folder / KEYS_FILE)
    except OSError as exc:
        raise SigningKeysError(f"{KEYS_FILE} can't be replaced: {exc.strerror}") from exc


def _create(path: Path, password: str, chain_id: int, scrypt_log2_n: int) -> SigningKeys:
    if not password:
        raise SigningKeysError("the password of the signing keys is empty: give one")
    keys = SigningKeys.generate(chain_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(path, _seal(keys, password, scrypt_log2_n))
    except FileExistsError as exc:
        raise KeysExistError(f"there is a {path.name} already: load it, or move it away first") from exc
    except OSError as exc:
        raise SigningKeysError(f"{path.name} can't be written: {exc.strerror}") from exc
    return keys


def _load(path: Path, password: str, chain_id: int) -> SigningKeys:
    try:
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise KeysMissingError(f"there is no {path.name}: create the signing keys first") from exc
    except OSError as exc:
        raise SigningKeysError(f"{path.name} can't be read: {exc.strerror}") from exc
    keys = _open(data, password)
    if keys.chain_id != chain_id:
        raise SigningKeysError(f"the signing keys are for chain {keys.chain_id}, expected chain {chain_id}")
    return keys


def _stretch(password: str, salt: bytes, log2_n: int) -> bytes:
    n = 1 << log2_n
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=1, maxmem=256 * n * 8, dklen=32)


def _header(keys: SigningKeys, salt: bytes, log2_n: int) -> dict[str, Any]:
    public = keys.public()
    return {
        "version": 1,
        "chainId": keys.chain_id,
        "p256": public.p256.hex(),
        "signer": public.signer,
        "ed25519": public.ed25519.hex(),
        "kdf": {"name": "scrypt", "log2N": log2_n, "r": 8, "p": 1, "salt": salt.hex()},
    }


def _seal(keys: SigningKeys, password: str, log2_n: int) -> bytes:
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    header = _header(keys, salt, log2_n)
    p256 = keys.p256.private_numbers().private_value.to_bytes(_SECRET_BYTES)
    secret = p256 + keys.secp256k1.secret + keys.ed25519.private_bytes_raw()
    sealed = AESGCM(_stretch(password, salt, log2_n)).encrypt(nonce, secret, canonical_json(header))
    document = {**header, "cipher": "AES-256-GCM", "nonce": nonce.hex(), "sealed": sealed.hex()}
    return json.dumps(document, indent=2).encode() + b"\n"


def _open(data: bytes, password: str) -> SigningKeys:
    try:
        document = parse_json_strict(data, document=KEYS_FILE)
        nonce, sealed = bytes.fromhex(document.pop("nonce")), bytes.fromhex(document.pop("sealed"))
        document.pop("cipher")
        log2_n = document["kdf"]["log2N"]
        if not 1 <= log2_n <= MAX_SCRYPT_LOG2_N:
            raise KeysLockedError(f"{KEYS_FILE} asks for an scrypt cost of 2^{log2_n}, at most 2^20 is done")
        key = _stretch(password, bytes.fromhex(document["kdf"]["salt"]), log2_n)
        secret = AESGCM(key).decrypt(nonce, sealed, canonical_json(document))
    except (InvalidTag, MalformedError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise KeysLockedError("the signing keys can't be opened: wrong password, or a damaged file") from exc
    p256 = ec.derive_private_key(int.from_bytes(secret[:32]), ec.SECP256R1())
    ed25519 = Ed25519PrivateKey.from_private_bytes(secret[64:96])
    return SigningKeys(document["chainId"], p256, Secp256k1PrivateKey(secret[32:64]), ed25519)


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
