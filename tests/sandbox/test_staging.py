"""Staging: what is copied where, and that what is hashed is what is used."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import StagingError
from sandbox.guest import guest_files
from sandbox.staging import StagedDataset, cleanup, stage
from tests.sandbox_fixtures import ASSET, make_bundle

OTHER = "c3" * 32
BUNDLE = make_bundle("pass", files={"lib/part.py": b"x"})


def dataset(folder: Path, *contents: bytes, asset_id: str = ASSET) -> StagedDataset:
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"{asset_id[:4]}-{number}"
        path.write_bytes(content)
        paths.append(path)
    return StagedDataset(asset_id, tuple(paths), tuple(path.name for path in paths), "tested", "for tests")


def listing(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_the_layout_is_the_containers(tmp_path: Path) -> None:
    datasets = [dataset(tmp_path, b"a", b"bb"), dataset(tmp_path, b"c", asset_id=OTHER)]
    root = stage(tmp_path / "staged", datasets, BUNDLE, {"epochs": 3}).root
    assert listing(root) == {
        f"data/inputs/{ASSET}/0",
        f"data/inputs/{ASSET}/1",
        f"data/inputs/{OTHER}/0",
        "data/inputs/algoCustomData.json",
        f"data/ddos/{ASSET}",
        f"data/ddos/{OTHER}",
        f"data/ddos/{BUNDLE.digest.removeprefix('sha256:')}",
        "data/transformations/algorithm",
        "data/transformations/algorithm.yaml",
        "data/transformations/main.py",
        "data/transformations/lib/part.py",
    } | {f"sealroom/{name}" for name in guest_files()}
    assert json.loads((root / "data/inputs/algoCustomData.json").read_bytes()) == {"epochs": 3}
    assert (root / "data/transformations/algorithm").read_bytes() == b"pass"
    cleanup(root)


def test_the_digests_returned_are_of_the_bytes_staged(tmp_path: Path) -> None:
    staged = stage(tmp_path / "staged", [dataset(tmp_path, b"a", b"bb")], BUNDLE, {})
    for number, (name, size, digest) in enumerate(staged.datasets[ASSET]):
        content = (staged.root / f"data/inputs/{ASSET}/{number}").read_bytes()
        assert (name, size) == (f"{ASSET[:4]}-{number}", len(content))
        assert digest == "sha256:" + hashlib.sha256(content).hexdigest()
    cleanup(staged.root)


def test_nothing_staged_can_be_written(tmp_path: Path) -> None:
    root = stage(tmp_path / "staged", [dataset(tmp_path, b"a")], BUNDLE, {}).root
    for path in (root / "data").rglob("*"):
        started = path == root / "data/transformations/algorithm"
        assert stat.S_IMODE(path.stat().st_mode) == (0o555 if path.is_dir() or started else 0o444)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    cleanup(root)


@pytest.mark.parametrize("kind", ["symbolic link", "pipe", "folder", "missing"])
def test_a_source_that_is_not_a_plain_file_leaves_nothing(tmp_path: Path, kind: str) -> None:
    given = dataset(tmp_path, b"a", b"b")
    source = given.files[1]
    source.unlink()
    if kind == "symbolic link":
        source.symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(source)
    elif kind == "folder":
        source.mkdir()
    with pytest.raises(StagingError) as caught:
        stage(tmp_path / "staged", [given], BUNDLE, {})
    assert str(tmp_path) not in str(caught.value)
    assert not (tmp_path / "staged").exists()


def test_hole_12_a_dataset_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="distinct"):
        stage(tmp_path / "staged", [dataset(tmp_path, b"a")] * 2, BUNDLE, {})


@pytest.mark.parametrize("asset_id", ["", "../" * 10, "algoCustomData.json", "A" * 64, "0x" + "a" * 62])
def test_hole_2_an_id_that_is_not_an_id_is_refused(tmp_path: Path, asset_id: str) -> None:
    with pytest.raises(StagingError, match="64 lower-case hex"):
        stage(tmp_path / "staged", [StagedDataset(asset_id, (), ())], BUNDLE, {})


NAMES = st.text(max_size=20) | st.sampled_from(
    [
        "algoCustomData.json",
        "../algoCustomData.json",
        "0",
        "1",
        "..",
        ".",
        "",
        "/etc/passwd",
        "a\0b",
        "\udcff",
    ]
)


@given(st.lists(NAMES, max_size=4), st.lists(NAMES, max_size=4))
def test_no_name_of_a_file_decides_where_it_stands(first: list[str], second: list[str]) -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.write_bytes(b"content")
        datasets = [
            StagedDataset(asset_id, (source,) * len(names), tuple(names))
            for asset_id, names in ((ASSET, first), (OTHER, second))
        ]
        root = stage(Path(folder) / "staged", datasets, BUNDLE, {"epochs": 3}).root
        inputs = root / "data/inputs"
        expected = {f"{ASSET}/{n}" for n in range(len(first))} | {f"{OTHER}/{n}" for n in range(len(second))}
        assert listing(inputs) == expected | {"algoCustomData.json"}
        assert json.loads((inputs / "algoCustomData.json").read_bytes()) == {"epochs": 3}
        assert {path.read_bytes() for path in inputs.glob("*/*")} <= {b"content"}
        cleanup(root)


def test_a_dataset_named_like_the_algorithm_can_not_replace_its_document(tmp_path: Path) -> None:
    algorithm = BUNDLE.digest.removeprefix("sha256:")
    with pytest.raises(StagingError):
        stage(tmp_path / "staged", [dataset(tmp_path, b"a", asset_id=algorithm)], BUNDLE, {})
    assert not (tmp_path / "staged").exists()


def test_a_folder_that_exists_is_never_filled(tmp_path: Path) -> None:
    (tmp_path / "staged").mkdir()
    with pytest.raises(StagingError, match="anew"):
        stage(tmp_path / "staged", [], BUNDLE, {})
    assert (tmp_path / "staged").exists()


def test_files_without_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="one name"):
        stage(tmp_path / "staged", [StagedDataset(ASSET, (tmp_path / "a",), ())], BUNDLE, {})


def test_cleaning_up_twice_is_fine(tmp_path: Path) -> None:
    root = stage(tmp_path / "staged", [dataset(tmp_path, b"a")], BUNDLE, {}).root
    cleanup(root)
    cleanup(root)
    assert not root.exists()
