"""The audit of a log in its order: takes checked entries one by one, and says what they contradict, before and around them.

What has to be remembered of earlier entries (jobs, orders, ledgers) is kept in a book, so that memory stays flat and a later
audit can go on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from provider.audit.anchors import LATE_S, Anchors
from provider.audit.chain import ChainFacts, check_with_chain
from provider.audit.entries import CheckedEntry, EntryFacts
from provider.audit.findings import Code, Finding
from provider.audit.frontier import Frontier
from provider.audit.growth import Growth
from provider.audit.orders import ReceiptedJob
from provider.audit.privacy import Ledgers, check_privacy
from provider.receipts.errors import ReceiptError, Verdict
from provider.receipts.note import Checkpoint
from provider.receipts.rules import RefusedError, check_valid_then, verdict_of, verify_log_checkpoint
from provider.receipts.tree import MAX_TREE_SIZE
from provider.receipts.trust import Anchor, TrustedKey, TrustRoot, find_fault
from provider.times import format_time

MAX_EVIDENCE_CHARS = 2000
CLOCK_S = 3600
"""How far clocks, gates and queues may shift the ends of jobs against their order in the log."""


class Book(Ledgers, Protocol):
    """What is remembered of the entries before."""

    def add_job(self, job_id: str, job: ReceiptedJob) -> int | None:
        """Keep a job's receipt; return the index of an earlier one of the same job, which stays."""
        ...

    def add_order(self, place: str, index: int) -> int | None:
        """Keep which entry an order, by its place on chain, pays for; return the index of an earlier one."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far an audit has come: what a later one goes on from."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    decided: int = 0
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """How an audit looks at a log: the time `now`, and when the provider was `asked` for it, None for a copy.

    `current` says that the anchors are all that the chain has; those in a file may be old.
    """

    now: int
    asked: int | None
    current: bool


class Auditor:
    """Judges a log's entries in their order."""

    def __init__(
        self,
        trust: TrustRoot,
        book: Book,
        *,
        position: Position = Position(),
        chain: ChainFacts | None = None,
    ) -> None:
        self._trust = trust
        self._anchors = Anchors(trust)
        self._book = book
        self._chain = chain
        frontier = Frontier(position.size, position.peaks)
        self._growth = Growth(self._anchors, frontier, rewritten=position.rewritten)
        self._decided = position.decided
        self._waiting_since: int | None = None

    @property
    def position(self) -> Position:
        """How far this audit has come."""
        frontier = self._growth.frontier
        return Position(frontier.size, frontier.peaks, self._decided, self._growth.rewritten)

    @property
    def root(self) -> bytes:
        """The root over the entries so far."""
        return self._growth.frontier.root()

    def take(self, entry: CheckedEntry) -> list[Finding]:
        """Take the next entry, and return what is found of it; fails as the chain does."""
        found = [*entry.findings, *self._growth.take(entry.leaf)]
        if entry.facts is not None:
            found += self._check_facts(entry.index, entry.facts)
        return found

    def _check_facts(self, index: int, facts: EntryFacts) -> Iterator[Finding]:
        yield from self._check_once(index, facts)
        yield from self._check_times(index, facts)
        yield from check_privacy(index, facts, self._book)
        if self._chain is not None and not self._is_ahead(index, facts, self._chain):
            yield from check_with_chain(index, facts, self._chain, self._trust)

    def _is_ahead(self, index: int, facts: EntryFacts, chain: ChainFacts) -> bool:
        """Tell whether what isn't anchored yet was made on a block that whoever is asked doesn't have yet."""
        waits = self._anchors.first_covering(index) is None
        return waits and chain.find_block(facts.not_before.number) is None

    def _check_once(self, index: int, facts: EntryFacts) -> Iterator[Finding]:
        """A job has one receipt, an order pays for one job, and what ran was ordered."""
        job = ReceiptedJob(index, facts.consumer, facts.is_owed, facts.may_be_owed)
        earlier = self._book.add_job(facts.job_id, job)
        if earlier is not None:
            text = f"the job has a receipt already, entry {earlier}"
            yield Finding(Code.SECOND_RECEIPT, text, index, facts.job_id, {"first entry": str(earlier)})
        for order in facts.orders:
            place = f"{order.tx_hash.lower()}:{order.log_index}"
            other = self._book.add_order(place, index)
            if other is not None:
                text = f"its order pays for entry {other} already"
                yield Finding(Code.ORDER_REUSED, text, index, facts.job_id, {"order": place})
        if facts.ran and not facts.orders:
            text = "the job ran, and the receipt names no order"
            yield Finding(Code.RAN_WITHOUT_ORDER, text, index, facts.job_id)

    def _check_times(self, index: int, facts: EntryFacts) -> Iterator[Finding]:
        """Jobs run side by side, so one decided later may end earlier; but none ends before an earlier entry was decided."""
        if facts.ended + CLOCK_S < self._decided:
            ended, decided = format_time(facts.ended), format_time(self._decided)
            text = f"the job ended at {ended}, long before an earlier entry was decided, at {decided}"
            yield Finding(Code.OUT_OF_ORDER, text, index, facts.job_id)
        self._decided = max(self._decided, facts.decided)
        anchor = self._anchors.first_covering(index)
        if anchor is None:
            since = self._waiting_since
            self._waiting_since = facts.ended if since is None else min(since, facts.ended)
        elif anchor.time + CLOCK_S < facts.ended:
            text = f"the job ended at {format_time(facts.ended)}, and was anchored before, at {format_time(anchor.time)}"
            yield Finding(Code.OUT_OF_ORDER, text, index, facts.job_id, {"transaction": anchor.tx})
        elif anchor.time > facts.ended + LATE_S:
            text = (
                f"the job ended at {format_time(facts.ended)}, and was anchored at {format_time(anchor.time)}"
            )
            yield Finding(Code.ANCHORED_LATE, text, index, facts.job_id, {"transaction": anchor.tx})

    def finish(self, note: str, look: Look) -> list[Finding]:
        """Judge the log as a whole after its last entry."""
        checkpoint, found = read_checkpoint(note, self._trust, now=look.now)
        if checkpoint is not None:
            found += self._growth.check_end(checkpoint)
        reach = self._growth.check_reach(self._anchors, look.asked)
        return [*found, *reach, *self._check_pending(look)]

    def _check_pending(self, look: Look) -> list[Finding]:
        size, newest = self._growth.frontier.size, self._anchors.newest
        anchored = newest.size if newest else 0
        if size <= anchored:
            return []
        text = f"{size - anchored} entries from {anchored} on are not anchored"
        if not look.current:
            text += " in the trust root that was given, which may be old"
        since = self._waiting_since
        if look.current and since is not None and not since - CLOCK_S <= look.now <= since + LATE_S:
            text += f": the first of these jobs ended, it says, at {format_time(since)}"
            return [Finding(Code.ANCHORING_STOPPED, text, anchored)]
        return [Finding(Code.NOT_ANCHORED_YET, text, anchored)]


