"""Keeps a second worker off a home folder: it would take the first one's containers for what a crash left, and remove them.

The kernel holds the lock and lets it go with the process, however that ends; a file that is left behind locks nothing.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provider.assembly import HomeIncompleteError
from provider.errors import ProviderError


class WorkerRunsError(ProviderError):
    """Another worker runs on this home folder."""

    code = "worker-runs"
    default = "another worker runs on this home folder, and two would remove each other's containers"


@contextmanager
def hold_worker_lock(path: Path) -> Iterator[None]:
    """Be the only worker of a home folder until the end of the block, or of the process.

    Raises:
        HomeIncompleteError: there is no provider in the home folder.
        WorkerRunsError: another process holds the lock.
    """
    if not path.parent.is_dir():
        raise HomeIncompleteError("the home folder has no provider", remedy="run `sealroom up`")
    with path.open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remedy = "set parallel_jobs in settings.yaml to run more jobs at once; `sealroom down` stops the worker"
            raise WorkerRunsError(remedy=remedy) from None
        yield
