"""Witnesses a log: checks that it only grew since it was last seen, remembers that, and only then cosigns.

- What is cosigned is signed by a key in force of the log, anchored where a chain is asked, and extends what was seen.
- What was seen is on the disk before a signature leaves, and two processes of one home take turns.
- Tiles come from the provider and are believed in nothing. Where they show that it has two histories, the evidence is
  written and nothing is cosigned; where they show nothing, nothing is cosigned either, and that is said so.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.errors import CliError, InputError, SplitViewError, UnprovenError
from cli.home import Home, read_file, write_file
from cli.logclient import LogClient
from cli.output import plain
from datatokens.errors import ChainError
from policies.canonical import sha256
from provider.receipts.cosignature import WitnessSigner
from provider.receipts.errors import ReceiptError, Verdict, VerificationError
from provider.receipts.note import (
    CHECKPOINT_STEP,
    Checkpoint,
    parse_checkpoint,
    parse_note,
)
from provider.receipts.proof import HEADER, MAX_PROOF_BYTES, parse_proof
from provider.receipts.rules import RefusedError, check_valid_then, verify_log_checkpoint
from provider.receipts.splitview import compare_checkpoints, verify_split_view
from provider.receipts.trust import TrustedKey, TrustRoot

MAX_CHECKPOINTS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class WatchedLog:
    """A log, whose it is and where it answers; `is_on_chain` says that its anchors were read from the chain just now."""

    client: LogClient
    trust: TrustRoot
    is_on_chain: bool

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Every key that the log signed checkpoints with."""
        return tuple(key.ed25519 for key in self.trust.keys)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What was cosigned, and who has by now, by their keys."""

    checkpoint: Checkpoint
    witnesses: tuple[str, ...]


class WitnessBook:
    """What one home has seen of one log: the newest checkpoint that it took for good."""

    def __init__(self, home: Home, origin: str) -> None:
        self._home = home
        self._name = origin.replace("/", "-")
        self._path = home.witnessed_logs / f"{self._name}.checkpoint"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only one to look and to write until the end of the block; others wait."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def find(self) -> str | None:
        """Return the newest checkpoint seen; None before the first."""
        if not self._path.exists():
            return None
        return load_checkpoint(self._path)

    def keep(self, note: str) -> None:
        """Remember a checkpoint; it is on the disk when this returns."""
        write_file(self._path, note.encode())

    def keep_evidence(self, evidence: bytes, sizes: tuple[int, int]) -> Path:
        """Write evidence down, and return where."""
        digest = sha256(evidence).hex()[:16]
        path = self._home.evidence / f"{self._name}-{sizes[0]}-{sizes[1]}-{digest}.json"
        write_file(path, evidence, mode=0o644)
        return path


def cosign_log(home: Home, log: WatchedLog, signer: WitnessSigner, *, now: int) -> Cosigned:
    """Cosign a log's checkpoints from the last one seen to the newest, after everything that the module says.

    Each in its turn: witnesses that look at different times have then cosigned the same ones. The first time, and where
    nobody serves them one by one, it is the newest alone.

    Raises:
        SplitViewError: the log showed two histories; the evidence is written.
        UnprovenError: nothing shows that the log only grew.
        VerificationError: a checkpoint isn't signed by a key in force, or isn't anchored.
        ApiError: the provider doesn't take the cosignature.
    """
    book = WitnessBook(home, log.trust.origin)
    with book.hold():
        seen = book.find()
        following = _find_following(log, _size(seen)) if seen is not None else None
        done = _cosign_next(book, log, signer, following or log.client.checkpoint(), now)
        for _ in range(MAX_CHECKPOINTS_AT_ONCE - 1):
            following = _find_following(log, done.checkpoint.size)
            if following is None:
                break
            done = _cosign_next(book, log, signer, following, now)
    return done


def cosign_again(
    look: Callable[[], Cosigned],
    *,
    every_s: float,
    say: Callable[[str], None],
    rest: Callable[[float], None] = time.sleep,
) -> Iterator[Cosigned]:
    """Look again and again, and yield what was cosigned anew; what may pass is said, and the next look tells.

    Raises:
        SplitViewError: the log showed two histories, and is not cosigned again.
    """
    newest: Checkpoint | None = None
    while True:
        try:
            done = look()
        except SplitViewError:
            raise
        except (CliError, ReceiptError, ChainError) as exc:
            say(f"not cosigned: {plain(exc)}")
        else:
            if done.checkpoint != newest:
                yield done
            newest = done.checkpoint
        rest(every_s)


def list_seen(home: Home) -> list[Checkpoint]:
    """Return the newest checkpoint that this home has seen of each log."""
    paths = sorted(home.witnessed_logs.glob("*.checkpoint"))
    return [parse_checkpoint(parse_note(load_checkpoint(path)).text) for path in paths]


def compare_with_seen(home: Home, log: WatchedLog, note: str) -> tuple[Checkpoint, Checkpoint]:
    """Compare a checkpoint that somebody else was shown with the newest one seen; return both, ours first.

    Raises:
        InputError: nothing of this log was seen yet.
        SplitViewError: they exclude one another; the evidence is written.
        UnprovenError: the provider's tiles don't show how they stand to one another.
    """
    book = WitnessBook(home, log.trust.origin)
    seen = book.find()
    if seen is None:
        raise InputError(
            f"this witness has seen nothing of {log.trust.origin} yet",
            code="nothing-seen",
            remedy="run `sealroom witness cosign` first",
        )
    _check_consistent(book, log, seen, note)
    return parse_checkpoint(parse_note(seen).text), parse_checkpoint(parse_note(note).text)


def load_checkpoint(path: Path) -> str:
    """Read a checkpoint file, or the checkpoint in a receipt's proof file.

    Raises:
        InputError: it can't be read, or is no text.
        MalformedError: it begins as a proof and is none.
    """
    data = read_file(path, what="checkpoint", max_bytes=MAX_PROOF_BYTES)
    return parse_proof(data).note if data.startswith(HEADER.encode()) else _decode(data)


def verify_newest(note: str, log: WatchedLog) -> Checkpoint:
    """Verify that a key of the log that is in force signed the checkpoint, and where a chain is asked, that it is anchored.

    Raises:
        MalformedError: it is none.
        VerificationError: with the verdict that `receipt verify` would give.
    """
    try:
        checkpoint, keys = verify_log_checkpoint(note, log.trust)
        _check_in_force(log, checkpoint, keys)
    except RefusedError as exc:
        raise VerificationError(exc.verdict, CHECKPOINT_STEP, str(exc)) from exc
    return checkpoint


def _check_in_force(log: WatchedLog, checkpoint: Checkpoint, keys: Sequence[TrustedKey]) -> None:
    anchor = log.trust.find_anchor(checkpoint.size, checkpoint.root)
    if anchor is None and log.is_on_chain:
        raise RefusedError(
            Verdict.ROOT_NOT_ANCHORED, f"the chain has no such root for size {checkpoint.size}"
        )
    if anchor is None:
        if any(key.revoked for key in keys) or all(key.valid_until is not None for key in keys):
            raise RefusedError(Verdict.KEY_NOT_VALID_THEN, "the checkpoint key is not in force any more")
        return
    if log.trust.is_closed_at(anchor):
        raise RefusedError(Verdict.ROOT_NOT_ANCHORED, "it was anchored when the log had been closed for good")
    check_valid_then("checkpoint", keys, anchor)


def _cosign(signer: WitnessSigner, note: str, now: int) -> str:
    """Return the checkpoint under the log's signatures and this cosignature; those of others are known where it goes."""
    parsed = parse_note(note)
    origin = parse_checkpoint(parsed.text).origin
    lines = [*(item for item in parsed.signatures if item.name == origin), signer.cosign(parsed.text, now)]
    return f"{parsed.text}\n{''.join(line.to_line() for line in lines)}"


