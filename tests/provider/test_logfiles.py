"""The log's files against the plain tree, whatever is appended, cut, lost or left unwritten; and who may write them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider import logfiles
from provider.logfiles import LogBusyError, LogFiles, LogWriter
from provider.receipts import tree
from provider.receipts.errors import MalformedError
from provider.receipts.log import entry_of_digest
from provider.receipts.tiles import Tile, list_tiles, parse_entries, prove_inclusion, tree_root
from tests.log_samples import PlainTiles

MOST = 66_001
DIGESTS = [hashlib.sha256(b"%d" % number).digest() for number in range(MOST)]
LEAVES = [tree.leaf_hash(entry_of_digest(digest)) for digest in DIGESTS]
STEP = 512


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogWriter]:
    with LogWriter(tmp_path_factory.mktemp("log")) as log:
        log.append(DIGESTS)
        yield log


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have hashes recorded after every few hundred receipts, so that small logs have such places too."""
    monkeypatch.setattr(logfiles, "DERIVED_STEP", STEP)


def check_whole(log: LogFiles, size: int) -> None:
    """Check that every tile and every entry of a log of that size is what the definition says."""
    plain = PlainTiles(LEAVES[:size])
    for tile in list_tiles(0, size):
        first = tile.index * 256
        if tile.level is None:
            expected = [entry_of_digest(digest) for digest in DIGESTS[first : first + tile.width]]
            assert parse_entries(log.read_entries(tile), tile.width) == expected
        else:
            assert log.read_tile(tile) == plain.read_tile(tile)
    assert tree_root(log, size) == tree.root_of(LEAVES[:size])


def test_a_log_of_three_levels_has_the_tiles_root_and_proofs_of_the_tree(long_log: LogWriter) -> None:
    check_whole(long_log, MOST)
    check_whole(long_log, 65_536)
    for index in (0, 255, 65_535, MOST - 1):
        assert prove_inclusion(long_log, index, MOST) == tree.inclusion_proof(LEAVES, index, MOST)


def test_opening_a_log_and_proving_an_entry_take_no_memory_for_its_length(tmp_path: Path) -> None:
    with LogWriter(tmp_path) as log:
        log.append(DIGESTS)
    tracemalloc.start()
    try:
        with LogWriter(tmp_path) as log:
            assert len(prove_inclusion(log, 12_345, MOST)) == 17
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MOST * 32 // 10


@pytest.mark.parametrize("tile", [Tile(0, 257, 210), Tile(1, 1, 3), Tile(2, 0, 2), Tile(3, 0, 1)])
def test_what_the_log_does_not_reach_is_refused(long_log: LogWriter, tile: Tile) -> None:
    with pytest.raises(MalformedError):
        long_log.read_tile(tile)


def test_entries_that_were_not_appended_are_refused(long_log: LogWriter) -> None:
    with pytest.raises(MalformedError):
        long_log.read_entries(Tile(None, 257, 210))


@settings(max_examples=30)
@given(batches=st.lists(st.integers(0, 700), max_size=6), reopened=st.sets(st.integers(0, 5)))
def test_batches_of_any_size_with_or_without_reopening_make_the_same_log(
    batches: list[int], reopened: set[int]
) -> None:
    with TemporaryDirectory() as name:
        log = LogWriter(Path(name))
        for number, batch in enumerate(batches):
            log.append(DIGESTS[log.size : log.size + batch])
            if number in reopened:
                log.close()
                log = LogWriter(Path(name))
        check_whole(LogFiles(Path(name)), sum(batches))
        assert log.read_digests(0, MOST) == DIGESTS[: sum(batches)]
        log.close()


