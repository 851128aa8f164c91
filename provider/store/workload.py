"""What a provider is busy with, for its operator, who sees every job to the second."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from provider.errors import UnavailableError
from provider.jobs.states import State
from provider.store.database import Database
from provider.store.records import JobRecord

POOL_FACT = "pool"


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that a runner has; `since` is unix seconds, of its newest step."""

    job_id: str
    state: str
    code: str
    since: int


class WarmPool(BaseModel):
    """The warm containers, as the worker last told of them."""

    model_config = ConfigDict(frozen=True, strict=True)
    warm: int = Field(ge=0)
    starting: int = Field(ge=0)
    memory_bytes: int = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs under way and jobs that wait, `reviewing` for people; `pool` is None when the worker has told of none."""

    running: tuple[RunningJob, ...]
    queued: int
    waiting: int
    reviewing: int
    pool: WarmPool | None


def read_workload(database: Database) -> Workload:
    """Read what a provider is busy with.

    Raises:
        UnavailableError: the database can't be read, or has not been made yet.
    """
    try:
        jobs, fact = database.jobs, database.access.find_fact(POOL_FACT)
        found = [
            job for state in (State.RUNNING, State.CHECKING) for job in jobs.list_by(state=state, limit=None)
        ]
        return Workload(
            running=tuple(_running(database, job) for job in found),
            queued=jobs.count(State.QUEUED),
            waiting=jobs.count(State.WAITING),
            reviewing=jobs.count(State.REVIEWING),
            pool=_parse_pool(fact[0]) if fact else None,
        )
    except SQLAlchemyError as exc:
        raise UnavailableError("the provider's database can't be read", code="database-unreadable") from exc


def _running(database: Database, job: JobRecord) -> RunningJob:
    newest = database.jobs.timeline(job.job_id)[-1]
    return RunningJob(job.job_id, job.state.value, job.code, newest.time)


def _parse_pool(text: str) -> WarmPool | None:
    try:
        return WarmPool.model_validate_json(text)
    except ValidationError:
        return None  # a worker of another version told it; there is nothing to show of it
