"""Turns a step into a loop. A test passes an exit callback that allows exactly one turn."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)
MAX_PAUSE_S = 5.0


def run_loop(
    turn: Callable[[], bool], *, exit_callback: Callable[[], bool], pause_s: float, wake: threading.Event
) -> None:
    """Call `turn` until `exit_callback` says so.

    A turn that did something is followed by another at once; an idle one by a pause; one that raised by a longer pause
    each time, because its cause (a chain or an engine that is away, a full disk) needs time and nothing is lost:
    every turn starts from what the database, the engine and the chain say.
    """
    pause = pause_s
    while not exit_callback():
        try:
            busy = turn()
            pause = pause_s
        except Exception:
            log.exception("a turn failed; it is repeated in %.1f s", pause)
            busy, pause = False, min(pause * 2, MAX_PAUSE_S)
        if not busy:
            wake.wait(pause)
