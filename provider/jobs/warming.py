"""Looks after the pool of warm containers, and lets the API say how many there are and what memory they hold."""

from __future__ import annotations

import json
from collections.abc import Callable

from provider.store.access import AccessStore
from provider.store.workload import POOL_FACT
from sandbox.pool import Pool

MEMORY_STEP_BYTES = 16 * 2**20


class Warmer:
    """Takes the pool's turns."""

    def __init__(self, pool: Pool, access: AccessStore, *, clock: Callable[[], int]) -> None:
        self._pool = pool
        self._access = access
        self._clock = clock
        self._told = ""

    def turn(self) -> bool:
        """Start what is wanted, remove what isn't; True when a container was started.

        Raises:
            EngineUnavailableError: the engine is away; jobs wait for it too.
        """
        started = self._pool.turn()
        report = self._pool.report()
        memory = -(-report.memory_bytes // MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES
        text = json.dumps({"warm": report.warm, "starting": report.starting, "memory_bytes": memory})
        if text != self._told:
            self._access.set_fact(POOL_FACT, text, self._clock())
            self._told = text
        return started

    def close(self) -> None:
        """Remove every container of the pool."""
        self._pool.close()
