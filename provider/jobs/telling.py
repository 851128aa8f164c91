"""Lets the API say what the engine has, which only the worker may ask: its runtimes and images, looked at now and then."""

from __future__ import annotations

import json
from collections.abc import Callable

from provider.store.access import AccessStore
from sandbox.engine import Engine

RUNTIMES_FACT = "runtimes"
IMAGES_FACT = "images"
PACE_S = 5


class EngineTeller:
    """Tells what has changed, at most every few seconds."""

    def __init__(self, engine: Engine, access: AccessStore, *, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._access = access
        self._clock = clock
        self._looked: int | None = None
        self._told: dict[str, str] = {}

    def turn(self) -> None:
        """Look, and tell.

        Raises:
            EngineUnavailableError: the engine is away; what was told of it last stands.
        """
        now = self._clock()
        if self._looked is not None and now < self._looked + PACE_S:
            return
        self._looked = now
        self._tell(RUNTIMES_FACT, sorted(str(runtime) for runtime in self._engine.runtimes()))
        self._tell(IMAGES_FACT, sorted(self._engine.image_digests()))

    def _tell(self, fact: str, found: list[str]) -> None:
        text = json.dumps(found)
        if self._told.get(fact) != text:
            self._access.set_fact(fact, text, self._clock())
            self._told[fact] = text
