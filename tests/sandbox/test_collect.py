"""The output stream is hostile: every way in which it can be wrong is a reason, and never a traceback."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.collect import FRAME_BYTES, Collection, Collector, parse_frames
from sandbox.errors import StreamError
from sandbox.spec import Limits
from tests.sandbox_fixtures import LIMITS, MIB

KEY = bytes(range(32))
RESULT = {
    "reason": "completed",
    "refused": [],
    "cpu_ms": 1,
    "peak_memory_bytes": 2,
    "bytes_written": 3,
}
Frames = list[tuple[bytes, bytes]]


def encode(frames: Frames, key: bytes = KEY) -> Iterator[bytes]:
    tag, contents = bytes(32), hashlib.sha256()
    for kind, payload in frames:
        header, signed = kind + struct.pack(">I", len(payload)), payload
        if kind == b"D":
            contents.update(payload)
            signed = contents.digest()
        else:
            contents = hashlib.sha256()
        tag = hmac.new(key, tag + header + signed, hashlib.sha256).digest()
        yield header + payload + tag


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def file(path: str, *chunks: bytes, size: int | None = None) -> Frames:
    given = sum(map(len, chunks)) if size is None else size
    return [(b"F", as_json({"path": path, "size": given})), *((b"D", chunk) for chunk in chunks)]


START: Frames = [(b"P", as_json({"pid": "1"})), (b"R", as_json(RESULT))]
END: Frames = [(b"E", b"")]
HONEST = [*START, (b"L", b"log"), *file("metrics.json", b"{", b"}"), *file("a/b.txt"), *END]


def collect(stream: Iterator[bytes], folder: Path, limits: Limits = LIMITS) -> Collection:
    collector = Collector(folder, limits)
    try:
        for frame in parse_frames(stream, KEY):
            collector.take(frame)
        collector.check_complete()
    finally:
        collector.close()
    return collector.collection


def test_an_honest_stream_is_collected(tmp_path: Path) -> None:
    collection = collect(encode(HONEST), tmp_path)
    assert collection.complete
    assert collection.seen == {"pid": "1"}
    assert [(item.path, item.content.read_bytes()) for item in collection.files] == [
        ("metrics.json", b"{}"),
        ("a/b.txt", b""),
    ]
    assert collection.files[0].digest == "sha256:" + hashlib.sha256(b"{}").hexdigest()
    assert collection.log is not None
    assert collection.log.read_bytes() == b"log"
    assert collection.log_digest == "sha256:" + hashlib.sha256(b"log").hexdigest()


@given(st.integers(1, 50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_does_not_matter_how_the_bytes_arrive(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    whole = b"".join(encode(HONEST))
    chunks = (whole[at : at + size] for at in range(0, len(whole), size))
    assert len(collect(chunks, tmp_path_factory.mktemp("c")).files) == 2


def test_no_name_from_the_stream_becomes_a_path_here(tmp_path: Path) -> None:
    collect(encode(HONEST), tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "log",
        "files/1",
        "files/2",
    }


@given(st.integers(min_value=0), st.integers(1, 255))
def test_any_flipped_byte_breaks_the_stream(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    stream = bytearray(b"".join(encode(HONEST)))
    stream[position % len(stream)] ^= change
    with pytest.raises(StreamError):
        collect(iter([bytes(stream)]), tmp_path_factory.mktemp("c"))


@given(st.integers(min_value=0))
def test_a_stream_cut_anywhere_is_truncated(tmp_path_factory: pytest.TempPathFactory, position: int) -> None:
    stream = b"".join(encode(HONEST))
    with pytest.raises(StreamError) as caught:
        collect(iter([stream[: position % len(stream)]]), tmp_path_factory.mktemp("c"))
    assert caught.value.reason == "truncated"


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_junk_is_a_reason(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    with pytest.raises(StreamError):
        collect(iter(chunks), tmp_path_factory.mktemp("c"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"P", b"R", b"L", b"F", b"D", b"E", b"?"]),
            st.one_of(
                st.binary(max_size=50),
                st.sampled_from([payload for _, payload in HONEST]),
                st.builds(
                    as_json, st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)
                ),
            ),
        ),
        max_size=8,
    )
)
def test_authentic_nonsense_is_a_reason_too(tmp_path_factory: pytest.TempPathFactory, frames: Frames) -> None:
    """Even our own init is not believed to know the rules."""
    with contextlib.suppress(StreamError):
        assert collect(encode(frames), tmp_path_factory.mktemp("c")).complete


BROKEN: dict[str, tuple[str, Frames]] = {
    "nothing": ("truncated", []),
    "no end": ("truncated", START),
    "a frame after the end": ("after-end", [*START, *END, *END]),
    "no probe": ("out-of-order", [(b"R", as_json(RESULT)), *END]),
    "two probes": ("out-of-order", [START[0], *START, *END]),
    "two results": ("out-of-order", [*START, START[1], *END]),
    "a file before the result": ("out-of-order", [START[0], *file("a"), *END]),
    "a frame of no kind": ("out-of-order", [*START, (b"?", b""), *END]),
    "data without a file": ("unexpected-data", [*START, (b"D", b"x"), *END]),
    "more data than said": ("unexpected-data", [*START, *file("a", b"xx", size=1), *END]),
    "less data than said": ("short-file", [*START, *file("a", b"x", size=2), *END]),
    "empty data for ever": ("unexpected-data", [*START, *file("a", b"", size=1), *END]),
    "an end with a message": ("unexpected-data", [*START, (b"E", b"row 17")]),
    "hole 15, the same name twice": ("duplicate", [*START, *file("a"), *file("a"), *END]),
    "hole 15, a name with ..": ("file-name", [*START, *file("../a"), *END]),
    "hole 15, an absolute name": ("file-name", [*START, *file("/etc/passwd"), *END]),
    "a hidden name": ("file-name", [*START, *file(".a"), *END]),
    "an empty name": ("file-name", [*START, *file(""), *END]),
    "a name with a new line": ("file-name", [*START, *file("a\n"), *END]),
    "a name that ends in a slash": ("file-name", [*START, *file("a/"), *END]),
    "a name that is too deep": ("file-name", [*START, *file("a/b/c/d/e"), *END]),
    "a name that is too long": ("malformed", [*START, *file("a" * 300), *END]),
    "hole 15, too many files": ("too-many-files", [*START, *(f for n in range(9) for f in file(f"f{n}")), *END]),
    "hole 15, a giant": ("too-large", [*START, *file("a", size=2**40), *END]),
    "hole 15, many that are a giant": ("too-large", [*START, *file("a", bytes(MIB)), *file("b", size=2 * MIB), *END]),
    "a negative size": ("malformed", [*START, *file("a", size=-1), *END]),
    "a size that is true": ("malformed", [*START, (b"F", b'{"path":"a","size":true}'), *END]),
    "an unknown reason": ("malformed", [START[0], (b"R", as_json(RESULT | {"reason": "row 17"})), *END]),
    "an unknown field": ("malformed", [START[0], (b"R", as_json(RESULT | {"note": "row 17"})), *END]),
    "a refused rule with data": ("malformed", [START[0], (b"R", as_json(RESULT | {"refused": ["Row 17"]})), *END]),
    "files although it failed": (
        "out-of-order",
        [START[0], (b"R", as_json(RESULT | {"reason": "timeout"})), *file("a"), *END],
    ),
    "too much log": ("log", [*START, (b"L", bytes(LIMITS.log_bytes)), (b"L", b"x"), *END]),
    "json that is too deep": ("malformed", [(b"P", b"[" * 100_000)]),
}  # fmt: skip


@pytest.mark.parametrize(("reason", "frames"), BROKEN.values(), ids=BROKEN)
def test_a_stream_is_refused_for(tmp_path: Path, reason: str, frames: Frames) -> None:
    with pytest.raises(StreamError) as caught:
        collect(encode(frames), tmp_path)
    assert caught.value.reason == reason
    assert "17" not in str(caught.value)


REORDERED = {
    "another key": list(encode(HONEST, key=bytes(32))),
    "two frames swapped": [
        frame for pair in zip(*[iter(encode(HONEST * 2))] * 2, strict=True) for frame in pair[::-1]
    ],
    "a frame left out": [frame for number, frame in enumerate(encode(HONEST)) if number != 2],
    "a frame repeated": [frame for frame in encode(HONEST) for _ in range(2)],
}


@pytest.mark.parametrize("frames", REORDERED.values(), ids=REORDERED)
def test_frames_cannot_be_forged_moved_or_dropped(tmp_path: Path, frames: list[bytes]) -> None:
    with pytest.raises(StreamError) as caught:
        collect(iter(frames), tmp_path)
    assert caught.value.reason == "forged"


def test_a_frame_that_says_it_is_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(StreamError) as caught:
        collect(iter([b"P" + struct.pack(">I", FRAME_BYTES + 1)]), tmp_path)
    assert caught.value.reason == "oversized"


def test_memory_stays_flat(tmp_path: Path) -> None:
    size = 64 * MIB
    limits = Limits(1, size, "1", 8, size, size, 8, 1, 8, size)
    chunk = bytes(FRAME_BYTES)
    frames = [*START, *file("a", *[chunk] * 64), *END]
    tracemalloc.start()
    collection = collect(encode(frames), tmp_path, limits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert collection.files[0].size_bytes == size
    assert peak < 16 * MIB
