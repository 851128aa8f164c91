"""Turns the stream that comes out of a container into files on this side, believing none of it.

A frame is a kind (1 byte), a length (4 bytes, big-endian), a payload of at most 1 MiB and a 32-byte HMAC-SHA256 tag over
the tag before it and the frame; in a DATA frame's tag, the SHA-256 of the file so far stands for the payload, so that
contents are hashed once. Order: PROBE, RESULT, LOG*, (FILE DATA*)*, END, and nothing after. Whatever differs is a
StreamError with a fixed reason. Memory stays flat: contents go to disk as they come.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from policies.canonical import digest_text
from sandbox.errors import StreamError
from sandbox.spec import Limits, ProducedFile

FRAME_BYTES = 1024 * 1024
HEADER = struct.Struct(">cI")
TAG_BYTES = 32
KEY_BYTES = 32
MAX_PATH_LENGTH = 260
MAX_DEPTH = 4
MAX_CHECKS = 64
MAX_FINDING_LENGTH = 4096
MAX_REFUSED = 16
LOG_FILE = "log"
FILES_FOLDER = "files"
PROBE, WARM, RESULT, LOG, FILE, DATA, END = b"P", b"W", b"R", b"L", b"F", b"D", b"E"
_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63})*")

Count = Annotated[int, Field(ge=0, lt=2**53)]
Rule = Annotated[str, Field(pattern=r"^[a-z-]{1,32}$")]
Check = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
Finding = Annotated[str, Field(max_length=MAX_FINDING_LENGTH)]


class _GuestModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GuestResult(_GuestModel):
    """What the init says of the run. Its reason is one of those that only it can know."""

    reason: Literal[
        "completed", "algorithm-failed", "timeout", "out-of-memory", "too-much-output", "probe-failed"
    ]
    refused: Annotated[list[Rule], Field(max_length=MAX_REFUSED)]
    cpu_ms: Count
    peak_memory_bytes: Count
    bytes_written: Count


class _FileHeader(_GuestModel):
    path: Annotated[str, Field(max_length=MAX_PATH_LENGTH)]
    size: Count


ValueT = TypeVar("ValueT")
_SEEN: TypeAdapter[dict[str, str]] = TypeAdapter(
    Annotated[dict[Check, Finding], Field(max_length=MAX_CHECKS)]
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One authenticated frame. Its payload may be a view of a buffer that the next frame goes to.

    `contents` is the SHA-256 of the file's bytes up to the end of a DATA frame; what other kinds have there means nothing.
    """

    kind: bytes
    payload: bytes | memoryview
    contents: bytes


@dataclass(slots=True)
class Collection:
    """What has come out so far; `complete` after END. A broken stream leaves it as far as it got.

    `seen` is the probe's finding inside; `outside` is the engine's, which nothing that comes out can say. `ordered` says that the
    orders may have gone in.
    """

    ordered: bool = False
    seen: dict[str, str] | None = None
    outside: dict[str, str] | None = None
    result: GuestResult | None = None
    log: Path | None = None
    log_digest: str = digest_text(hashlib.sha256().digest())
    files: list[ProducedFile] = field(default_factory=list)
    complete: bool = False


