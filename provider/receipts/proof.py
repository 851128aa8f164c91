"""The C2SP `tlog-proof@v1` file beside a receipt: index, inclusion path, signed checkpoint. Written and split, not verified.

Refuses the optional `extra` line: it is not authenticated and Sealroom has no use for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provider.receipts.base64text import encode_base64, parse_base64
from provider.receipts.errors import MalformedError
from provider.receipts.note import MAX_NOTE_BYTES, parse_decimal
from provider.receipts.tree import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_HASHES = 63
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 4096
_NAME = "proof"
_INDEX = "index "
_HEAD_LINES = 2


@dataclass(frozen=True, slots=True)
class LogProof:
    """A parsed, unverified proof: `note` is the signed checkpoint, verbatim."""

    index: int
    hashes: tuple[bytes, ...]
    note: str


def format_proof(index: int, hashes: Sequence[bytes], checkpoint_note: str) -> str:
    """Write the proof file (C2SP tlog-proof, "Format")."""
    lines = [HEADER, f"{_INDEX}{index}", *(encode_base64(item) for item in hashes), ""]
    return "\n".join(lines) + "\n" + checkpoint_note


def parse_proof(data: bytes) -> LogProof:
    """Read a proof file.

    Raises:
        MalformedError: not that format, an `extra` line, or beyond the limits of this module.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise MalformedError(_NAME, f"is {len(data)} bytes, at most {MAX_PROOF_BYTES} are read")
    try:
        head, separator, note = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError as exc:
        raise MalformedError(_NAME, "is not UTF-8 text") from exc
    lines = head.split("\n")
    if not separator or len(lines) < _HEAD_LINES or lines[0] != HEADER:
        raise MalformedError(_NAME, f"expected {HEADER}, an index, hashes, an empty line and a checkpoint")
    if not lines[1].startswith(_INDEX):
        raise MalformedError(_NAME, "expected the index in the second line")
    if len(lines) > MAX_PROOF_HASHES + _HEAD_LINES:
        raise MalformedError(_NAME, f"has more than {MAX_PROOF_HASHES} hashes")
    index = parse_decimal(lines[1].removeprefix(_INDEX), document=_NAME)
    return LogProof(index, tuple(_parse_hash(line) for line in lines[_HEAD_LINES:]), note)


def _parse_hash(line: str) -> bytes:
    value = parse_base64(line, document=_NAME)
    if len(value) != HASH_BYTES:
        raise MalformedError(_NAME, f"expected hashes of {HASH_BYTES} bytes, got {len(value)}")
    return value
