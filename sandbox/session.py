"""A started container's standard streams: what the rest of the sandbox needs of them, and how Docker's API carries them.

A `DockerSession` reads what Docker frames on an attached connection (Engine API 1.41, "attach"); it needs no client of it.
"""

from __future__ import annotations

import socket
import struct
from typing import Protocol

from sandbox.errors import EngineUnavailableError

CALL_TIMEOUT_S = 60
READ_BYTES = 256 * 1024
ATTACH_HEADER = struct.Struct(">BxxxI")
STDOUT = 1


class Session(Protocol):
    """The two ends of a started container's standard streams."""

    def send(self, data: bytes) -> None:
        """Write to the container's stdin.

        Raises:
            EngineUnavailableError: the connection is gone.
        """

    def read(self, timeout_s: float) -> bytes | memoryview | None:
        """Return the next bytes of its stdout: None when there are none in time, empty at the end.

        They may be gone at the next call: what is to be kept has to be copied.

        Raises:
            EngineUnavailableError: the connection broke.
        """

    def close(self) -> None:
        """Let go of the connection. May be called again. The container goes on."""


class DockerSession:
    """A `Session` over the attached connection; takes apart the engine's own framing of stdout and stderr."""

    def __init__(self, connection: socket.socket, stream: socket.SocketIO) -> None:
        self._connection = connection
        self._stream = stream  # holds the connection open until it is closed too
        self._buffer = bytearray(READ_BYTES)  # the same for each read: a new one costs as much as to hash it
        self._header = b""
        self._left = 0
        self._kind = STDOUT

    def send(self, data: bytes) -> None:
        """See `Session.send`."""
        try:
            self._connection.settimeout(CALL_TIMEOUT_S)
            self._connection.sendall(data)
        except OSError as exc:
            raise EngineUnavailableError("the connection to the container is gone") from exc

    def read(self, timeout_s: float) -> memoryview | None:
        """See `Session.read`."""
        try:
            if self._connection.gettimeout() != timeout_s:  # setting it costs a call of the kernel each time
                self._connection.settimeout(timeout_s)
            return self._read()
        except TimeoutError:
            return None
        except OSError as exc:
            raise EngineUnavailableError("the connection to the container broke") from exc

    def close(self) -> None:
        """See `Session.close`."""
        self._stream.close()
        self._connection.close()

    def _read(self) -> memoryview:
        while size := self._connection.recv_into(self._buffer):
            kept = self._take_apart(size)
            if kept:
                return memoryview(self._buffer)[:kept]
        return memoryview(b"")

    def _take_apart(self, size: int) -> int:
        """Move what of the buffer's first `size` bytes is stdout to its front, and return how many bytes that is."""
        received, kept = memoryview(self._buffer)[:size], 0
        while received:
            if self._left == 0:
                missing = ATTACH_HEADER.size - len(self._header)
                self._header += received[:missing]
                received = received[missing:]
                if len(self._header) == ATTACH_HEADER.size:
                    self._kind, self._left = ATTACH_HEADER.unpack(self._header)
                    self._header = b""
            else:
                part, received = received[: self._left], received[self._left :]
                self._left -= len(part)
                if self._kind == STDOUT:
                    self._buffer[kept : kept + len(part)] = part
                    kept += len(part)
        return kept
