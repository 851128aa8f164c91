"""The keys of witnesses, who cosign checkpoints of a provider's log, and what a policy may demand of them. Verifies nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from policies.errors import WitnessKeyError

MAX_WITNESSES = 7
"""In one policy: with those of eight datasets, the log's own signature and some to spare, a note holds 64."""
MAX_NAME_CHARS = 200
KEY_TYPE = b"\x04"
KEYID_BYTES = 4
_ED25519_BYTES = 32
_TEXT = re.compile(r"([!-*,-~]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})")
_NAME = re.compile(r"[!-*,-~]{1,200}")


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and its Ed25519 key of 32 bytes, for timestamped cosignatures (C2SP tlog-cosignature, type 0x04)."""

    name: str
    ed25519: bytes

    @property
    def keyid(self) -> bytes:
        """The 4 bytes that stand beside the name at each of its cosignatures."""
        hashed = hashlib.sha256(self.name.encode() + b"\n" + KEY_TYPE + self.ed25519)
        return hashed.digest()[:KEYID_BYTES]

    def to_text(self) -> str:
        """Write the key as `name+id+base64` (C2SP signed-note, "Verifier keys")."""
        return f"{self.name}+{self.keyid.hex()}+{base64.b64encode(KEY_TYPE + self.ed25519).decode()}"


def parse_witness_key(text: str) -> WitnessKey:
    """Read a verifier key of a witness, in the one form that it has.

    Raises:
        WitnessKeyError: another form, another type of key, or an id that isn't the key's.
    """
    match = _TEXT.fullmatch(text)
    raw = base64.b64decode(match[3]) if match else b""
    if match is None or len(raw) != 1 + _ED25519_BYTES:
        raise WitnessKeyError(
            "expected a witness's key of the form name+id+base64, as `sealroom witness show` prints it"
        )
    if raw[:1] != KEY_TYPE:
        raise WitnessKeyError("expected a key for Ed25519 cosignatures, which is of type 0x04")
    key = WitnessKey(match[1], raw[1:])
    if key.to_text() != text:
        raise WitnessKeyError("the id isn't that of the name and the key: one of the three was changed")
    return key


def check_witness_name(name: str) -> str:
    """Return a name that a witness may have: printable ASCII without spaces and plus signs.

    Raises:
        WitnessKeyError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise WitnessKeyError(
            f"expected a name of up to {MAX_NAME_CHARS} printable characters without spaces and plus signs,"
            " such as ethics.example.org/w1"
        )
    return name


def parse_demand(threshold: int, keys: Sequence[str]) -> tuple[WitnessKey, ...]:
    """Read the keys of which at least `threshold` must have cosigned.

    A cosignature doesn't say under which name it was made, so one key under two names would count twice: it is refused.

    Raises:
        WitnessKeyError: a key is none or stands twice, there are too many, or the threshold can't be reached.
    """
    parsed = tuple(parse_witness_key(text) for text in keys)
    if len({key.ed25519 for key in parsed}) != len(parsed) or len({key.keyid for key in parsed}) != len(
        parsed
    ):
        raise WitnessKeyError("a key stands twice, and one witness counts once")
    if not 1 <= threshold <= len(parsed) <= MAX_WITNESSES:
        raise WitnessKeyError(
            f"expected 1 to {MAX_WITNESSES} keys and a threshold from 1 to their number, got"
            f" {threshold} of {len(parsed)}"
        )
    return parsed
