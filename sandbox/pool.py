"""Keeps sealed containers waiting, with data mounted and libraries loaded, for jobs that are likely to come.

A warm container has exactly the seal of a cold one, is probed when it starts and again when its job comes, serves one
job, and is removed. The pool is a cache: it may be empty at any time, and a job that finds nothing starts cold. One that
finds a container on its way waits for it, since to start another beside it would only slow both. Nothing of a job is known
here, and a container that is not ready is never handed out.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.engine import Engine
from sandbox.errors import EngineUnavailableError, SandboxError, StreamError
from sandbox.staging import cleanup
from sandbox.warm import Recipe, WarmContainer, fits, start_warm

STARTING_PATIENCE_S = 120.0
FAILURE_PAUSE_S = 60.0
MAX_PAUSE_S = 3600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolSize:
    """At most `each` containers for one recipe and `total` in all, none kept for a recipe unused for `idle_s`."""

    each: int
    total: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class PoolReport:
    """How many containers wait, how many get ready, and the memory in bytes that they hold together."""

    warm: int
    starting: int
    memory_bytes: int


class Pool:
    """The warm containers of one worker. `take`, `want` and `report` may be called from any thread; `turn` from one."""

    def __init__(
        self,
        engine: Engine,
        *,
        owner: str,
        folder: Path,
        load_size: Callable[[], PoolSize],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._folder = folder
        self._load_size = load_size
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted: dict[Recipe, _Wish] = {}
        self._containers: list[WarmContainer] = []
        self._awaited: list[WarmContainer] = []
        self._failed: list[WarmContainer] = []

    def want(self, recipe: Recipe, stage: Callable[[Path], None]) -> None:
        """Say that jobs of this recipe come; `stage` fills a new folder with its data and raises SandboxError if it can't."""
        now = self._clock()
        with self._lock:
            known = self._wanted.get(recipe)
            self._wanted[recipe] = replace(
                known or _Wish(stage, now, now), stage=stage, last=now, has_run=True
            )

    def foresee(self, recipe: Recipe, stage: Callable[[Path], None]) -> None:
        """Say that a first job of this recipe may come: whoever says so without paying takes only what others leave."""
        now = self._clock()
        with self._lock:
            self._wanted.setdefault(recipe, _Wish(stage, now, now))

    def take(self, recipe: Recipe, argv: Sequence[str], *, patience_s: float = 0.0) -> WarmContainer | None:
        """Return a container that is ready for a program of this recipe, which is then the caller's to run or to remove.

        Where none is ready, one that gets ready within `patience_s`.
        """
        container = self._withdraw(recipe, starting=patience_s > 0) if fits(argv) else None
        if container is None:
            return None
        is_ready = self._await_ready(container, patience_s)
        with self._lock:
            self._awaited.remove(container)
            if is_ready:
                self._trust(recipe)
                return container
            self._failed.append(container)
        return None

    def turn(self) -> bool:
        """Let go of what nobody wants, look after what is starting, and start at most one more; True when one was started.

        Raises:
            EngineUnavailableError: the engine is away; what was kept is kept.
        """
        size = self._load_size()
        self._expire(size)
        self._advance()
        missing = self._find_missing(size)
        if missing is None:
            return False
        recipe, wish = missing
        try:
            container = self._start(recipe, wish)
        except EngineUnavailableError:
            self._postpone(recipe)
            raise
        except SandboxError:
            log.warning("a warm container could not be prepared; jobs start cold", exc_info=True)
            self._postpone(recipe)
            return False
        with self._lock:
            self._containers.append(container)
        return True

    def report(self) -> PoolReport:
        """Return the pool's size now; memory is what the engine says, 0 where it doesn't."""
        with self._lock:
            kept = list(self._containers)
        ready = sum(container.is_ready for container in kept)
        memory = sum(self._engine.memory_bytes(container.spec.run_id) for container in kept)
        return PoolReport(ready, len(kept) - ready, memory)

    def close(self) -> None:
        """Remove every container."""
        with self._lock:
            kept = self._containers + self._failed
            self._containers, self._failed = [], []
            self._wanted.clear()
        for container in kept:
            self._discard(container)

    def _withdraw(self, recipe: Recipe, *, starting: bool) -> WarmContainer | None:
        """Take the one that is ready, or has been starting for longest, out of the pool, so that nobody else has it."""
        with self._lock:
            fitting = [container for container in self._containers if container.recipe == recipe]
            ready = [container for container in fitting if container.is_ready]
            found = next(iter(ready or (fitting if starting else [])), None)
            if found is not None:
                self._containers.remove(found)
                self._awaited.append(found)
        return found

    def _await_ready(self, container: WarmContainer, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        try:
            while not container.is_ready and (left_s := deadline - time.monotonic()) > 0:
                container.advance(left_s)
        except (StreamError, EngineUnavailableError):
            return False
        return container.is_ready

    def _expire(self, size: PoolSize) -> None:
        """Drop what has not been wanted lately, and what is more than wanted."""
        oldest = self._clock() - size.idle_s
        with self._lock:
            self._wanted = {r: wish for r, wish in self._wanted.items() if wish.last >= oldest}
            left = self._shares(size)
            keep: list[WarmContainer] = []
            drop: list[WarmContainer] = []
            for container in self._containers:
                (keep if left.get(container.recipe, 0) > 0 else drop).append(container)
                left[container.recipe] = left.get(container.recipe, 0) - 1
            self._containers = keep
        for container in drop:
            self._discard(container)

    def _advance(self) -> None:
        with self._lock:
            lost = [container for container in self._containers if not self._is_well(container)]
            self._containers = [container for container in self._containers if container not in lost]
            lost, self._failed = lost + self._failed, []
        for container in lost:
            log.warning("a warm container ended by itself, was not sealed, or took too long; it is removed")
            self._postpone(container.recipe)
            self._discard(container)

    def _is_well(self, container: WarmContainer) -> bool:
        """Listen to it, which only one thread may do at a time, and say whether to keep it."""
        try:
            container.advance()
        except (StreamError, EngineUnavailableError):
            return False
        return container.is_ready or self._clock() - container.born <= STARTING_PATIENCE_S

    def _shares(self, size: PoolSize) -> dict[Recipe, int]:
        """Return how many containers each recipe gets: those that jobs ran of come first, and then those wanted last."""
        order = sorted(self._wanted, key=lambda recipe: self._wanted[recipe].rank, reverse=True)
        left, shares = size.total, {}
        for recipe in order:
            shares[recipe] = min(size.each, left)
            left -= shares[recipe]
        return shares

    def _find_missing(self, size: PoolSize) -> tuple[Recipe, _Wish] | None:
        """Return the first recipe that has fewer than its share."""
        now = self._clock()
        with self._lock:
            for recipe, share in self._shares(size).items():
                # One that a job waits for is not replaced before it is ready: that would slow it.
                held = sum(container.recipe == recipe for container in self._containers + self._awaited)
                if held < share and now >= self._wanted[recipe].not_before:
                    return recipe, self._wanted[recipe]
        return None

    def _postpone(self, recipe: Recipe) -> None:
        """Leave a recipe that failed alone for a while, each time longer."""
        with self._lock:
            wish = self._wanted.get(recipe)
            if wish is not None:
                pause = min(FAILURE_PAUSE_S * 2**wish.failures, MAX_PAUSE_S)
                later = self._clock() + pause
                self._wanted[recipe] = replace(wish, not_before=later, failures=wish.failures + 1)

    def _trust(self, recipe: Recipe) -> None:
        """Forget the failures of a recipe that has served: the next one is the first of its kind."""
        wish = self._wanted.get(recipe)
        if wish is not None:
            self._wanted[recipe] = replace(wish, failures=0)

    def _start(self, recipe: Recipe, wish: _Wish) -> WarmContainer:
        name = f"warm-{secrets.token_hex(8)}"
        inputs = self._folder / name / "inputs"
        with ExitStack() as undo:
            undo.callback(self._remove, name)
            wish.stage(inputs)
            container = start_warm(
                self._engine, recipe, name=name, owner=self._owner, inputs=inputs, now=self._clock()
            )
            undo.pop_all()
        return container

    def _discard(self, container: WarmContainer) -> None:
        container.channel.close()
        self._remove(container.spec.run_id)

    def _remove(self, name: str) -> None:
        """Remove a container and its data; an engine that is away is asked again when it is back."""
        try:
            self._engine.remove(name)
        except EngineUnavailableError:
            log.warning("a warm container could not be removed now; it is with the next one")
        cleanup(self._folder / name)


@dataclass(frozen=True, slots=True)
class _Wish:
    """How to stage a recipe's data, when a job wanted it last, from when to try (again), and how often it failed."""

    stage: Callable[[Path], None]
    last: float
    not_before: float
    failures: int = 0
    has_run: bool = False

    @property
    def rank(self) -> tuple[bool, float]:
        """What comes first has the greater one."""
        return self.has_run, self.last
