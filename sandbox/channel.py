"""The line to one container's init: JSON orders in, authenticated frames out, and when to stop listening.

Makes the key that only the two ends know. Says nothing of what the frames mean.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sandbox.collect import KEY_BYTES, Frame, FrameReader
from sandbox.expectation import expect
from sandbox.seal import environment
from sandbox.session import Session
from sandbox.spec import ExitReason, RunSpec

POLL_S = 0.25


class StoppedError(Exception):
    """The host stops listening: its patience is over, or the run was cancelled."""

    def __init__(self, reason: ExitReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


class Channel:
    """One container's standard streams, from its start to its end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._key = secrets.token_bytes(KEY_BYTES)
        self._reader = FrameReader(self._key)
        self._deadline = 0.0

    def prepare(self, spec: RunSpec, *, preload: tuple[str, ...] | None = None) -> None:
        """Tell the init what the probe must see, the stream's key, and what to load ahead of the orders: None, nothing.

        Raises:
            EngineUnavailableError: the connection is gone.
        """
        limits = spec.limits
        warm = None
        if preload is not None:
            warm = {"argv": [spec.argv[0], "/sealroom/warm.py", *preload], "env": environment(spec)}
        self._send(
            {
                "key": self._key.hex(),
                "expected": expect(spec),
                "warm": warm,
                "limits": {
                    "output_bytes": limits.output_bytes,
                    "output_files": limits.output_files,
                    "file_bytes": limits.file_bytes,
                    "log_bytes": limits.log_bytes,
                },
            }
        )

    def order(self, spec: RunSpec) -> None:
        """Tell the init what to run.

        Raises:
            EngineUnavailableError: the connection is gone.
        """
        argv = list(spec.argv)
        self._send(
            {"argv": argv, "warm_argv": argv[1:], "env": environment(spec), "time_s": spec.limits.time_s}
        )

    def poll(self, timeout_s: float) -> tuple[list[Frame], bool]:
        """Return the frames that came within `timeout_s`, and whether the stream goes on.

        Raises:
            StreamError: what came is not authentic, or ended in the middle of a frame.
            EngineUnavailableError: the connection broke.
        """
        chunk = self._read(timeout_s)
        frames = self._reader.feed(chunk or b"")
        return [replace(frame, payload=bytes(frame.payload)) for frame in frames], chunk != b""

    def listen_for(self, patience_s: float) -> None:
        """Let `frames` wait this long from now on."""
        self._deadline = time.monotonic() + patience_s

    def frames(self, *, cancelled: Callable[[], bool]) -> Iterator[Frame]:
        """Yield what comes until the stream ends, asking every quarter of a second whether to go on.

        A frame is valid until the next one is asked for.

        Raises:
            StoppedError: `timeout` when the time that `listen_for` gave is over, or `cancelled`.
            StreamError, EngineUnavailableError: see `poll`.
        """
        asked, open_ = 0.0, True
        while open_:
            now = time.monotonic()
            if now > self._deadline:
                raise StoppedError(ExitReason.TIMEOUT)
            if now - asked >= POLL_S:
                asked = now
                if cancelled():
                    raise StoppedError(ExitReason.CANCELLED)
            chunk = self._read(POLL_S)
            open_ = chunk != b""
            yield from self._reader.feed(chunk or b"")

    def close(self) -> None:
        """Let go of the container, which goes on. May be called again."""
        self._session.close()

    def _read(self, timeout_s: float) -> bytes | memoryview | None:
        chunk = self._session.read(timeout_s)
        if chunk == b"":
            self._reader.check_empty()
        return chunk

    def _send(self, line: dict[str, Any]) -> None:
        self._session.send(json.dumps(line).encode() + b"\n")
