"""Witnesses, logs that grow, and logs that show two histories."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provider.receipts.cosignature import WitnessSigner
from provider.receipts.keys import SigningKeys
from provider.receipts.note import Checkpoint, parse_note, sign_checkpoint
from provider.receipts.tree import root_of
from tests.log_samples import PlainTiles
from tests.receipt_samples import ORIGIN

NOW = 1_800_000_000


def make_witness(name: str) -> WitnessSigner:
    """Return the same witness for the same name."""
    seed = hashlib.sha256(b"witness " + name.encode()).digest()
    return WitnessSigner(name, Ed25519PrivateKey.from_private_bytes(seed))


def cosign(note: str, *witnesses: WitnessSigner, timestamp: int = NOW) -> str:
    """Return the note with a cosignature of each witness under it."""
    text = parse_note(note).text
    return note + "".join(witness.cosign(text, timestamp).to_line() for witness in witnesses)


@dataclass(frozen=True, slots=True)
class History(PlainTiles):
    """A log's entries as one reader is shown them."""

    keys: SigningKeys

    def note(self, size: int) -> str:
        """Return the signed checkpoint of the first `size` entries."""
        return sign_checkpoint(Checkpoint(ORIGIN, size, root_of(self.leaves[:size])), self.keys)


def make_history(size: int, *, keys: SigningKeys, differs_at: int | None = None) -> History:
    """Return a log of `size` entries, of which one may be another than in the honest log."""
    leaves = [hashlib.sha256(b"%d" % number).digest() for number in range(size)]
    if differs_at is not None:
        leaves[differs_at] = hashlib.sha256(b"another").digest()
    return History(leaves, keys)
