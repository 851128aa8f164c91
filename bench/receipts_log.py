"""Measures the log on disk: appends in batches and one by one, each on the disk before the next; a proof in a log of a million.

Beside them stands what the disk and the hashes alone cost: a plain file with an fsync for each digest, and hashlib's SHA-256 over
a leaf and, for each leaf, one node.
"""

from __future__ import annotations

import hashlib
import os
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Row, at_least, at_most, seconds_of
from provider.logfiles import LogWriter
from provider.receipts.log import ENTRY_BYTES
from provider.receipts.tiles import prove_inclusion
from provider.receipts.tree import HASH_BYTES

BATCH = 1000
BATCHES = 100
SINGLES = 500
MILLION = 1_000_000
PROOFS = 200
FOLDER = Path(__file__).resolve().parent.parent / ".build"
LEAF = bytes(1 + ENTRY_BYTES)
NODE = bytes(1 + 2 * HASH_BYTES)


def rows() -> list[Row]:
    """Return the log's rows, measured on the disk that has this project."""
    FOLDER.mkdir(exist_ok=True)
    digests = [hashlib.sha256(b"%d" % number).digest() for number in range(MILLION)]
    with TemporaryDirectory(dir=FOLDER) as name:
        with LogWriter(Path(name)) as log:
            batch_s = seconds_of(lambda: _append(log, digests, BATCHES * BATCH, at_once=BATCH))
            single_s = seconds_of(lambda: _append(log, digests, SINGLES, at_once=1))
            _append(log, digests, MILLION - log.size, at_once=MILLION)
            proofs_ms = _time_proofs(log)
        fsync_s = seconds_of(lambda: _sync_singly(Path(name) / "plain", SINGLES))
        opened_s = seconds_of(lambda: LogWriter(Path(name)).close())
    appended, floor_s = BATCHES * BATCH, _hash_floor(BATCHES * BATCH)
    return [
        at_least(
            "append_batch_per_s", appended / batch_s, "1/s", 20_000, f"{BATCH} at once, one fsync for them"
        ),
        at_least("append_single_per_s", SINGLES / single_s, "1/s", 300, "one by one, an fsync for each"),
        at_most("fsync_floor_per_s", SINGLES / fsync_s, "1/s", None, "a plain file, an fsync for each"),
        at_most(
            "proof_ms", statistics.median(proofs_ms), "ms", 2, f"any of {MILLION}, worst {max(proofs_ms):.2f}"
        ),
        at_most("log_open_ms", opened_s * 1000, "ms", None, f"opening and closing a log of {MILLION}"),
        at_most(
            "sha256_floor_per_s", appended / floor_s, "1/s", None, "hashlib alone: a leaf and a node for each"
        ),
        at_most(
            "append_to_sha256", batch_s / floor_s, "ratio", None, "an append in a batch to its hashes alone"
        ),
    ]


def _append(log: LogWriter, digests: list[bytes], count: int, *, at_once: int) -> None:
    end = log.size + count
    while log.size < end:
        log.append(digests[log.size : min(log.size + at_once, end)])


def _sync_singly(path: Path, count: int) -> None:
    """Write so many digests to a plain file, with an fsync for each."""
    with path.open("wb", buffering=0) as file:
        for _ in range(count):
            file.write(NODE[:HASH_BYTES])
            os.fsync(file.fileno())


def _time_proofs(log: LogWriter) -> list[float]:
    chosen = random.Random(0).sample(range(log.size), PROOFS)  # noqa: S311 - any entries will do, the same each time
    return [seconds_of(_prover(log, index)) * 1000 for index in chosen]


def _prover(log: LogWriter, index: int) -> Callable[[], object]:
    return lambda: prove_inclusion(log, index, log.size)


def _hash_floor(count: int) -> float:
    """Return the seconds that hashlib needs for so many leaves and as many nodes."""

    def hash_all() -> None:
        for _ in range(count):
            hashlib.sha256(LEAF).digest()
            hashlib.sha256(NODE).digest()

    return seconds_of(hash_all)
