"""Every parser that a stranger's bytes reach on the way to a verdict, each as bytes in, with good bytes to begin from.

Whatever the bytes, only a ReceiptError may come out. Hypothesis and atheris both go through this table.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from provider.receipts.base64text import parse_any_base64, parse_base64
from provider.receipts.countersignature import (
    Countersignature,
    Words,
    add_countersignature,
    parse_countersignature,
)
from provider.receipts.envelope import EnvelopeSignature, parse_envelope, parse_receipt
from provider.receipts.errors import ReceiptError
from provider.receipts.log import entry_bytes
from provider.receipts.note import parse_checkpoint, parse_decimal, parse_note, verify_checkpoint
from provider.receipts.proof import parse_proof
from provider.receipts.request import parse_request, request_digest
from provider.receipts.signatures import checksum_address
from provider.receipts.splitview import format_evidence, verify_split_view
from provider.receipts.statement import MAX_PAYLOAD_DEPTH, parse_statement
from provider.receipts.strictjson import JsonLimits, parse_json_strict
from provider.receipts.tiles import format_entries, parse_entries, parse_tile_path
from provider.receipts.trust import parse_trust
from provider.receipts.verify import verify_receipt

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "vectors"


def read_vector(name: str) -> tuple[bytes, bytes, bytes]:
    """Return receipt, proof and trust root of a committed vector."""
    receipt, proof, trust = ("receipt.jsonl", "receipt.tlog-proof", "trust.json")
    folder = VECTORS / name
    return (folder / receipt).read_bytes(), (folder / proof).read_bytes(), (folder / trust).read_bytes()


RECEIPT, PROOF, TRUST = read_vector("released")
WITNESSED, COSIGNED, WITNESSED_TRUST = read_vector("witnessed")
TRUSTED = parse_trust(TRUST)
(ENVELOPE,) = parse_receipt(RECEIPT)
NOTE = parse_proof(PROOF).note
STATEMENT_LIMITS = JsonLimits(depth=MAX_PAYLOAD_DEPTH, fractions=True)
EVIDENCE = format_evidence(NOTE, parse_proof(read_vector("withheld")[1]).note)
WORDS = Words("ethics", "agreed", 1_800_000_000)
MARK = Countersignature(TRUSTED.chain_id, checksum_address(TRUSTED.provider), WORDS, bytes(65))
MARKED = add_countersignature(ENVELOPE, MARK).signatures[-1]
REQUEST = json.dumps(parse_statement(ENVELOPE.payload).facts.job.request).encode()


def as_text(data: bytes) -> str:
    """Return text of any bytes; those that are not UTF-8 become halves of surrogate pairs."""
    return data.decode("utf-8", errors="surrogateescape")


def read_request(data: bytes) -> None:
    """Read a request as it stands in a statement, and hash it."""
    value = parse_json_strict(data, limits=STATEMENT_LIMITS)
    if isinstance(value, dict):
        request_digest(parse_request(value), TRUSTED.chain_id, TRUSTED.escrow)


PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "envelope": (parse_envelope, ENVELOPE.to_json()),
    "receipt": (parse_receipt, RECEIPT),
    "statement": (parse_statement, ENVELOPE.payload),
    "json": (
        lambda data: parse_json_strict(data, limits=STATEMENT_LIMITS),
        b'{"a":[1,-2.5e3,"\\u00e9\\n",null,true]}',
    ),
    "request": (read_request, REQUEST),
    "note": (lambda data: parse_note(as_text(data)), NOTE.encode()),
    "checkpoint": (lambda data: parse_checkpoint(as_text(data)), NOTE.partition("\n\n")[0].encode() + b"\n"),
    "signed checkpoint": (
        lambda data: verify_checkpoint(as_text(data), TRUSTED.origin, TRUSTED.keys[0].ed25519),
        NOTE.encode(),
    ),
    "proof": (parse_proof, PROOF),
    "trust root": (parse_trust, TRUST),
    "countersignature": (
        lambda data: parse_countersignature(EnvelopeSignature(MARKED.keyid, data)),
        MARKED.sig,
    ),
    "split view": (
        lambda data: verify_split_view(data, TRUSTED.origin, [TRUSTED.keys[0].ed25519]),
        EVIDENCE,
    ),
    "tile path": (lambda data: parse_tile_path(as_text(data)), b"0/x001/234.p/5"),
    "entries": (lambda data: parse_entries(data, 2), format_entries([entry_bytes(b"a"), entry_bytes(b"b")])),
    "base64": (lambda data: parse_base64(as_text(data), document="fuzz"), b"AAECAwQ="),
    "any base64": (lambda data: parse_any_base64(as_text(data), document="fuzz"), b"-_-_Pj8="),
    "number": (lambda data: parse_decimal(as_text(data), document="fuzz"), b"9007199254740991"),
    "a receipt's verification": (lambda data: verify_receipt(data, PROOF, TRUSTED, {}), RECEIPT),
    "a proof's verification": (lambda data: verify_receipt(RECEIPT, data, TRUSTED, {}), PROOF),
    "a cosigned proof's verification": (
        lambda data: verify_receipt(WITNESSED, data, parse_trust(WITNESSED_TRUST), {}),
        COSIGNED,
    ),
    "a trust root's verification": (
        lambda data: verify_receipt(RECEIPT, PROOF, parse_trust(data), {}),
        TRUST,
    ),
}


def is_read(name: str, data: bytes) -> bool:
    """Tell whether a parser reads the bytes; any error but a ReceiptError goes through."""
    try:
        PARSERS[name][0](data)
    except ReceiptError:
        return False
    return True
