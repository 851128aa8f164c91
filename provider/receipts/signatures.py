"""Checks the three kinds of signature on bare bytes, and names keys. Knows nothing of receipts or of who is trusted."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from coincurve import PublicKey as Secp256k1PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_hash.auto import keccak

from provider.receipts.errors import MalformedError

P256_POINT_BYTES = 65
ED25519_KEY_BYTES = 32
ED25519_SIGNATURE_BYTES = 64
RECOVERABLE_BYTES = 65
NOTE_KEYID_BYTES = 4
SECP256K1_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_ED25519_PRIME = 2**255 - 19
_ED25519_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_ED25519_SMALL_ORDER = frozenset(
    y
    for base in (0, 1, _ED25519_PRIME - 1, _ED25519_ORDER_8, _ED25519_PRIME - _ED25519_ORDER_8)
    for y in (base, base + _ED25519_PRIME)
)
_ED25519_Y_MASK = 2**255 - 1
_NOTE_ED25519 = b"\x01"
_RECOVERY_OFFSET = 27
_KEPT = 1024
"""How many keys and addresses are remembered: those of one log are few, and each is met in every receipt."""


@lru_cache(_KEPT)
def load_p256(point: bytes) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key of an uncompressed point, 65 bytes 0x04‖X‖Y (SEC 1 §2.3.4).

    Raises:
        MalformedError: another length or form, or a point that is not on the curve.
    """
    if len(point) != P256_POINT_BYTES:
        raise MalformedError("p-256 key", f"expected {P256_POINT_BYTES} bytes, got {len(point)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as exc:
        raise MalformedError("p-256 key", "is not a point on the curve") from exc


@lru_cache(_KEPT)
def p256_keyid(point: bytes) -> str:
    """Return `p256:` and the hex SHA-256 of the key's SubjectPublicKeyInfo in DER (RFC 5280 §4.1).

    Raises:
        MalformedError: see `load_p256`.
    """
    spki = load_p256(point).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "p256:" + hashlib.sha256(spki).hexdigest()


@lru_cache(_KEPT)
def signer_keyid(chain_id: int, address: str) -> str:
    """Return the CAIP-10 account id of a signer, `eip155:<chain>:<checksummed address>`."""
    return f"eip155:{chain_id}:{checksum_address(address)}"


@lru_cache(_KEPT)
def note_keyid(name: str, ed25519: bytes) -> bytes:
    """Return the 4-byte key id of an Ed25519 note key (C2SP signed-note, "Signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + _NOTE_ED25519 + ed25519).digest()[:NOTE_KEYID_BYTES]


def is_p256_signature(point: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a DER signature is the key's ECDSA over SHA-256(message) (FIPS 186-5).

    Raises:
        MalformedError: the key, see `load_p256`.
    """
    try:
        load_p256(point).verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def is_ed25519_signature(key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether 64 bytes are the key's Ed25519 signature over the message (RFC 8032).

    A key of small order signs nothing: anyone can make its signatures, so that whoever published it could deny them.
    """
    if len(key) != ED25519_KEY_BYTES or len(signature) != ED25519_SIGNATURE_BYTES or _is_small_order(key):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def find_recovered_address(signature: bytes, message: bytes) -> str | None:
    """Return the checksummed address that signed SHA-256(message), or None; see `find_recovered_from_digest`."""
    return find_recovered_from_digest(signature, hashlib.sha256(message).digest())


def find_recovered_from_digest(signature: bytes, digest: bytes) -> str | None:
    """Return the checksummed address that signed a 32-byte digest, or None when nobody did.

    `signature` is 65 bytes r‖s‖v with v 27 or 28, as the EVM's `ecrecover` takes it, and a low s (EIP-2): one message and
    one key then have no second signature that a stranger could make from the first.
    """
    if len(signature) != RECOVERABLE_BYTES or signature[64] not in (_RECOVERY_OFFSET, _RECOVERY_OFFSET + 1):
        return None
    if int.from_bytes(signature[32:64]) > SECP256K1_HALF_ORDER:
        return None
    compact = signature[:64] + bytes([signature[64] - _RECOVERY_OFFSET])
    try:
        key = Secp256k1PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception:  # noqa: BLE001 - libsecp256k1's binding raises bare Exception for a point that doesn't exist
        return None
    return address_of(key.format(compressed=False))


@lru_cache(_KEPT)
def address_of(point: bytes) -> str:
    """Return the checksummed address of an uncompressed secp256k1 point: the last 20 bytes of keccak-256(X‖Y)."""
    return checksum_address("0x" + keccak(point[1:])[-20:].hex())


@lru_cache(_KEPT)
def checksum_address(address: str) -> str:
    """Write an address with the capitals of EIP-55.

    Raises:
        MalformedError: not 0x and 40 hex digits.
    """
    digits = address.removeprefix("0x").lower()
    if not address.startswith("0x") or len(digits) != 40 or set(digits) - set("0123456789abcdef"):  # noqa: PLR2004 - 20 bytes
        raise MalformedError("address", "expected 0x and 40 hex digits")
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(
        d.upper() if int(m, 16) > 7 else d  # noqa: PLR2004 - EIP-55: the nibble's high bit
        for d, m in zip(digits, marks, strict=False)
    )


def _is_small_order(ed25519: bytes) -> bool:
    """Tell whether a key is one of the eight points whose order divides 8, in any encoding (RFC 8032 §5.1.3)."""
    return int.from_bytes(ed25519, "little") & _ED25519_Y_MASK in _ED25519_SMALL_ORDER
