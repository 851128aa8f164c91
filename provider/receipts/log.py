"""What a receipt is in the log: the entry's bytes and the log's name. Keeps nothing; storage is the provider's."""

from __future__ import annotations

import hashlib
import re

from provider.receipts.errors import MalformedError

ENTRY_TAG = b"sealroom-receipt-v1\n"
ENTRY_BYTES = len(ENTRY_TAG) + 32
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_ORIGIN = re.compile(r"sealroom/([1-9][0-9]{0,15})/0x[0-9a-f]{40}")


def entry_bytes(pae: bytes) -> bytes:
    """Return the log entry of a receipt, 52 bytes: `sealroom-receipt-v1`, a line feed, SHA-256 of the envelope's PAE.

    No data stands in the log, and a countersignature added later doesn't change the entry.
    """
    return entry_of_digest(hashlib.sha256(pae).digest())


def entry_of_digest(digest: bytes) -> bytes:
    """Return the log entry of the receipt whose PAE has that SHA-256."""
    return ENTRY_TAG + digest


def log_origin(provider: str, chain_id: int) -> str:
    """Return the log's origin (C2SP tlog-checkpoint), `sealroom/<chain id>/<address in lower case>`.

    Raises:
        MalformedError: not an address, or a chain id below 1.
    """
    address = provider.lower()
    if not _ADDRESS.fullmatch(address) or chain_id < 1:
        raise MalformedError(
            "log origin", "expected an address of 0x and 40 hex digits, and a chain id above 0"
        )
    return f"sealroom/{chain_id}/{address}"


def chain_id_of(origin: str) -> int:
    """Return the chain that a log is anchored on, which its origin names.

    Raises:
        MalformedError: not an origin that `log_origin` makes.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise MalformedError("log origin", "expected sealroom/<chain id>/<address in lower case>")
    return int(match[1])
