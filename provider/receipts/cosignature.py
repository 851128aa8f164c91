"""Cosignatures of checkpoints (C2SP tlog-cosignature, `cosignature/v1` with Ed25519): made, verified, put under a note.

A witness says by one that this is the largest tree it has seen of this log, and that every smaller one it saw is its prefix.
Not decided here: which witnesses count; a receipt's demand names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.witnesses import WitnessKey, parse_demand
from provider.receipts.errors import Verdict, VerificationError
from provider.receipts.facts import WitnessFacts
from provider.receipts.note import MAX_NOTE_SIGNATURES, NoteSignature, parse_note
from provider.receipts.signatures import ED25519_SIGNATURE_BYTES, is_ed25519_signature

WITNESS_STEP = "witnesses"
MAX_TIMESTAMP = 2**63 - 1
_TIMESTAMP_BYTES = 8
_HEADER = "cosignature/v1"


@dataclass(frozen=True, slots=True)
class WitnessSigner:
    """A witness's name and private key; its repr shows no key."""

    name: str
    ed25519: Ed25519PrivateKey = field(repr=False)

    def public(self) -> WitnessKey:
        """Return the key that others verify with."""
        return WitnessKey(self.name, self.ed25519.public_key().public_bytes_raw())

    def cosign(self, text: str, timestamp: int) -> NoteSignature:
        """Return the cosignature of a checkpoint's text, made at `timestamp` (unix seconds).

        Not checked here: that the checkpoint is the log's, and consistent with what was seen before.
        """
        signature = self.ed25519.sign(cosigned_message(text, timestamp))
        stamped = timestamp.to_bytes(_TIMESTAMP_BYTES) + signature
        return NoteSignature(self.name, self.public().keyid, stamped)


def cosigned_message(text: str, timestamp: int) -> bytes:
    """Return the bytes that are signed: a header, the time, the checkpoint's text ("Ed25519 signed message")."""
    return f"{_HEADER}\ntime {timestamp}\n{text}".encode()


def is_cosignature(key: WitnessKey, signature: NoteSignature, text: str) -> bool:
    """Tell whether this is a cosignature of the text by that key, name and id included."""
    stamped = signature.sig
    if (signature.name, signature.keyid) != (key.name, key.keyid):
        return False
    if len(stamped) != _TIMESTAMP_BYTES + ED25519_SIGNATURE_BYTES:
        return False
    timestamp = int.from_bytes(stamped[:_TIMESTAMP_BYTES])
    message = cosigned_message(text, timestamp)
    return timestamp <= MAX_TIMESTAMP and is_ed25519_signature(
        key.ed25519, stamped[_TIMESTAMP_BYTES:], message
    )


def find_cosignatures(note: str, keys: Iterable[WitnessKey]) -> dict[WitnessKey, NoteSignature]:
    """Return the first cosignature of each key that cosigned the note; a key that cosigned twice stands once.

    Lines by other keys are ignored, as C2SP signed-note asks.

    Raises:
        MalformedError: not a note.
        VerificationError: `bad-signature` when what stands as one key's cosignature isn't.
    """
    parsed, known = parse_note(note), {(key.name, key.keyid): key for key in keys}
    found: dict[WitnessKey, NoteSignature] = {}
    for signature in parsed.signatures:
        key = known.get((signature.name, signature.keyid))
        if key is None:
            continue
        if not is_cosignature(key, signature, parsed.text):
            raise VerificationError(
                Verdict.BAD_SIGNATURE,
                WITNESS_STEP,
                f"what stands as {key.name}'s cosignature is none of this checkpoint",
            )
        found.setdefault(key, signature)
    return found


def find_shortfall(note: str, demands: Sequence[WitnessFacts]) -> str:
    """Say what the note lacks of the cosignatures demanded; empty when nothing is.

    Raises:
        WitnessKeyError: a demand can't be read.
        MalformedError, VerificationError: see `find_cosignatures`.
    """
    for demand in demands:
        count = len(find_cosignatures(note, parse_demand(demand.threshold, demand.keys)))
        if count < demand.threshold:
            return f"{count} of the {demand.threshold} cosignatures that a policy demands stand under the checkpoint"
    return ""


def merge_cosignatures(note: str, lines: Iterable[str]) -> str:
    """Return the note with these signature lines under it: each once, and no more than a note may have."""
    present = [signature.to_line() for signature in parse_note(note).signatures]
    added = [line for line in dict.fromkeys(lines) if line not in present]
    return note + "".join(added[: MAX_NOTE_SIGNATURES - len(present)])
