"""What the init writes: authenticated frames on stdout, and what it remembers of the algorithm's own printing."""

from __future__ import annotations

import collections
import contextlib
import fcntl
import hashlib
import hmac
import os
import struct

FRAME_BYTES = 1024 * 1024
OUT = 1
F_SETPIPE_SZ = 1031  # the module has a name for it from Python 3.10 on
PROBE, WARM, RESULT, LOG, FILE, DATA, END = b"P", b"W", b"R", b"L", b"F", b"D", b"E"


class Stream:
    """Frames to stdout: kind, length, payload, and a tag chained over everything before it.

    In a DATA frame's tag, the SHA-256 of the file so far stands for the payload: the host hashes contents once as well.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._tag = bytes(32)
        self._contents = hashlib.sha256()
        with contextlib.suppress(
            OSError
        ):  # gVisor can't; it is only faster, with fewer turns of writer and reader
            fcntl.fcntl(OUT, F_SETPIPE_SZ, FRAME_BYTES)

    def send(self, kind: bytes, payload: bytes | memoryview) -> None:
        """Write one frame."""
        header = kind + struct.pack(">I", len(payload))
        tag = hmac.new(self._key, self._tag + header, hashlib.sha256)
        if kind == DATA:
            self._contents.update(payload)
            tag.update(self._contents.digest())
        else:
            self._contents = hashlib.sha256()
            tag.update(payload)
        self._tag = tag.digest()
        for part in (header, payload, self._tag):
            view = memoryview(part)
            while view:
                view = view[os.write(OUT, view) :]


class Log:
    """The last `limit` bytes of what the algorithm printed; how much was forgotten is not counted, let alone told."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: collections.deque[bytes] = collections.deque()
        self._held = 0

    @property
    def kept(self) -> int:
        """Return the number of bytes that `tail` returns."""
        return min(self._held, self._limit)

    def add(self, chunk: bytes) -> None:
        """Append, and forget the oldest."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= self._limit:
            self._held -= len(self._chunks.popleft())

    def tail(self) -> bytes:
        """Return what is kept, at most the limit."""
        return b"".join(self._chunks)[-self._limit :]
