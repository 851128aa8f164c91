"""Jobs and their timelines. Every change of state is checked against the table of moves, in the same transaction."""

from __future__ import annotations

import dataclasses
import json

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from provider.errors import NotFoundError
from provider.jobs.states import State, check_transition
from provider.store.part import StorePart
from provider.store.records import JobRecord, OrderRecord, StepRecord
from provider.store.tables import JobDatasetRow, JobRow, StepRow
from provider.wire import JobRequest

OPEN_STATES = (State.WAITING, State.QUEUED, State.RUNNING, State.CHECKING, State.REVIEWING)


class JobStore(StorePart):
    """The jobs of one provider."""

    def add(self, job: JobRecord) -> bool:
        """Record a new job with its first step; False when this job id is known (the same request sent twice)."""
        with self._write() as session:
            if session.get(JobRow, job.job_id) is not None:
                return False
            columns = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
            columns |= {"request": job.request.model_dump_json(), "state": job.state.value, "orders": None}
            session.add(JobRow(**columns))
            session.flush()
            session.add_all(JobDatasetRow(job_id=job.job_id, asset_id=item) for item in job.request.datasets)
            add_step(session, job.job_id, job.submitted, job.state, job.code, job.message)
        return True

    def find(self, job_id: str) -> JobRecord | None:
        """Return a job."""
        with self._read() as session:
            row = session.get(JobRow, job_id)
            return read_job(row) if row is not None else None

    def get(self, job_id: str) -> JobRecord:
        """Return a job.

        Raises:
            NotFoundError: there is none of this id.
        """
        job = self.find(job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id}")
        return job

    def list_by(
        self,
        *,
        state: State | None = None,
        consumer: str | None = None,
        assets: frozenset[str] | None = None,
        limit: int | None = 500,
    ) -> list[JobRecord]:
        """Return jobs, oldest first, in `state`, and of `consumer` or on `assets` (either is enough) when given.

        Whoever acts on what is listed passes a `limit` of None: what lies past a limit would never be reached.
        """
        query = select(JobRow).order_by(JobRow.submitted, JobRow.job_id).limit(limit)
        if state is not None:
            query = query.where(JobRow.state == state.value)
        if consumer is not None or assets is not None:
            on_assets = select(JobDatasetRow.job_id).where(JobDatasetRow.asset_id.in_(assets or frozenset()))
            query = query.where((JobRow.consumer == (consumer or "")) | JobRow.job_id.in_(on_assets))
        with self._read() as session:
            return [read_job(row) for row in session.scalars(query)]

    def count_pending(self, consumer: str, *, since: int) -> int:
        """Return how many jobs of `consumer` have not ended, or were refused though submitted after `since`."""
        recent = (JobRow.state == State.REFUSED.value) & (JobRow.submitted >= since)
        pending = JobRow.state.in_([state.value for state in OPEN_STATES]) | recent
        with self._read() as session:
            query = select(func.count()).select_from(JobRow).where(JobRow.consumer == consumer, pending)
            return session.scalar(query) or 0

    def count(self, state: State) -> int:
        """Return how many jobs are in `state`."""
        with self._read() as session:
            query = select(func.count()).select_from(JobRow).where(JobRow.state == state.value)
            return session.scalar(query) or 0

    def timeline(self, job_id: str) -> list[StepRecord]:
        """Return a job's steps, oldest first."""
        with self._read() as session:
            rows = session.scalars(select(StepRow).where(StepRow.job_id == job_id).order_by(StepRow.id))
            return [StepRecord(row.time, row.state, row.code, row.message) for row in rows]

    def move(
        self,
        job_id: str,
        source: State,
        target: State,
        *,
        code: str,
        message: str,
        now: int,
        orders: tuple[OrderRecord, ...] = (),
        attempt: int | None = None,
    ) -> bool:
        """Move a job that is in `source`; False when another process moved it first. Not for terminal states.

        `orders` and `attempt` are written where given.

        Raises:
            ConflictError: the table of moves doesn't have this one, or `target` is terminal (that needs a receipt).
        """
        check_transition(source, target)
        with self._write() as session:
            row = session.get_one(JobRow, job_id)
            if row.state != source.value:
                return False
            if (row.state, row.code) == (target.value, code):
                return True
            row.state, row.code, row.message = target.value, code, message
            if target is State.WAITING:
                row.orders = None  # it waits because one is missing, or gone again
            if orders:
                row.orders = json.dumps([dataclasses.asdict(order) for order in orders])
            row.attempt = row.attempt if attempt is None else attempt
            add_step(session, job_id, now, target, code, message)
        return True

    def claim(self, *, now: int, message: str) -> JobRecord | None:
        """Take a queued job and make it RUNNING; one caller gets it.

        Oldest first among those with the fewest attempts: one that fails again and again doesn't stand before others.
        """
        with self._write() as session:
            query = select(JobRow).where(JobRow.state == State.QUEUED.value)
            row = session.scalars(
                query.order_by(JobRow.attempt, JobRow.submitted, JobRow.job_id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            row.state, row.code, row.message = State.RUNNING.value, "staging", message
            add_step(session, row.job_id, now, State.RUNNING, "staging", message)
            return read_job(row)

    def request_cancel(self, job_id: str, who: str, now: int) -> None:
        """Remember who first asked, of those who may, to stop this job, and when; the worker acts on it."""
        with self._write() as session:
            row = session.get_one(JobRow, job_id)
            if row.cancel_requested is None:
                row.cancel_requested, row.cancelled_by = now, who

    def is_cancel_requested(self, job_id: str) -> bool:
        """Whether somebody asked to stop this job."""
        with self._read() as session:
            return session.scalar(select(JobRow.cancel_requested).where(JobRow.job_id == job_id)) is not None


def read_job(row: JobRow) -> JobRecord:
    """Turn a row into a record."""
    columns = {field.name: getattr(row, field.name) for field in dataclasses.fields(JobRecord)}
    columns["request"] = JobRequest.model_validate_json(row.request)
    columns["state"] = State(row.state)
    columns["orders"] = tuple(OrderRecord(**order) for order in json.loads(row.orders or "[]"))
    return JobRecord(**columns)


def add_step(session: Session, job_id: str, now: int, state: State, code: str, message: str) -> None:
    """Add a line to a job's timeline."""
    session.add(StepRow(job_id=job_id, time=now, state=state.value, code=code, message=message))
