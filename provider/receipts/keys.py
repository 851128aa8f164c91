"""The provider's three signing keys: made once, kept encrypted in one file, used to sign, never shown.

P-256 and secp256k1 sign receipts, Ed25519 signs checkpoints. The file (see `sealedfile`) holds the three 32-byte secrets;
chain id and public keys stand beside them, authenticated.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from coincurve import PrivateKey as Secp256k1PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provider.receipts.errors import SigningKeysError
from provider.receipts.sealedfile import (
    SCRYPT_LOG2_N,
    create_sealed,
    open_secret,
    read_sealed,
    seal_secret,
)
from provider.receipts.signatures import address_of, p256_keyid, signer_keyid

KEYS_FILE = "signing-keys.json"
NEXT_KEYS_FILE = "signing-keys.next.json"
_SECRET_BYTES = 32


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
    keys = SigningKeys.generate(chain_id)
    p256 = keys.p256.private_numbers().private_value.to_bytes(_SECRET_BYTES)
    secret = p256 + keys.secp256k1.secret + keys.ed25519.private_bytes_raw()
    create_sealed(path, seal_secret(_header(keys), secret, password, scrypt_log2_n=scrypt_log2_n))
    return keys


def _load(path: Path, password: str, chain_id: int) -> SigningKeys:
    header, secret = open_secret(read_sealed(path), password, name=path.name)
    if header["chainId"] != chain_id:
        raise SigningKeysError(
            f"the signing keys are for chain {header['chainId']}, expected chain {chain_id}"
        )
    p256 = ec.derive_private_key(int.from_bytes(secret[:32]), ec.SECP256R1())
    ed25519 = Ed25519PrivateKey.from_private_bytes(secret[64:96])
    return SigningKeys(chain_id, p256, Secp256k1PrivateKey(secret[32:64]), ed25519)


def _header(keys: SigningKeys) -> dict[str, Any]:
    public = keys.public()
    return {
        "version": 1,
        "chainId": keys.chain_id,
        "p256": public.p256.hex(),
        "signer": public.signer,
        "ed25519": public.ed25519.hex(),
    }
