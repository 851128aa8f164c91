"""Evidence that a log showed two histories: two checkpoints that it signed and that can't both be of one log.

- Of one size they have different roots.
- Of different sizes, a consistency proof leads from *another* root of the smaller size to the larger checkpoint's root: what
  the larger tree has for its first entries isn't what the smaller checkpoint says.

Whoever has the file and the log's key needs nothing else. A missing proof is no evidence, and never taken for one. Under
each checkpoint stands the log's signature alone, so that every byte of the file counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from provider.receipts.errors import (
    EvidenceRefusedError,
    FieldError,
    MalformedError,
    ProofInvalidError,
    VerificationError,
)
from provider.receipts.note import MAX_NOTE_BYTES, Checkpoint, parse_note, verify_checkpoint
from provider.receipts.records import Bytes32, parse_record, to_json
from provider.receipts.signatures import note_keyid
from provider.receipts.strictjson import JsonLimits, parse_json_strict
from provider.receipts.tiles import TileReader, prefix_root, prove_consistency
from provider.receipts.tree import verify_consistency

EVIDENCE_TYPE = "urn:sealroom:split-view:v1"
MAX_EVIDENCE_BYTES = 4 * MAX_NOTE_BYTES
MAX_CONSISTENCY_HASHES = 64
_LIMITS = JsonLimits(size_bytes=MAX_EVIDENCE_BYTES, depth=2)
_NAME = "evidence"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the file holds: two signed checkpoints, the smaller first, and what shows that they exclude one another.

    `other_root` is the root of the smaller size that `consistency` proves of the larger tree; for two checkpoints of one
    size it is None, and there is no proof.
    """

    type: str
    smaller: str
    larger: str
    other_root: Bytes32 | None
    consistency: tuple[Bytes32, ...]


@dataclass(frozen=True, slots=True)
class SplitView:
    """A split view that was shown: the log, and its two checkpoints that exclude one another."""

    origin: str
    smaller: Checkpoint
    larger: Checkpoint


def compare_checkpoints(
    first: str, second: str, origin: str, ed25519: Iterable[bytes], tiles: TileReader
) -> bytes | None:
    """Return None when the smaller of two signed checkpoints is shown to be a prefix of the larger, else the evidence.

    `tiles` are the larger tree's, and are not believed: what they show leads to the signed root, or shows nothing.

    Raises:
        EvidenceRefusedError: a checkpoint isn't signed by one of the keys, or the tiles aren't those of the larger one.
        ReceiptError: the tiles can't be had.
    """
    keys = tuple(ed25519)
    notes = [_keep_signed(note, origin, keys) for note in (first, second)]
    (smaller, small_note), (larger, large_note) = sorted(notes, key=lambda item: item[0].size)
    if smaller.size == larger.size:
        return None if smaller.root == larger.root else format_evidence(small_note, large_note)
    proof = prove_consistency(tiles, smaller.size, larger.size)
    with suppress(ProofInvalidError):
        verify_consistency(smaller.size, smaller.root, larger.size, larger.root, proof)
        return None
    other = prefix_root(tiles, smaller.size, larger.size)
    data = format_evidence(small_note, large_note, other_root=other, consistency=proof)
    verify_split_view(data, origin, keys)
    return data


def format_evidence(
    smaller: str, larger: str, *, other_root: bytes | None = None, consistency: Sequence[bytes] = ()
) -> bytes:
    """Write the file. Not checked here: that it convinces."""
    evidence = Evidence(EVIDENCE_TYPE, smaller, larger, other_root, tuple(consistency))
    return json.dumps(to_json(evidence), indent=2, ensure_ascii=False).encode() + b"\n"


def parse_evidence(data: bytes) -> Evidence:
    """Read the file: exactly its five fields, in the form in which `format_evidence` writes them.

    Raises:
        MalformedError: not that format.
    """
    value = parse_json_strict(data, document=_NAME, limits=_LIMITS)
    try:
        found = parse_record(Evidence, value, "$")
    except FieldError as exc:
        raise MalformedError(_NAME, str(exc)) from exc
    if found.type != EVIDENCE_TYPE or len(found.consistency) > MAX_CONSISTENCY_HASHES:
        raise MalformedError(
            _NAME, f"expected type {EVIDENCE_TYPE} and at most {MAX_CONSISTENCY_HASHES} hashes"
        )
    rewritten = format_evidence(
        found.smaller, found.larger, other_root=found.other_root, consistency=found.consistency
    )
    if rewritten != data:
        raise MalformedError(_NAME, "isn't written in the one form that it has")
    return found


def verify_split_view(data: bytes, origin: str, ed25519: Iterable[bytes]) -> SplitView:
    """Return the split view that the file shows of the log named `origin`, which signs with one of the keys.

    Not checked here: whose keys they are, and when they were in force; a log answers for each that it published.

    Raises:
        MalformedError: not an evidence file.
        EvidenceRefusedError: it doesn't show one: a checkpoint isn't signed, or the two don't exclude one another.
    """
    evidence, keys = parse_evidence(data), tuple(ed25519)
    smaller, larger = (_verify_alone(note, origin, keys) for note in (evidence.smaller, evidence.larger))
    if smaller.size == larger.size:
        _check_same_size(evidence, smaller, larger)
    else:
        _check_other_prefix(evidence, smaller, larger)
    return SplitView(origin, smaller, larger)


def _verify_alone(note: str, origin: str, keys: tuple[bytes, ...]) -> Checkpoint:
    checkpoint, alone = _keep_signed(note, origin, keys)
    if alone != note:
        raise EvidenceRefusedError("evidence: expected the log's signature alone under each checkpoint")
    return checkpoint


def _keep_signed(note: str, origin: str, keys: tuple[bytes, ...]) -> tuple[Checkpoint, str]:
    """Return the checkpoint that one of the keys signed, and the note with that signature alone."""
    refused = "there is no key to judge by"
    for key in keys:
        try:
            checkpoint = verify_checkpoint(note, origin, key)
        except VerificationError as exc:
            refused = exc.detail
            continue
        signed_by, parsed = (origin, note_keyid(origin, key)), parse_note(note)
        line = next(s.to_line() for s in parsed.signatures if (s.name, s.keyid) == signed_by)
        return checkpoint, f"{parsed.text}\n{line}"
    raise EvidenceRefusedError(f"evidence: a checkpoint is not shown to be of {origin}: {refused}")


def _check_same_size(evidence: Evidence, smaller: Checkpoint, larger: Checkpoint) -> None:
    if smaller.root == larger.root:
        raise EvidenceRefusedError("evidence: both checkpoints have the same size and the same root")
    if evidence.other_root is not None or evidence.consistency:
        raise EvidenceRefusedError("evidence: two roots of one size need no proof, and there is one")


def _check_other_prefix(evidence: Evidence, smaller: Checkpoint, larger: Checkpoint) -> None:
    other = evidence.other_root
    if smaller.size > larger.size or other is None:
        raise EvidenceRefusedError(
            "evidence: expected the smaller checkpoint first, and another root of its size"
        )
    if other == smaller.root:
        raise EvidenceRefusedError("evidence: the root said to be another is that of the smaller checkpoint")
    try:
        verify_consistency(smaller.size, other, larger.size, larger.root, evidence.consistency)
    except ProofInvalidError as exc:
        raise EvidenceRefusedError(
            f"evidence: nothing shows what the larger tree begins with: {exc}"
        ) from exc