FILES = st.sampled_from(["digests", "hashes-0", "hashes-1", "hashes-2", "derived"])
DAMAGES = st.lists(st.tuples(FILES, st.sampled_from(["cut", "zeros", "gone"]), st.floats(0, 1)), max_size=4)


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 900), min_size=1, max_size=3), damages=DAMAGES)
@pytest.mark.usefixtures("short_steps")
def test_files_cut_lost_or_left_unwritten_anywhere_give_a_shorter_log_and_never_a_wrong_one(
    sizes: list[int], damages: list[tuple[str, str, float]]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for size in sizes:
            with LogWriter(folder) as log:
                log.append(DIGESTS[log.size : log.size + size])
        certain = crash(folder, damages, appended=sum(sizes))
        with LogWriter(folder) as log:
            assert certain <= log.size <= sum(sizes)
            check_whole(log, log.size)
            log.append(DIGESTS[log.size : sum(sizes) + 300])
        with LogWriter(folder) as log:
            check_whole(log, sum(sizes) + 300)


def crash(folder: Path, damages: list[tuple[str, str, float]], *, appended: int) -> int:
    """Do to the files what a crash can do after the last point that was recorded; return how many digests stay whole."""
    certain = appended
    recorded = max(0, appended - STEP)
    (folder / "derived").write_bytes(b"%020d\n" % recorded)
    for name, damage, share in damages:
        path = folder / name
        if name == "derived":
            path.write_bytes(path.read_bytes()[: int(share * 21)])
            continue
        if not path.exists():
            continue
        if damage == "gone" and name != "digests":
            path.unlink()
            continue
        data = path.read_bytes()
        level = int(name[-1]) if name != "digests" else 0
        first = min(len(data), (recorded >> 8 * level) * 32)
        at = first + int(share * (len(data) - first))
        if damage == "zeros":
            at -= at % 32  # a record is whole or unwritten
        path.write_bytes(data[:at] + (bytes(len(data) - at) if damage == "zeros" else b""))
        if name == "digests":
            certain = min(certain, at // 32)
    return certain


def test_what_stays_certain_is_not_made_anew(tmp_path: Path) -> None:
    with LogWriter(tmp_path) as log:
        log.append(DIGESTS[:600])
    marked = hashlib.sha256(b"a mark").digest()
    path = tmp_path / "hashes-0"
    path.write_bytes(marked + path.read_bytes()[32:])
    with LogWriter(tmp_path) as log:
        assert log.read_tile(Tile(0, 0, 1)) == marked
    (tmp_path / "derived").unlink()
    with LogWriter(tmp_path) as log:
        assert log.read_tile(Tile(0, 0, 1)) == LEAVES[0]


@pytest.mark.parametrize(("lost", "certain"), [("hashes-0", 0), ("hashes-1", 0), ("hashes-0, a part", 300)])
def test_hashes_that_were_lost_are_certain_no_sooner_than_they_are_on_the_disk_again(
    tmp_path: Path, lost: str, certain: int
) -> None:
    with LogWriter(tmp_path) as log:
        log.append(DIGESTS[:600])
    path = tmp_path / lost.split(",", maxsplit=1)[0]
    path.write_bytes(path.read_bytes()[: certain * 32])
    with LogWriter(tmp_path) as log:
        assert (tmp_path / "derived").read_bytes() == b"%020d\n" % certain
        check_whole(log, 600)
    assert (tmp_path / "derived").read_bytes() == b"%020d\n" % 600


def test_when_the_digests_are_lost_so_is_all_that_was_certain_of_their_hashes(tmp_path: Path) -> None:
    with LogWriter(tmp_path) as log:
        log.append(DIGESTS[:600])
    (tmp_path / "digests").unlink()
    with LogWriter(tmp_path) as log:
        assert log.size == 0
        assert (tmp_path / "derived").read_bytes() == b"%020d\n" % 0
        log.append(DIGESTS[300:700])
        assert tree_root(log, 400) == tree.root_of(LEAVES[300:700])


def test_a_full_disk_leaves_the_log_as_it_was_and_the_same_receipts_can_be_appended_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, room = os.pwrite, [0]

    def write_some(file: int, data: bytes, offset: int) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        written = pwrite(file, data[: room[0]], offset)
        room[0] -= written
        return written

    with LogWriter(tmp_path) as log:
        log.append(DIGESTS[:300])
        for free in (0, 31, 1000, 300 * 32, 300 * 32 + 33, 2 * 300 * 32):
            room[0] = free
            with monkeypatch.context() as patch:
                patch.setattr(os, "pwrite", write_some)
                with pytest.raises(OSError, match="No space"):
                    log.append(DIGESTS[300:600])
            assert log.size == 300
            check_whole(log, 300)
        log.append(DIGESTS[300:600])
        check_whole(log, 600)


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33), bytes(32)])
def test_what_is_no_digest_is_not_appended(tmp_path: Path, digest: bytes) -> None:
    with LogWriter(tmp_path) as log, pytest.raises(ValueError, match="SHA-256"):
        log.append([DIGESTS[0], digest])
    with LogWriter(tmp_path) as log:
        assert log.size == 0


def test_there_is_one_writer_until_it_closes(tmp_path: Path) -> None:
    with LogWriter(tmp_path), pytest.raises(LogBusyError):
        LogWriter(tmp_path)
    with LogWriter(tmp_path) as log:
        log.append(DIGESTS[:1])


APPENDING = """
import hashlib, sys
from pathlib import Path
from provider.logfiles import LogWriter
log = LogWriter(Path(sys.argv[1]))
while True:
    batch = range(log.size, log.size + 97)
    log.append([hashlib.sha256(b"%d" % number).digest() for number in batch])
    print(log.size, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_had_appended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", APPENDING, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(30)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout]
    with LogWriter(tmp_path) as log:
        assert log.size >= told[-1]
        assert log.size < MOST
        check_whole(log, log.size)