def read_checkpoint(note: str, trust: TrustRoot, *, now: int) -> tuple[Checkpoint | None, list[Finding]]:
    """Return a checkpoint that published keys signed, in force when it was anchored, or now; with what is wrong with it."""
    try:
        checkpoint, keys = verify_log_checkpoint(note, trust)
        anchor = trust.find_anchor(checkpoint.size, checkpoint.root)
        if anchor is not None:
            check_valid_then("checkpoint", keys, anchor)
        else:
            _check_valid_now(keys, now)
    except ReceiptError as exc:
        evidence = {"checkpoint": note[:MAX_EVIDENCE_CHARS]}
        return None, [Finding(Code(verdict_of(exc).value), f"checkpoint: {exc}", evidence=evidence)]
    return checkpoint, []


def _check_valid_now(sets: Sequence[TrustedKey], now: int) -> None:
    """Check that a key could sign what is anchored next."""
    fault = find_fault(sets, Anchor(0, b"", MAX_TREE_SIZE, b"", now, ""))
    if fault is not None:
        raise RefusedError(Verdict.KEY_NOT_VALID_THEN, f"not anchored yet, and its key {fault}")


def check_release(index: int, facts: EntryFacts, files: Mapping[str, str]) -> list[Finding]:
    """Check that files, by name and SHA-256 in hex, are among those that a receipt says were released."""
    named = {subject.name: subject.sha256 for subject in facts.subjects}
    return [
        Finding(
            Code.RELEASE_DIFFERS,
            f"the file {name!r} that was fetched is not one that the receipt names as released",
            index,
            facts.job_id,
            {"fetched": digest, "receipt": named.get(name, "doesn't name it")},
        )
        for name, digest in files.items()
        if named.get(name) != digest
    ]
