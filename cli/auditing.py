"""One run of an audit: goes on where the last one stopped if it can be built on, takes what is new, and reports on all of it.

What is kept from run to run ends at the newest anchor that the log reaches: what is past it is judged anew each time. A state
that the chain or the log no longer bears out is thrown away, and the audit begins anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from cli.auditmemory import Memory
from cli.auditreading import EntryReader, read_entries
from cli.auditstate import MAX_LISTED, AuditState, open_state, usable
from cli.mirrored import MirrorFolder
from datatokens.model import Block
from provider.audit.anchors import Anchors, check_anchors, check_closed
from provider.audit.auditor import Auditor, Look, check_release
from provider.audit.chain import ChainFacts
from provider.audit.entries import CheckedEntry
from provider.audit.findings import Code, Finding, Need, sort_findings
from provider.audit.orders import Horizon, OrderRecord, check_order, check_silence
from provider.audit.report import AnchorGas, Report
from provider.receipts.modelsigning import PROOF_FILE, RECEIPT_FILE, SIGNATURE_FILE
from provider.receipts.note import parse_checkpoint, parse_note
from provider.receipts.trust import Anchor, TrustRoot

MAX_GAS = 60
"""Of how many of the newest anchors the report states the gas."""
COMPANIONS = frozenset({RECEIPT_FILE, PROOF_FILE, SIGNATURE_FILE})
COMMIT_EVERY = 16
"""How many bundles of entries are judged between two times that progress is kept."""
Progress = Callable[[int, int], None]


class AuditedChain(ChainFacts, Protocol):
    """What an audit reads of a chain, as of one newest block; see `cli.auditchain.AuditChain`."""

    @property
    def head(self) -> Block:
        """The newest block."""
        ...

    def read_orders(self) -> None:
        """Read the orders on the provider's datasets, and how they ended; the other methods tell of these."""
        ...

    def list_orders(self, anchored: int) -> Iterator[OrderRecord]:
        """Yield every order on the provider's datasets, those of one job together.

        Of what was settled up to block `anchored` no time is told.
        """
        ...

    def read_blocks(self, numbers: Iterable[int]) -> None:
        """Read many blocks at once, to be found later."""
        ...

    def list_gas(self, anchors: Sequence[Anchor], *, before: int) -> tuple[AnchorGas, ...]:
        """Return what the transactions of anchors, oldest first, cost; `before` entries were anchored earlier."""
        ...


@dataclass(frozen=True, slots=True)
class Material:
    """What an audit is made of: a copy of the log, whom to trust, where to keep what is remembered, and what else there is.

    `asked` is when the provider was asked for its log, after the trust root was read; None for a copy. `current` says that
    the trust root was read from the chain now. `seen` are signed checkpoints that were shown before or to others, `releases`
    a folder with one for each job.
    """

    folder: Path
    trust: TrustRoot
    state: Path
    processes: int = 1
    asked: int | None = None
    current: bool = False
    seen: tuple[str, ...] = ()
    releases: Path | None = None


