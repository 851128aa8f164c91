"""A countersignature: a person's or a board's word on a receipt, added later as one more signature of its envelope.

It is EIP-712 typed data over the SHA-256 of the PAE, so neither the signed bytes nor the log entry change, and readers
that don't know its key id pass over it. Written with keccak alone. A form here has one text: whatever differs from it by
a byte is malformed. Who signed, and whether a contract agrees, is judged in `provider.receipts.countersigners`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

from eth_hash.auto import keccak

from policies.canonical import canonical_json
from policies.errors import DocumentError
from provider.receipts.envelope import MAX_SIGNATURES, Envelope, EnvelopeSignature
from provider.receipts.errors import CountersignatureError, FieldError, MalformedError
from provider.receipts.facts import BlockFacts
from provider.receipts.records import Hex, parse_record, to_json
from provider.receipts.request import DOMAIN_NAME, DOMAIN_VERSION, address_word
from provider.receipts.signatures import checksum_address
from provider.receipts.strictjson import JsonLimits, parse_json_strict

KEYID_PREFIX = "eip712:"
MAX_STATEMENT_CHARS = 500
MAX_SIGNATURE_BYTES = 1024
MAX_RECORD_BYTES = 6144
MAX_TIME = 2**40
OWNER = "owner"
"""The role of whoever owns a dataset of the job; other roles are what their reader takes them for."""
TYPES: dict[str, list[dict[str, str]]] = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": "uint256"},
    ],
    "Countersignature": [
        {"name": "account", "type": "address"},
        {"name": "digest", "type": "bytes32"},
        {"name": "role", "type": "string"},
        {"name": "statement", "type": "string"},
        {"name": "time", "type": "uint64"},
    ],
}
PRIMARY_TYPE = "Countersignature"
_DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId)"
_TYPE = b"Countersignature(address account,bytes32 digest,string role,string statement,uint64 time)"
_KEYID = re.compile(r"eip712:([1-9][0-9]{0,15}):(0x[0-9a-fA-F]{40}):([a-z][a-z0-9-]{0,39})")
_ROLE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LIMITS = JsonLimits(size_bytes=MAX_RECORD_BYTES, depth=2)
_NAME = "countersignature"


@dataclass(frozen=True, slots=True)
class Words:
    """What is signed beside the receipt's digest: as what, what is said, and when (unix seconds, the signer's word)."""

    role: str
    statement: str
    time: int


@dataclass(frozen=True, slots=True)
class Countersignature:
    """One countersignature. `block` is where a contract account's signature is judged (ERC-1271); None for a key's."""

    chain_id: int
    account: str
    words: Words
    signature: bytes
    block: BlockFacts | None = None

    @property
    def keyid(self) -> str:
        """The id under which it stands in the envelope: `eip712:<chain>:<checksummed address>:<role>`."""
        return f"{KEYID_PREFIX}{self.chain_id}:{self.account}:{self.words.role}"

    def digest(self, pae: bytes) -> bytes:
        """Return the 32 bytes that were signed for a receipt with that PAE."""
        return countersigned_digest(pae, self.account, self.words, self.chain_id)


@dataclass(frozen=True, slots=True)
class _Record:
    """What stands in `sig`, as canonical JSON."""

    role: str
    statement: str
    time: int
    signature: Hex
    block: BlockFacts | None


def typed_data(pae: bytes, account: str, words: Words, chain_id: int) -> dict[str, Any]:
    """Return the message to sign, as wallets take it (EIP-712, `eth_signTypedData`)."""
    return {
        "types": TYPES,
        "primaryType": PRIMARY_TYPE,
        "domain": {"name": DOMAIN_NAME.decode(), "version": DOMAIN_VERSION.decode(), "chainId": chain_id},
        "message": {
            "account": account,
            "digest": "0x" + hashlib.sha256(pae).hexdigest(),
            "role": words.role,
            "statement": words.statement,
            "time": words.time,
        },
    }


def countersigned_digest(pae: bytes, account: str, words: Words, chain_id: int) -> bytes:
    """Return keccak-256(0x19 0x01 ‖ domain ‖ struct) of the message (EIP-712).

    The account is part of it: one key may sign for several contracts, and for each it says a word of its own.
    """
    domain = keccak(
        keccak(_DOMAIN_TYPE) + keccak(DOMAIN_NAME) + keccak(DOMAIN_VERSION) + chain_id.to_bytes(32)
    )
    struct = keccak(
        keccak(_TYPE)
        + address_word(account)
        + hashlib.sha256(pae).digest()
        + keccak(words.role.encode())
        + keccak(words.statement.encode())
        + words.time.to_bytes(32)
    )
    return keccak(b"\x19\x01" + domain + struct)


def check_words(words: Words) -> None:
    """Check that role, statement and time can be signed and be read by a person as they were signed.

    Raises:
        MalformedError: a role that isn't lower-case words, a statement that is empty, too long or hides characters, or
            an impossible time.
    """
    if not _ROLE.fullmatch(words.role):
        raise MalformedError(_NAME, "role: expected up to 40 of a-z 0-9 -, beginning with a letter")
    if not 0 < len(words.statement) <= MAX_STATEMENT_CHARS or not words.statement.isprintable():
        raise MalformedError(
            _NAME, f"statement: expected one line of up to {MAX_STATEMENT_CHARS} printable characters"
        )
    if not 0 < words.time < MAX_TIME:
        raise MalformedError(_NAME, "time: expected unix seconds")


def is_countersignature(keyid: str) -> bool:
    """Tell whether a signature of an envelope says that it is a countersignature."""
    return keyid.startswith(KEYID_PREFIX)


def parse_countersignature(entry: EnvelopeSignature) -> Countersignature:
    """Read an envelope's entry as a countersignature. Not checked here: the signature in it.

    Raises:
        MalformedError: a key id or content that isn't in its one form, or two that disagree.
    """
    match = _KEYID.fullmatch(entry.keyid)
    if match is None or checksum_address(match[2]) != match[2]:
        raise MalformedError(_NAME, f"key id: expected {KEYID_PREFIX}<chain>:<checksummed address>:<role>")
    record = _parse_record(entry.sig)
    words = Words(record.role, record.statement, record.time)
    check_words(words)
    if record.role != match[3]:
        raise MalformedError(_NAME, "the role in the key id is not the one that was signed")
    return Countersignature(int(match[1]), match[2], words, bytes.fromhex(record.signature[2:]), record.block)


def add_countersignature(envelope: Envelope, mark: Countersignature, *, instead: bool = False) -> Envelope:
    """Return the envelope with one more entry; its payload, PAE and other signatures are as they were.

    With `instead` it takes the place of what the account said before in this role.

    Raises:
        CountersignatureError: this account has signed in this role, or the envelope is full.
        MalformedError: the countersignature could not be read back.
    """
    others = tuple(item for item in envelope.signatures if item.keyid != mark.keyid)
    if len(others) < len(envelope.signatures) and not instead:
        raise CountersignatureError(f"{mark.account} has countersigned this receipt as {mark.words.role}")
    if len(others) >= MAX_SIGNATURES:
        raise CountersignatureError(f"the receipt has {MAX_SIGNATURES} signatures, and more are not read")
    entry = EnvelopeSignature(mark.keyid, _format_record(mark))
    if parse_countersignature(entry) != mark:
        raise MalformedError(_NAME, "the account is not a checksummed address")
    return replace(envelope, signatures=(*others, entry))


def _format_record(mark: Countersignature) -> bytes:
    words = mark.words
    record = _Record(words.role, words.statement, words.time, "0x" + mark.signature.hex(), mark.block)
    try:
        return canonical_json(to_json(record))
    except (FieldError, DocumentError) as exc:
        raise MalformedError(_NAME, str(exc)) from exc


def _parse_record(data: bytes) -> _Record:
    value = parse_json_strict(data, document=_NAME, limits=_LIMITS)
    try:
        record = parse_record(_Record, value, "$")
    except FieldError as exc:
        raise MalformedError(_NAME, str(exc)) from exc
    if canonical_json(to_json(record)) != data:
        raise MalformedError(_NAME, "is not in its one canonical form")
    if len(record.signature) > 2 + 2 * MAX_SIGNATURE_BYTES:
        raise MalformedError(_NAME, f"signature: expected at most {MAX_SIGNATURE_BYTES} bytes")
    if record.block is not None and record.block.number < 0:
        raise MalformedError(_NAME, "block: the number is below 0")
    return record
