"""The log of receipts, its checkpoints, and the orders still to settle. Entries are added, never changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import ColumnElement, Engine, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from provider.jobs.states import State, check_transition
from provider.store.jobs import read_job
from provider.store.part import StorePart
from provider.store.privacy import settle
from provider.store.records import (
    CheckpointRecord,
    Ending,
    JobRecord,
    LogEntryRecord,
    Settled,
    SettlementRecord,
)
from provider.store.tables import CheckpointRow, JobRow, LogEntryRow, SettlementRow, StepRow


class LedgerStore(StorePart):
    """Receipts, in the order in which jobs ended."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        super().__init__(reader, writer)
        self._appending = threading.Lock()

    def finish_job(
        self,
        job_id: str,
        source: State,
        ending: Ending,
        *,
        now: int,
        make_entry: Callable[[JobRecord, int, Settled | None], tuple[bytes, bytes]],
    ) -> bool:
        """End a job and append its receipt in one transaction; False when the job is no longer in `source`.

        `make_entry(job, index, settled)` signs the receipt for its log index and returns (envelope, SHA-256 of its PAE);
        `settled` is what the job spent of a dataset's privacy.

        Raises:
            ConflictError: the table of moves doesn't have this one.
        """
        check_transition(source, ending.state)
        # One at a time, also where the database would let two count the log at once: one worker alone appends to it.
        with self._appending, self._write() as session:
            row = session.get_one(JobRow, job_id)
            if row.state != source.value:
                return False
            index = _size(session)
            settled = settle(session, row, index, untouched=ending.untouched, now=now)
            envelope, digest = make_entry(read_job(row), index, settled)
            row.state, row.code, row.message = ending.state.value, ending.code, ending.message
            row.release, row.log_blob = ending.release, ending.log_blob
            session.add(LogEntryRow(index=index, job_id=job_id, digest=digest, envelope=envelope))
            session.add(
                StepRow(job_id=job_id, time=now, state=row.state, code=ending.code, message=ending.message)
            )
            session.add_all(
                SettlementRow(order_id=order_id, job_id=job_id, ran=ending.ran)
                for order_id in ending.order_ids
            )
        return True

    def size(self) -> int:
        """Return the number of receipts."""
        with self._read() as session:
            return _size(session)

    def find_entry(self, job_id: str) -> LogEntryRecord | None:
        """Return the receipt of a job."""
        with self._read() as session:
            row = session.scalar(select(LogEntryRow).where(LogEntryRow.job_id == job_id))
            if row is None:
                return None
            return LogEntryRecord(
                row.index, row.job_id, row.digest, row.envelope, row.proof, row.checkpoint_size
            )

    def digests(self, start: int, end: int) -> list[bytes]:
        """Return the digests of the receipts from index `start` to before `end`, in order."""
        return self._column(LogEntryRow.digest, start, end)

    def envelopes(self, start: int, end: int) -> list[bytes]:
        """Return the receipts from index `start` to before `end`, in order."""
        return self._column(LogEntryRow.envelope, start, end)

    def add_checkpoint(self, size: int, root: bytes, note: str) -> None:
        """Record a signed checkpoint before anything is sent to the chain."""
        with self._write() as session:
            session.add(CheckpointRow(size=size, root=root, note=note))

    def find_checkpoint(self, *, anchored: bool) -> CheckpointRecord | None:
        """Return the newest checkpoint that is, or is not yet, anchored."""
        anchor = CheckpointRow.tx_hash.is_not(None) if anchored else CheckpointRow.tx_hash.is_(None)
        with self._read() as session:
            row = session.scalars(
                select(CheckpointRow).where(anchor).order_by(CheckpointRow.size.desc()).limit(1)
            ).first()
            return _checkpoint(row) if row is not None else None

    def find_newest_checkpoint(self) -> CheckpointRecord | None:
        """Return the newest checkpoint, anchored or not."""
        with self._read() as session:
            row = session.scalars(select(CheckpointRow).order_by(CheckpointRow.size.desc()).limit(1)).first()
            return _checkpoint(row) if row is not None else None

    def get_checkpoint(self, size: int) -> CheckpointRecord:
        """Return the checkpoint of exactly this size."""
        with self._read() as session:
            return _checkpoint(session.get_one(CheckpointRow, size))

    def find_checkpoint_after(self, size: int) -> CheckpointRecord | None:
        """Return the smallest checkpoint larger than `size`."""
        with self._read() as session:
            query = select(CheckpointRow).where(CheckpointRow.size > size).order_by(CheckpointRow.size)
            row = session.scalars(query.limit(1)).first()
            return _checkpoint(row) if row is not None else None

    def find_checkpoint_of(self, size: int) -> CheckpointRecord | None:
        """Return the checkpoint of exactly this size, if there is one."""
        with self._read() as session:
            row = session.get(CheckpointRow, size)
            return _checkpoint(row) if row is not None else None

    def mark_anchored(self, size: int, *, tx_hash: str, block: int, proofs: dict[int, str]) -> None:
        """Record that the chain has a checkpoint, with the proofs made for exactly its size."""
        with self._write() as session:
            row = session.get_one(CheckpointRow, size)
            row.tx_hash, row.block = tx_hash, block
            for index, proof in proofs.items():
                entry = session.get_one(LogEntryRow, index)
                entry.proof, entry.checkpoint_size = proof, size

    def unproven(self, size: int) -> list[int]:
        """Return the indices below `size` that have no proof yet."""
        with self._read() as session:
            query = select(LogEntryRow.index).where(LogEntryRow.index < size, LogEntryRow.proof.is_(None))
            return list(session.scalars(query.order_by(LogEntryRow.index)))

    def open_settlements(self, limit: int) -> list[SettlementRecord]:
        """Return at most `limit` orders the chain still has to be told about: all that a job has, or none of them."""
        return self._whole_jobs(SettlementRow.done.is_(False), limit)

    def settlements_between(self, first: int, last: int) -> list[SettlementRecord]:
        """Return the orders of the receipts from index `first` to before `last`, told to the chain or not."""
        with self._read() as session:
            query = (
                select(SettlementRow)
                .join(LogEntryRow, LogEntryRow.job_id == SettlementRow.job_id)
                .where(LogEntryRow.index >= first, LogEntryRow.index < last)
                .order_by(SettlementRow.job_id, SettlementRow.order_id)
            )
            return [SettlementRecord(row.order_id, row.job_id, row.ran) for row in session.scalars(query)]

    def mark_settled(self, order_ids: list[str], *, block: int | None) -> None:
        """Record that the chain knows, at `block`, how these orders ended; None when that needs no confirmation."""
        with self._write() as session:
            for order_id in order_ids:
                row = session.get_one(SettlementRow, order_id)
                row.done, row.settled_block = True, block

    def unconfirmed_settlements(self, block: int, limit: int) -> list[SettlementRecord]:
        """Return orders that the chain knew the end of at `block` or before, not looked at since; whole jobs as above."""
        return self._whole_jobs(SettlementRow.done & (SettlementRow.settled_block <= block), limit)

    def reopen_settlements(self, order_ids: list[str]) -> None:
        """Record that the chain no longer knows how a job's orders ended."""
        with self._write() as session:
            for order_id in order_ids:
                row = session.get_one(SettlementRow, order_id)
                row.done, row.settled_block = False, None

    def _column(self, column: InstrumentedAttribute[bytes], start: int, end: int) -> list[bytes]:
        query = select(column).where(LogEntryRow.index >= start, LogEntryRow.index < end)
        with self._read() as session:
            return list(session.scalars(query.order_by(LogEntryRow.index)))

    def _whole_jobs(self, wanted: ColumnElement[bool], limit: int) -> list[SettlementRecord]:
        """Return the orders `wanted`, by job; `limit` is at least what one job has, and a job that it cuts is left out."""
        query = select(SettlementRow).where(wanted).order_by(SettlementRow.job_id, SettlementRow.order_id)
        with self._read() as session:
            rows = list(session.scalars(query.limit(limit + 1)))
            whole = rows if len(rows) <= limit else [row for row in rows if row.job_id != rows[-1].job_id]
            return [SettlementRecord(row.order_id, row.job_id, row.ran) for row in whole]


def _size(session: Session) -> int:
    """Return the number of receipts from the newest alone, however many there are: their indices have no gap."""
    newest = session.scalar(select(func.max(LogEntryRow.index)))
    return 0 if newest is None else newest + 1


def _checkpoint(row: CheckpointRow) -> CheckpointRecord:
    return CheckpointRecord(row.size, row.root, row.note, row.tx_hash, row.block)
