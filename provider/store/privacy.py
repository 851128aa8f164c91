"""The ledgers of privacy: what jobs have reserved and spent of each dataset, for as long as the dataset lives.

- Reserved in the transaction that queues a job, spent in the one that starts its run, settled in the one that ends it.
- A reservation is written only on the ledger that its sum was computed from; else nothing is, and the caller looks again.
- A job has one spending, however often it is tried: the output of one attempt leaves.
- What was spent is returned only where the one run that was begun let nothing at the data; after a second attempt never.

Computes no epsilon: whether there is enough left is decided before.
"""

from __future__ import annotations

import json

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from policies.canonical import canonical_json
from policies.mechanisms import Mechanism, PrivacyCost
from provider.store.part import StorePart
from provider.store.records import LedgerRecord, Reservation, Settled, SpendingRecord, SpendingState
from provider.store.tables import JobRow, PrivacyLedgerRow, PrivacySpendingRow


class PrivacyStore(StorePart):
    """Reads ledgers; they are written by `reserve`, `spend` and `settle` within the transactions of others."""

    def get_ledger(self, asset_id: str) -> LedgerRecord:
        """Return a dataset's ledger, an empty one of version 0 before its first reservation."""
        with self._read() as session:
            # The version first: what is reserved between both reads makes a reservation on this version fail.
            version = session.scalar(
                select(PrivacyLedgerRow.version).where(PrivacyLedgerRow.asset_id == asset_id)
            )
            rows = session.scalars(
                select(PrivacySpendingRow)
                .where(PrivacySpendingRow.asset_id == asset_id)
                .order_by(PrivacySpendingRow.reserved, PrivacySpendingRow.job_id)
            )
            return LedgerRecord(version or 0, tuple(_read(row) for row in rows))

    def find_spending(self, job_id: str) -> SpendingRecord | None:
        """Return what a job reserved or spent."""
        with self._read() as session:
            row = session.get(PrivacySpendingRow, job_id)
            return _read(row) if row is not None else None

    def find_settled(self, job_id: str) -> Settled | None:
        """Return how a job's spending would end if its receipt were written now; None when it has none that counts."""
        with self._read() as session:
            row = session.get(PrivacySpendingRow, job_id)
            return _settled(session, row) if row is not None and _read(row).counts else None


def reserve(session: Session, job: JobRow, reservation: Reservation, *, now: int) -> bool:
    """Reserve for a job; False, and nothing is written, when the ledger is not the one that was summed up.

    A job that has a spending keeps it as it is.
    """
    if session.get(PrivacySpendingRow, job.job_id) is not None:
        return True
    if not _advance(session, reservation.asset_id, reservation.version):
        return False
    cost = reservation.cost
    session.add(
        PrivacySpendingRow(
            job_id=job.job_id,
            asset_id=reservation.asset_id,
            consumer=job.consumer,
            state=SpendingState.RESERVED.value,
            epsilon=cost.epsilon,
            delta=cost.delta,
            mechanisms=canonical_json(cost.model_dump(mode="json")["mechanisms"]).decode(),
            reserved=now,
            changed=now,
        )
    )
    return True


def spend(session: Session, job_id: str, *, now: int) -> None:
    """Spend what a job reserved, if it did: its run is about to begin."""
    row = session.get(PrivacySpendingRow, job_id)
    if row is not None and row.state == SpendingState.RESERVED.value:
        row.state, row.changed = SpendingState.SPENT.value, now


def settle(session: Session, job: JobRow, index: int, *, untouched: bool, now: int) -> Settled | None:
    """End a job's spending with its receipt at `index` of the log; None when it has none, or nothing was spent.

    Returned is what no run was begun for; and what one was, when `untouched` says that nothing was let at the data in it.
    """
    row = session.get(PrivacySpendingRow, job.job_id)
    if row is None:
        return None
    if row.state == SpendingState.RESERVED.value or (untouched and job.attempt <= 1):
        row.state, row.changed = SpendingState.RETURNED.value, now
        return None
    found = _settled(session, row)
    row.stated, row.changed = index, now
    return found


def _advance(session: Session, asset_id: str, version: int) -> bool:
    """Move a ledger from `version` to the next; False when it isn't there any more."""
    if version:
        moved = session.execute(
            update(PrivacyLedgerRow)
            .where(PrivacyLedgerRow.asset_id == asset_id, PrivacyLedgerRow.version == version)
            .values(version=version + 1)
            .returning(PrivacyLedgerRow.version)
        )
        return moved.first() is not None
    try:
        with session.begin_nested():
            session.add(PrivacyLedgerRow(asset_id=asset_id, version=1))
    except IntegrityError:
        return False
    return True


def _settled(session: Session, row: PrivacySpendingRow) -> Settled:
    query = select(PrivacySpendingRow).where(
        PrivacySpendingRow.asset_id == row.asset_id, PrivacySpendingRow.stated.is_not(None)
    )
    earlier = [_read(item) for item in session.scalars(query.order_by(PrivacySpendingRow.stated))]
    before: list[Mechanism] = [item for spending in earlier for item in spending.cost.mechanisms]
    return Settled(tuple(before), _read(row).cost)


def _read(row: PrivacySpendingRow) -> SpendingRecord:
    cost = {"epsilon": row.epsilon, "delta": row.delta, "mechanisms": json.loads(row.mechanisms)}
    return SpendingRecord(
        job_id=row.job_id,
        asset_id=row.asset_id,
        consumer=row.consumer,
        state=SpendingState(row.state),
        cost=PrivacyCost.model_validate(cost),
        reserved=row.reserved,
        changed=row.changed,
        stated=row.stated,
    )