def _cosign_next(book: WitnessBook, log: WatchedLog, signer: WitnessSigner, note: str, now: int) -> Cosigned:
    checkpoint, seen = verify_newest(note, log), book.find()
    if seen is not None:
        _check_extends(book, log, seen, note)
    book.keep(note)
    view = log.client.hand_in(_cosign(signer, note, now))
    return Cosigned(checkpoint, tuple(view.witnesses))


def _find_following(log: WatchedLog, size: int) -> str | None:
    """Return the next checkpoint after one of `size`, if it can be cosigned; else the newest will have to do.

    So one that can't be, such as one by a key that was revoked from before on, or of which the anchor wasn't read yet, holds
    nothing up.
    """
    with suppress(ReceiptError):
        note = log.client.find_checkpoint_after(size)
        if note is not None and verify_newest(note, log).size > size:
            return note
    return None


def _size(note: str) -> int:
    return parse_checkpoint(parse_note(note).text).size


def _check_extends(book: WitnessBook, log: WatchedLog, seen: str, note: str) -> None:
    _check_consistent(book, log, seen, note)
    before, after = _size(seen), _size(note)
    if after < before:
        raise UnprovenError(
            f"the provider shows its log at size {after}, and this witness has seen {before}: an older checkpoint"
            " isn't cosigned after a newer one",
            code="checkpoint-older",
            remedy="ask again later; a log that stays behind lost receipts, which its operator has to explain",
        )


def _check_consistent(book: WitnessBook, log: WatchedLog, seen: str, note: str) -> None:
    try:
        evidence = compare_checkpoints(seen, note, log.trust.origin, log.keys, log.client)
    except (ReceiptError, CliError) as exc:
        raise UnprovenError(
            f"nothing shows that the log only grew since it was last seen, nor that it didn't: {exc}",
            remedy="ask again later; a provider that goes on refusing its tiles has to explain why",
        ) from exc
    if evidence is None:
        return
    found = verify_split_view(evidence, log.trust.origin, log.keys)
    sizes = found.smaller.size, found.larger.size
    raise SplitViewError(log.trust.origin, sizes, str(book.keep_evidence(evidence, sizes)))


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise InputError("a checkpoint is not UTF-8 text", code="checkpoint-unreadable") from exc
