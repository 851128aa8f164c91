"""Says whether a run is owed for: the one place that decides between settling and refunding an order.

Owed is a run in which the algorithm had its fair chance, however it ended. A run that the provider or the data's owner
cut short is not. A consumer who stops a run that has started has used the provider's machine, and pays.
"""

from __future__ import annotations

from provider.store.records import JobRecord
from sandbox.spec import ExitReason, RunReport


def is_owed(job: JobRecord, report: RunReport | None) -> bool:
    """Whether the order of `job` is settled rather than refunded; `report` is None when no run was begun."""
    if report is None:
        return False
    if report.reason is ExitReason.CANCELLED:
        return report.ordered and _is_cancelled_by_consumer(job)
    return report.reason.ran


def _is_cancelled_by_consumer(job: JobRecord) -> bool:
    return job.cancelled_by is not None and job.cancelled_by.lower() == job.consumer.lower()
