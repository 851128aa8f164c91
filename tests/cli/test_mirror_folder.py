"""A copy of a log is read whole or refused: what is missing, cut or too long is said, and nothing else is raised."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.mirrored import MirrorFolder
from provider.receipts.errors import MalformedError
from provider.receipts.log import entry_bytes
from provider.receipts.tiles import Tile, prove_consistency, tree_root
from provider.receipts.tree import consistency_proof, root_of
from tests.log_samples import SampleLog, make_log

SIZE = 530


@pytest.fixture(scope="module")
def log() -> SampleLog:
    return make_log(SIZE)


@pytest.fixture(scope="module")
def mirror(log: SampleLog, tmp_path_factory: pytest.TempPathFactory) -> MirrorFolder:
    folder = tmp_path_factory.mktemp("mirror")
    log.lay_out(folder, SIZE)
    return MirrorFolder(folder)


def test_a_copy_gives_checkpoint_entries_and_receipts_of_any_range(
    mirror: MirrorFolder, log: SampleLog
) -> None:
    assert mirror.checkpoint() == log.checkpoint(SIZE)
    for start, end in ((0, SIZE), (0, 0), (255, 257), (256, 512), (3, 4), (529, 530)):
        assert list(mirror.entries(start, end)) == [
            entry_bytes(item.pae) for item in log.envelopes[start:end]
        ]
        expected = [(index, log.envelopes[index].to_json()) for index in range(start, end)]
        assert list(mirror.receipts(start, end)) == expected


@pytest.mark.parametrize("size", [1, 255, 256, 300, 512, SIZE])
def test_a_copy_has_the_roots_and_proofs_of_every_smaller_size(
    mirror: MirrorFolder, log: SampleLog, size: int
) -> None:
    assert tree_root(mirror, size) == root_of(log.leaves[:size])
    assert prove_consistency(mirror, size, SIZE) == consistency_proof(log.leaves, size, SIZE)


def test_what_a_copy_does_not_have_is_said(mirror: MirrorFolder) -> None:
    with pytest.raises(MalformedError, match=r"entries/002\.p/19 is missing"):
        list(mirror.entries(0, SIZE + 1))
    with pytest.raises(MalformedError, match=r"receipts/002\.p/19 is missing"):
        list(mirror.receipts(0, SIZE + 1))
    with pytest.raises(MalformedError, match="tile/0/003 is missing"):
        mirror.read_tile(Tile(0, 3, 256))


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile/entries/001", "receipts/002.p/18"])
@pytest.mark.parametrize("change", ["cut", "longer", "folder", "gone"])
def test_a_file_that_was_cut_lengthened_or_replaced_is_refused(
    mirror: MirrorFolder, tmp_path: Path, name: str, change: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(mirror.path, folder)
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if change == "folder":
        path.mkdir()
    elif change != "gone":
        path.write_bytes(data[:-1] if change == "cut" else data + b"\xff" * 200_000)
    with pytest.raises(MalformedError):
        read_all(MirrorFolder(folder))


def test_a_line_without_an_end_is_read_no_further_than_an_envelope_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "receipts" / "000.p" / "1"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(MalformedError):
        list(MirrorFolder(tmp_path).receipts(0, 1))


def read_all(copy: MirrorFolder) -> None:
    if not copy.checkpoint().endswith("\n"):
        raise MalformedError("checkpoint", "is cut")
    tree_root(copy, SIZE)
    copy.read_tile(Tile(0, 0, 256))
    list(copy.entries(0, SIZE))
    list(copy.receipts(0, SIZE))
