"""A job as somebody may see it: with the exact times of its steps, or with times that an algorithm can't write in.

Not decided here: who sees what. That is `provider.auth`, asked by the desk.
"""

from __future__ import annotations

from provider.jobs.codes import AWAITING_WITNESSES, describe
from provider.jobs.states import State
from provider.receipts.errors import StatementRefusedError
from provider.rounding import round_time
from provider.store import Database
from provider.store.records import JobRecord, LogEntryRecord, StepRecord
from provider.wire import JobView, StepView
from provider.witnessing import WitnessDesk, statement_of


class JobViews:
    """Turns records into what is told of them."""

    def __init__(self, database: Database, witnesses: WitnessDesk) -> None:
        self._jobs = database.jobs
        self._ledger = database.ledger
        self._witnesses = witnesses

    def view(self, job: JobRecord, *, exact: bool) -> JobView:
        """Return a job; unless `exact`, every time in it is rounded as in its receipt."""
        entry = self._ledger.find_entry(job.job_id)
        code, message = self._say(job, entry)
        return JobView(
            job_id=job.job_id,
            state=job.state.value,
            code=code,
            message=message,
            next_step=describe(code, job_id=job.job_id).next_step,
            consumer=job.consumer,
            request=job.request,
            attempt=job.attempt,
            submitted=job.submitted if exact else round_time(job.submitted),
            timeline=[_step(step, exact=exact) for step in self._jobs.timeline(job.job_id)],
            order_tx=job.orders[0].tx_hash if job.orders else None,
            receipt_index=entry.index if entry else None,
            anchor_tx=self._find_anchor(entry),
            terminal=job.state.terminal,
        )

    def is_log_open(self, job: JobRecord) -> bool:
        """Tell whether the signed receipt says that this job's log was opened to its consumer."""
        entry = self._ledger.find_entry(job.job_id)
        return entry is not None and statement_of(entry).is_log_open

    def _say(self, job: JobRecord, entry: LogEntryRecord | None) -> tuple[str, str]:
        """Return code and message; a release that isn't handed out yet says what it waits for."""
        if job.state is State.RELEASED and entry is not None and not self._is_witnessed(entry):
            return AWAITING_WITNESSES, describe(AWAITING_WITNESSES).message
        return job.code, job.message

    def _is_witnessed(self, entry: LogEntryRecord) -> bool:
        try:
            return self._witnesses.is_witnessed(entry)
        except StatementRefusedError:  # a receipt by an earlier version, which knew no witnesses
            return True

    def _find_anchor(self, entry: LogEntryRecord | None) -> str | None:
        if entry is None or entry.checkpoint_size is None:
            return None
        return self._ledger.get_checkpoint(entry.checkpoint_size).tx_hash


def _step(step: StepRecord, *, exact: bool) -> StepView:
    time = step.time if exact else round_time(step.time)
    return StepView(time=time, state=step.state, code=step.code, message=step.message)
