"""What the provider of this home folder is busy with: jobs under way, jobs that wait, warm containers. For its operator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cli.output import table
from provider.errors import UnavailableError
from provider.settings import ProviderPaths, load_settings
from provider.store import open_database
from provider.store.workload import Workload, read_workload

if TYPE_CHECKING:
    from cli.home import Home

MIB = 1024 * 1024


def find_workload(home: Home) -> tuple[Workload, int] | None:
    """Return what the provider is busy with and how many jobs it runs at once; None when nobody can say."""
    paths = ProviderPaths(home.root)
    if not paths.settings.exists():
        return None
    settings = load_settings(paths.settings)
    if settings.database_url is None and not paths.database.exists():
        return None
    database = open_database(settings.database_url or paths.database)
    try:
        return read_workload(database), settings.parallel_jobs
    except UnavailableError:
        return None
    finally:
        database.close()


def workload_document(load: Workload, parallel_jobs: int, *, works: bool) -> dict[str, Any]:
    """Return the workload as JSON; there is no pool without a worker that `works`."""
    running = [
        {"job_id": job.job_id, "state": job.state, "code": job.code, "since": job.since}
        for job in load.running
    ]
    counts = {"queued": load.queued, "waiting": load.waiting, "reviewing": load.reviewing}
    counts["parallel_jobs"] = parallel_jobs
    pool = load.pool.model_dump() if load.pool is not None and works else None
    return {"jobs": {"running": running, **counts}, "pool": pool}


def workload_words(load: Workload, parallel_jobs: int, *, works: bool) -> str:
    """Return the workload for a person."""
    going = f"{len(load.running)} running of {parallel_jobs} at once"
    waiting = f"{load.queued} queued, {load.waiting} waiting, {load.reviewing} with reviewers"
    lines = [f"jobs  {going}, {waiting}"]
    if load.pool is not None and works:
        pool = load.pool
        memory = f"{pool.memory_bytes // MIB} MiB"
        lines.append(f"pool  {pool.warm} warm, {pool.starting} starting, {memory} of memory")
    if load.running:
        rows = [(job.job_id, job.state, job.code, _clock(job.since)) for job in load.running]
        lines += ["", table(("RUNNING", "STATE", "STEP", "SINCE"), rows)]
    return "\n".join(lines)


def _clock(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
