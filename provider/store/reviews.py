"""Releases that wait for people, and the decisions made on them. A decision is added once, and never after the review ended."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from provider.jobs.states import State, check_transition
from provider.receipts.facts import ReceiptFacts
from provider.receipts.records import parse_record, to_json
from provider.store.jobs import add_step
from provider.store.part import StorePart
from provider.store.records import DecisionRecord, Drafts, ReviewRecord, TableLine
from provider.store.tables import JobRow, ReviewDecisionRow, ReviewRow


class ReviewStore(StorePart):
    """The reviews of one provider."""

    def open(self, review: ReviewRecord, *, code: str, message: str) -> bool:
        """Record a review and make its job REVIEWING, in one transaction; False when the job is not being checked.

        What an earlier attempt of the job left, decisions too, goes: they were about other files.
        """
        check_transition(State.CHECKING, State.REVIEWING)
        with self._write() as session:
            job = session.get_one(JobRow, review.job_id)
            if job.state != State.CHECKING.value:
                return False
            session.execute(delete(ReviewDecisionRow).where(ReviewDecisionRow.job_id == review.job_id))
            session.execute(delete(ReviewRow).where(ReviewRow.job_id == review.job_id))
            session.add(_row(review))
            job.state, job.code, job.message = State.REVIEWING.value, code, message
            add_step(session, review.job_id, review.opened, State.REVIEWING, code, message)
        return True

    def find(self, job_id: str) -> ReviewRecord | None:
        """Return the review of a job."""
        with self._read() as session:
            row = session.get(ReviewRow, job_id)
            return _read(row) if row is not None else None

    def list_for(self, reviewer: str) -> list[ReviewRecord]:
        """Return the reviews that an account is asked for, or was, oldest first."""
        with self._read() as session:
            rows = session.scalars(
                select(ReviewRow)
                .where(ReviewRow.reviewers.contains(reviewer.lower()))
                .order_by(ReviewRow.opened, ReviewRow.job_id)
            )
            return [_read(row) for row in rows]

    def decide(self, job_id: str, decision: DecisionRecord) -> bool:
        """Keep a decision; False when the review is over, or its reviewer has decided."""
        with self._write() as session:
            row = session.get_one(ReviewRow, job_id, with_for_update=True)
            known = session.get(ReviewDecisionRow, (job_id, decision.reviewer))
            if row.outcome is not None or known is not None:
                return False
            session.add(ReviewDecisionRow(job_id=job_id, **dataclasses.asdict(decision)))
        return True

    def decisions(self, job_id: str) -> tuple[DecisionRecord, ...]:
        """Return the decisions on a job's release, in the order of the reviewers' addresses."""
        with self._read() as session:
            return _decisions(session, job_id)

    def close(
        self, job_id: str, find_outcome: Callable[[tuple[DecisionRecord, ...]], str | None]
    ) -> str | None:
        """Take no more decisions if those made end the review, and return how it ended; what was said first stays.

        `find_outcome` is asked while no decision can be added: one that comes at the same moment is counted, or refused.
        """
        with self._write() as session:
            row = session.get_one(ReviewRow, job_id, with_for_update=True)
            if row.outcome is None:
                row.outcome = find_outcome(_decisions(session, job_id))
            return row.outcome

    def forget(self, job_id: str) -> None:
        """Remove what could be read of the data."""
        with self._write() as session:
            row = session.get(ReviewRow, job_id)
            if row is not None:
                row.drafts, row.lines = None, None


def _row(review: ReviewRecord) -> ReviewRow:
    drafts = review.drafts
    texts = {
        "drafts": json.dumps([to_json(drafts.released), to_json(drafts.withheld)]) if drafts else None,
        "lines": json.dumps([dataclasses.astuple(line) for line in review.lines]),
        "reviewers": json.dumps(review.reviewers),
    }
    columns = {field.name: getattr(review, field.name) for field in dataclasses.fields(review)}
    return ReviewRow(**columns | texts)


def _read(row: ReviewRow) -> ReviewRecord:
    columns = {field.name: getattr(row, field.name) for field in dataclasses.fields(ReviewRecord)}
    columns["reviewers"] = tuple(json.loads(row.reviewers))
    columns["lines"] = tuple(TableLine(*line) for line in json.loads(row.lines or "[]"))
    if row.drafts is not None:
        released, withheld = (parse_record(ReceiptFacts, item, "draft") for item in json.loads(row.drafts))
        columns["drafts"] = Drafts(released, withheld)
    return ReviewRecord(**columns)


def _decisions(session: Session, job_id: str) -> tuple[DecisionRecord, ...]:
    query = select(ReviewDecisionRow).where(ReviewDecisionRow.job_id == job_id)
    names = [field.name for field in dataclasses.fields(DecisionRecord)]
    rows = session.scalars(query.order_by(ReviewDecisionRow.reviewer))
    return tuple(DecisionRecord(**{name: getattr(row, name) for name in names}) for row in rows)