class FrameReader:
    """Takes a byte stream apart into frames, each checked before it is handed on; keeps at most one frame."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._tag = bytes(TAG_BYTES)
        self._contents = hashlib.sha256()
        # One for all frames: to get memory anew for each costs as much as to hash it.
        self._buffer = bytearray(HEADER.size + FRAME_BYTES + TAG_BYTES)
        self._held = 0

    def feed(self, chunk: bytes | memoryview) -> Iterator[Frame]:
        """Yield the frames that `chunk` completes, each valid until the next is asked for.

        Raises:
            StreamError: `oversized` or `forged`.
        """
        rest, view = memoryview(chunk), memoryview(self._buffer)
        while rest:
            taken = min(self._needed() - self._held, len(rest))
            view[self._held : self._held + taken] = rest[:taken]
            self._held += taken
            rest = rest[taken:]
            if self._held < HEADER.size or self._held < (needed := self._needed()):
                continue
            self._held = 0
            yield self._check(view[: needed - TAG_BYTES], view[needed - TAG_BYTES : needed])

    def _needed(self) -> int:
        """Return how many bytes the frame that is being read has, or its header while that isn't whole.

        Raises:
            StreamError: `oversized`.
        """
        if self._held < HEADER.size:
            return HEADER.size
        length: int = HEADER.unpack_from(self._buffer)[1]
        if length > FRAME_BYTES:
            raise StreamError("oversized")
        return HEADER.size + length + TAG_BYTES

    def check_empty(self) -> None:
        """Check that the stream may end here.

        Raises:
            StreamError: `truncated`, in the middle of a frame.
        """
        if self._held:
            raise StreamError("truncated")

    def _check(self, frame: memoryview, tag: memoryview) -> Frame:
        kind, payload = bytes(frame[:1]), frame[HEADER.size :]
        if kind == DATA:
            self._contents.update(payload)
        else:
            self._contents = hashlib.sha256()
        contents = self._contents.digest()
        mac = hmac.new(self._key, self._tag, hashlib.sha256)
        mac.update(frame[: HEADER.size])
        mac.update(contents if kind == DATA else payload)
        self._tag = mac.digest()
        if not hmac.compare_digest(self._tag, tag):
            raise StreamError("forged")
        return Frame(kind, payload, contents)


def parse_frames(chunks: Iterable[bytes], key: bytes) -> Iterator[Frame]:
    """Yield the frames of a whole byte stream.

    Raises:
        StreamError: `oversized`, `forged` or `truncated`.
    """
    reader = FrameReader(key)
    for chunk in chunks:
        yield from reader.feed(chunk)
    reader.check_empty()


class Collector:
    """Takes frames in their order, within the limits, and writes their contents below `folder`, which must be empty."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.collection = Collection()
        self._folder = folder
        self._limits = limits
        self._log_digest = hashlib.sha256()
        self._log_size = 0
        self._total = 0
        self._paths: set[str] = set()
        self._file: _OpenFile | None = None

    def take(self, frame: Frame) -> None:
        """Take one frame.

        Raises:
            StreamError: the frame breaks a rule; `collection` says how far it got.
        """
        if self.collection.complete:
            raise StreamError("after-end")
        take = {LOG: self._log, FILE: self._header, DATA: self._data, END: self._end}.get(frame.kind)
        if self.collection.seen is None:
            take = self._probe if frame.kind == PROBE else None
        elif self.collection.result is None:
            take = self._result if frame.kind == RESULT else None
        if take is None:
            raise StreamError("out-of-order")
        take(frame)

    def check_complete(self) -> None:
        """Check that the stream came to its end.

        Raises:
            StreamError: `truncated`.
        """
        if not self.collection.complete:
            raise StreamError("truncated")

    def close(self) -> None:
        """Let go of whatever is still open; it is not among the outputs, so a full disk no longer matters."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.stream.close()

    def _probe(self, frame: Frame) -> None:
        self.collection.seen = parse_seen(frame.payload)

    def _result(self, frame: Frame) -> None:
        self.collection.result = _parse(frame.payload, TypeAdapter(GuestResult))

    def _log(self, frame: Frame) -> None:
        payload = frame.payload
        self._log_size += len(payload)
        if self._paths or self._log_size > self._limits.log_bytes:
            raise StreamError("log")
        self.collection.log = self._folder / LOG_FILE
        with self.collection.log.open("ab") as stream:
            stream.write(payload)
        self._log_digest.update(payload)
        self.collection.log_digest = digest_text(self._log_digest.digest())

    def _header(self, frame: Frame) -> None:
        self._finish_file()
        header = _parse(frame.payload, TypeAdapter(_FileHeader))
        self._check_header(header)
        self._paths.add(header.path)
        self._total += header.size
        # The name on disk is a number: no name from the stream ever becomes a path here.
        target = self._folder / FILES_FOLDER / str(len(self._paths))
        target.parent.mkdir(exist_ok=True)
        self._file = _OpenFile(header.path, header.size, target, target.open("xb"))

    def _check_header(self, header: _FileHeader) -> None:
        if self.collection.result is None or self.collection.result.reason != "completed":
            raise StreamError("out-of-order")
        if not _PATH.fullmatch(header.path) or header.path.count("/") >= MAX_DEPTH:
            raise StreamError("file-name")
        if header.path in self._paths:
            raise StreamError("duplicate")
        if len(self._paths) >= self._limits.output_files:
            raise StreamError("too-many-files")
        if header.size > self._limits.file_bytes or self._total + header.size > self._limits.output_bytes:
            raise StreamError("too-large")

    def _data(self, frame: Frame) -> None:
        size = len(frame.payload)
        if self._file is None or size > self._file.size - self._file.written or not size:
            raise StreamError("unexpected-data")
        self._file.write(frame)

    def _end(self, frame: Frame) -> None:
        self._finish_file()
        if frame.payload:
            raise StreamError("unexpected-data")
        self.collection.complete = True

    def _finish_file(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        file.stream.close()
        if file.written != file.size:
            raise StreamError("short-file")
        self.collection.files.append(
            ProducedFile(file.path, file.size, digest_text(file.digest), file.target)
        )


class _OpenFile:
    """The file that DATA frames go to."""

    def __init__(self, path: str, size: int, target: Path, stream: IO[bytes]) -> None:
        self.path = path
        self.size = size
        self.target = target
        self.stream = stream
        self.written = 0
        self.digest = hashlib.sha256().digest()

    def write(self, frame: Frame) -> None:
        """Append to the file."""
        self.stream.write(frame.payload)
        self.digest = frame.contents
        self.written += len(frame.payload)


def parse_seen(payload: bytes | memoryview) -> dict[str, str]:
    """Parse a PROBE frame: check to finding.

    Raises:
        StreamError: `malformed`.
    """
    return _parse(payload, _SEEN)


def _parse(payload: bytes | memoryview, kind: TypeAdapter[ValueT]) -> ValueT:
    try:
        return kind.validate_python(json.loads(bytes(payload)))
    except (ValidationError, ValueError, RecursionError) as exc:
        raise StreamError("malformed") from exc