def run_audit(
    material: Material,
    open_chain: Callable[[AuditState], AuditedChain] | None = None,
    *,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Audit a log.

    Raises:
        MalformedError: the copy isn't complete.
        InputError: the state can't be used, or another audit uses it.
        ChainUnreachableError: the chain doesn't answer; what was judged so far is kept.
    """
    with usable(material.state), closing(open_state(material.state)) as state:
        chain = open_chain(state) if open_chain else None
        return _Run(material, state, chain, progress).run()


class _Run:
    """One audit while it runs."""

    def __init__(
        self, material: Material, state: AuditState, chain: AuditedChain | None, progress: Progress
    ) -> None:
        self._material = material
        self._trust = material.trust
        self._state = state
        self._chain = chain
        self._progress = progress
        self._note = MirrorFolder(material.folder).checkpoint()
        self._size = _size_of(self._note)
        self._anchors = Anchors(self._trust)
        self._memory = Memory(
            state, material.trust, with_chain=chain is not None, is_asked=material.asked is not None
        )
        self._has_seen = False
        newest = self._anchors.newest
        # A clock of ours that is behind the chain's would find its anchors too early.
        self._now = max(int(time.time()), newest.time if newest else 0) if chain is None else chain.head.time

    @property
    def _look(self) -> Look:
        return Look(self._now, self._material.asked, current=self._material.current)

    def run(self) -> Report:
        found = [*check_anchors(self._trust), *check_closed(self._trust), *self._begin()]
        if self._chain is not None:
            self._chain.read_orders()
        covered = [anchor.size for anchor in self._anchors.all if anchor.size <= self._size]
        anchored, start = max(covered, default=0), self._state.get_position().size
        self._take(start, anchored)
        self._state.begin()
        try:
            auditor = self._take_bundles(anchored, self._size)
            found += auditor.finish(self._note, self._look)
            found += [*self._check_orders(anchored), *self._check_releases()]
            return self._report(found, new=self._size - start, anchored=anchored, root=auditor.root)
        finally:
            self._state.rollback()

    def _begin(self) -> list[Finding]:
        """Make sure that what is kept can be built on, else forget it and say so."""
        state, material = self._state, self._material
        memory = self._memory
        mirror = MirrorFolder(material.folder)
        found = memory.compare_seen(material.seen, self._note, mirror)
        past, holds = memory.look_back(self._note, self._size, mirror)
        state.begin()
        if not holds:
            lasting = memory.list_lasting(past)
            state.clear()
            state.add_findings(lasting)
            past = [item for item in past if item not in lasting]
        memory.keep_terms()
        state.commit()
        self._has_seen = bool(material.seen) or memory.is_old
        return [*found, *past]

    def _take(self, start: int, anchored: int) -> None:
        """Judge what is new and anchored, and keep it, a few bundles at a time."""
        self._state.begin()
        auditor = self._new_auditor()
        for number, bundle in enumerate(self._read(start, anchored), 1):
            self._take_bundle(auditor, bundle)
            if number % COMMIT_EVERY == 0:
                self._keep(auditor)
                self._state.begin()
        self._keep(auditor)

    def _keep(self, auditor: Auditor) -> None:
        self._state.set_position(auditor.position)
        self._memory.keep(self._note, auditor.root)
        self._state.commit()

    def _take_bundles(self, start: int, end: int) -> Auditor:
        auditor = self._new_auditor()
        for bundle in self._read(start, end):
            self._take_bundle(auditor, bundle)
        return auditor

    def _new_auditor(self) -> Auditor:
        return Auditor(self._trust, self._state, position=self._state.get_position(), chain=self._chain)

    def _read(self, start: int, end: int) -> Iterator[list[CheckedEntry]]:
        material = self._material
        for bundle in read_entries(material.folder, self._trust, start, end, processes=material.processes):
            yield bundle
            self._progress(bundle[-1].index + 1, self._size)

    def _take_bundle(self, auditor: Auditor, bundle: list[CheckedEntry]) -> None:
        if self._chain is not None:
            self._chain.read_blocks(e.facts.not_before.number for e in bundle if e.facts)
        found: list[Finding] = []
        for entry in bundle:
            found += auditor.take(entry)
            if entry.facts is not None:
                self._state.count_jobs(entry.facts)
        self._state.add_findings(found)

    def _check_orders(self, anchored: int) -> Iterator[Finding]:
        if self._chain is None:
            return
        blocks = [anchor.block for anchor in self._anchors.all if anchor.size == anchored]
        newest = self._anchors.newest.block if self._anchors.newest else 0
        block = blocks[0] if blocks else 0
        horizon, silent = Horizon(block, self._now, is_newest=block == newest), 0
        for group in _by_job(self._chain.list_orders(block)):
            job = self._state.find_job(group[0].job_id)
            late = {order.consumer.lower() for order in group if order.refunded_late}
            for order in group:
                found = check_order(order, job, horizon, late_refund=order.consumer.lower() in late)
                if found is not None:
                    yield found
                    silent += self._is_silence(found, order, newest)
        if self._material.current:
            yield from check_silence(silent, newest)

    def _is_silence(self, found: Finding, order: OrderRecord, newest: int) -> bool:
        is_left = found.code is Code.ORDER_UNANSWERED and order.block > newest
        return is_left and self._state.has_consumer(order.consumer)

    def _check_releases(self) -> Iterator[Finding]:
        reader = EntryReader(self._material.folder, self._trust)
        for place in self._list_releases():
            job = self._state.find_job(place.name)
            if job is None:
                text = f"files were fetched of job {place.name}, and the log has no receipt of it"
                yield Finding(Code.RELEASE_DIFFERS, text, job_id=place.name)
                continue
            (entry,) = reader.check(job.index, job.index + 1)
            if entry.facts is not None:
                yield from check_release(job.index, entry.facts, _hash_files(place))

    def _list_releases(self) -> list[Path]:
        folder = self._material.releases
        return [] if folder is None else sorted(path for path in folder.iterdir() if path.is_dir())

    def _list_gas(self) -> tuple[AnchorGas, ...]:
        anchors = self._anchors.all
        if self._chain is None:
            return ()
        before = anchors[-MAX_GAS - 1].size if len(anchors) > MAX_GAS else 0
        return self._chain.list_gas(anchors[-MAX_GAS:], before=before)

    def _report(self, found: list[Finding], *, new: int, anchored: int, root: bytes) -> Report:
        state, trust = self._state, self._trust
        counts = state.count_findings()
        for item in found:
            counts[item.code] = counts.get(item.code, 0) + 1
        given = {
            Need.LOG: True,
            Need.CHAIN: self._chain is not None,
            Need.RELEASES: bool(self._list_releases()),
            Need.SEEN: self._has_seen,
        }
        return Report(
            provider=trust.provider,
            origin=trust.origin,
            chain_id=trust.chain_id,
            time=self._now,
            size=self._size,
            new=new,
            anchored=anchored,
            anchors=len(trust.anchors),
            root=root,
            findings=tuple(_shorten(sort_findings([*found, *state.list_findings()]))),
            counts=counts,
            needs=frozenset(need for need, is_given in given.items() if is_given),
            days=state.list_days(),
            spending=state.list_spending(),
            gas=self._list_gas(),
        )


def _size_of(note: str) -> int:
    return parse_checkpoint(parse_note(note).text).size


def _by_job(orders: Iterable[OrderRecord]) -> Iterator[list[OrderRecord]]:
    """Yield the orders of each job together."""
    for _, group in groupby(orders, key=lambda order: order.job_id):
        yield list(group)


def _hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the files in a folder, but for those that `job fetch` writes beside what was released."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in COMPANIONS):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _shorten(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the first `MAX_LISTED` of each code."""
    listed: dict[Code, int] = {}
    for item in findings:
        listed[item.code] = listed.get(item.code, 0) + 1
        if listed[item.code] <= MAX_LISTED:
            yield item
