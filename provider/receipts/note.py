"""Checkpoints as C2SP signed notes: origin, size and root, signed by the log's Ed25519 key.

Strict: exactly three lines of text and no extension line; a size in plain digits; 32 bytes of root; text and signatures
part at the last empty line. Size and root are believed only after the signature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provider.receipts.base64text import encode_base64, parse_base64
from provider.receipts.errors import MalformedError, Verdict, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.signatures import NOTE_KEYID_BYTES, is_ed25519_signature, note_keyid
from provider.receipts.tree import HASH_BYTES, MAX_TREE_SIZE

MAX_NOTE_BYTES = 128 * 1024
MAX_NOTE_SIGNATURES = 64
CHECKPOINT_STEP = "checkpoint signature"
_CHECKPOINT_LINES = 3
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_NAME = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree head of a log: `root` is 32 bytes over the first `size` entries."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """Write the text that is signed, its last line feed included."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line under a note: key name, 4-byte key id, signature."""

    name: str
    keyid: bytes
    sig: bytes

    def to_line(self) -> str:
        """Write the line, its line feed included."""
        return f"— {self.name} {encode_base64(self.keyid + self.sig)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed, unverified note: the exact text and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]


def sign_checkpoint(checkpoint: Checkpoint, keys: SigningKeys) -> str:
    """Return the signed note; the key's name is the origin.

    Raises:
        MalformedError: the checkpoint could not be read back (empty origin, white space or plus in it, bad size or root).
    """
    text = checkpoint.to_text()
    if parse_checkpoint(text) != checkpoint or re.search(r"[\s+]", checkpoint.origin):
        raise MalformedError(_NAME, "the origin holds white space or a plus sign")
    keyid = note_keyid(checkpoint.origin, keys.public().ed25519)
    signature = NoteSignature(checkpoint.origin, keyid, keys.sign_ed25519(text.encode()))
    return f"{text}\n{signature.to_line()}"


def parse_note(text: str) -> Note:
    """Split a signed note (C2SP signed-note, "Format") into text and signatures.

    Raises:
        MalformedError: control characters, half a surrogate pair, no empty line, no or too many signatures, or a line that is not one.
    """
    if len(text) > MAX_NOTE_BYTES:
        raise MalformedError("note", f"is longer than {MAX_NOTE_BYTES} characters")
    if _FORBIDDEN.search(text) or not text.endswith("\n"):
        raise MalformedError(
            "note", "holds a control character or half a surrogate pair, or doesn't end with a line feed"
        )
    body, separator, tail = text.rpartition("\n\n")
    if not separator:
        raise MalformedError("note", "expected an empty line between text and signatures")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_NOTE_SIGNATURES:
        raise MalformedError("note", f"has {len(lines)} signatures, at most {MAX_NOTE_SIGNATURES} are read")
    return Note(body + "\n", tuple(_parse_signature(line) for line in lines))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint (C2SP tlog-checkpoint, "Note text").

    Not checked here: the signature. Use `verify_checkpoint`.

    Raises:
        MalformedError: not three lines, a size that is not plain digits, a root that is not 32 bytes.
    """
    lines = text.split("\n")
    if len(lines) != _CHECKPOINT_LINES + 1 or lines[-1] or not lines[0]:
        raise MalformedError(_NAME, "expected exactly three lines: origin, size, root")
    root = parse_base64(lines[2], document=_NAME)
    if len(root) != HASH_BYTES:
        raise MalformedError(_NAME, f"expected a root of {HASH_BYTES} bytes, got {len(root)}")
    return Checkpoint(lines[0], parse_decimal(lines[1], document=_NAME), root)


def parse_decimal(text: str, *, document: str) -> int:
    """Read ASCII digits without sign, leading zero or underscore, at most 2^53 - 1.

    Raises:
        MalformedError: any other text.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_TREE_SIZE:
        raise MalformedError(document, f"expected plain decimal digits up to 2^53 - 1, got {text[:20]!r}")
    return int(text)


def verify_checkpoint(text: str, origin: str, ed25519: bytes) -> Checkpoint:
    """Verify that the log named `origin` with that Ed25519 key signed the checkpoint, and return it.

    Signatures by other keys are ignored, as C2SP asks. Not checked here: whether the root is anchored.

    Raises:
        MalformedError: not a signed checkpoint, or signed twice by that key.
        VerificationError: `unknown-key` when that key didn't sign or the text names another log, `bad-signature` when
            what stands as its signature isn't.
    """
    note = parse_note(text)
    known = [s.sig for s in note.signatures if (s.name, s.keyid) == (origin, note_keyid(origin, ed25519))]
    if not known:
        raise VerificationError(
            Verdict.UNKNOWN_KEY, CHECKPOINT_STEP, "the log's key didn't sign this checkpoint"
        )
    if not all(is_ed25519_signature(ed25519, sig, note.text.encode()) for sig in known):
        raise VerificationError(
            Verdict.BAD_SIGNATURE, CHECKPOINT_STEP, "the signature is not over this checkpoint"
        )
    if len(known) > 1:
        raise MalformedError("note", "the log's key signed twice")
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise VerificationError(Verdict.UNKNOWN_KEY, CHECKPOINT_STEP, "the checkpoint is of another log")
    return checkpoint


def _parse_signature(line: str) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if not match:
        raise MalformedError("note", "expected signature lines of the form '— name base64'")
    raw = parse_base64(match[2], document="note")
    if len(raw) <= NOTE_KEYID_BYTES:
        raise MalformedError("note", "a signature is too short")
    return NoteSignature(match[1], raw[:NOTE_KEYID_BYTES], raw[NOTE_KEYID_BYTES:])
