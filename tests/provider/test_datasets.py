"""Data is found only below the data root, and a commitment is to every byte and every name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json
from provider import datasets
from provider.datasets import (
    DatasetEntry,
    DatasetFile,
    commit_entries,
    hash_files,
    list_files,
    resolve_data_path,
)
from provider.errors import DatasetError, http_status

CSV = b"a,b\n1,2\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    data_root = tmp_path / "data"
    (data_root / "study" / "b").mkdir(parents=True)
    (data_root / "study" / "b" / "2.csv").write_bytes(CSV)
    (data_root / "study" / "a.bin").write_bytes(b"\0\1")
    (data_root / "study" / "b.csv").write_bytes(CSV)
    (data_root / "one.csv").write_bytes(CSV)
    (tmp_path / "secret.csv").write_bytes(CSV)
    return data_root


def _refused_code(action: object, *arguments: object) -> str:
    with pytest.raises(DatasetError) as caught:
        action(*arguments)  # type: ignore[operator]  # any of the functions here
    assert http_status(caught.value) == 400
    return caught.value.code


@pytest.mark.parametrize("text", ["one.csv", "study", "study/b/2.csv", "./study//b"])
def test_a_path_below_the_root_is_found(root: Path, text: str) -> None:
    assert resolve_data_path(root, text) == root / text


def test_an_absolute_path_below_the_root_is_found(root: Path) -> None:
    assert resolve_data_path(root, str(root / "one.csv")) == root / "one.csv"


def test_a_root_behind_a_link_is_the_operator_s_choice(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert resolve_data_path(link, "one.csv") == root / "one.csv"
    assert resolve_data_path(link, str(link / "one.csv")) == root / "one.csv"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("../secret.csv", "dataset-outside-root"),
        ("study/../../secret.csv", "dataset-outside-root"),
        ("study/../one.csv", "dataset-outside-root"),
        ("/etc/passwd", "dataset-outside-root"),
        ("//etc/passwd", "dataset-outside-root"),
        ("/", "dataset-outside-root"),
        (".", "dataset-outside-root"),
        ("", "dataset-path"),
        ("one.csv\0", "dataset-path"),
        ("one.csv\n", "dataset-path"),
        ("x" * 2000, "dataset-path"),
        ("x" * 300, "dataset-unreadable"),
        ("none.csv", "dataset-missing"),
        ("one.csv/x", "dataset-missing"),
    ],
)
def test_a_path_outside_the_root_or_to_nothing_is_refused(root: Path, text: str, code: str) -> None:
    assert _refused_code(resolve_data_path, root, text) == code


def test_an_error_names_no_host_path(root: Path) -> None:
    for text in ("../secret.csv", "none.csv", str(root.parent / "secret.csv")):
        with pytest.raises(DatasetError) as caught:
            resolve_data_path(root, text)
        assert str(root.parent) not in str(caught.value) + caught.value.remedy


@pytest.mark.parametrize("target", ["/etc/passwd", "../one.csv", "nowhere"])
def test_hole_15_a_link_on_the_way_or_in_a_folder_is_refused(root: Path, target: str) -> None:
    (root / "study" / "link.csv").symlink_to(target)
    assert _refused_code(resolve_data_path, root, "study/link.csv") == "dataset-link"
    assert _refused_code(list_files, root / "study") == "dataset-link"


def test_a_linked_folder_on_the_way_is_refused(root: Path) -> None:
    (root / "shortcut").symlink_to(root / "study")
    assert _refused_code(resolve_data_path, root, "shortcut/b.csv") == "dataset-link"


def test_a_pipe_is_refused_and_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "study" / "pipe.csv")
    assert _refused_code(resolve_data_path, root, "study/pipe.csv") == "dataset-path"
    assert _refused_code(list_files, root / "study") == "dataset-special"


def test_a_file_that_became_a_link_after_it_was_listed_is_not_followed(root: Path) -> None:
    files = list_files(root / "one.csv")
    (root / "one.csv").unlink()
    (root / "one.csv").symlink_to(root.parent / "secret.csv")
    assert _refused_code(hash_files, files) == "dataset-unreadable"


def test_files_are_listed_in_byte_order_of_their_names(root: Path) -> None:
    (root / "study" / "é.bin").write_bytes(b"x")
    (root / "study" / "B.bin").write_bytes(b"x")
    assert [file.name for file in list_files(root / "study")] == [
        "B.bin",
        "a.bin",
        "b.csv",
        "b/2.csv",
        "é.bin",
    ]


def test_a_single_file_is_one_entry_under_its_own_name(root: Path) -> None:
    assert list_files(root / "one.csv") == (DatasetFile("one.csv", root / "one.csv"),)


def test_a_single_file_that_is_no_table_is_refused(root: Path) -> None:
    assert _refused_code(list_files, root / "study" / "a.bin") == "dataset-format"


def test_an_empty_folder_and_files_of_no_bytes_are_refused(root: Path) -> None:
    (root / "empty").mkdir()
    assert _refused_code(list_files, root / "empty") == "dataset-empty"
    (root / "empty" / "x.csv").write_bytes(b"")
    assert _refused_code(hash_files, list_files(root / "empty")) == "dataset-empty"


def test_a_name_that_is_not_utf8_is_refused(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root / "study") + b"/\xff.csv")).write_bytes(CSV)
    assert _refused_code(list_files, root / "study") == "dataset-name"


def test_folders_without_end_are_refused(root: Path) -> None:
    deep = root / Path(*["deep"] * 20)
    deep.mkdir(parents=True)
    assert _refused_code(list_files, root / "deep") == "dataset-too-deep"


def test_more_files_than_a_job_can_stage_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "MAX_FILES", 2)
    assert _refused_code(list_files, root / "study") == "dataset-too-many-files"


def test_every_file_is_hashed_whole(root: Path) -> None:
    content = bytes(range(256)) * 10_000
    (root / "study" / "a.bin").write_bytes(content)
    assert hash_files(list_files(root / "study"))[0] == DatasetEntry(
        "a.bin", len(content), hashlib.sha256(content).hexdigest()
    )


def test_the_commitment_is_the_rfc_6962_root_over_canonical_entries() -> None:
    one, two, three = (DatasetEntry(name, 5, hashlib.sha256(name.encode()).hexdigest()) for name in "abc")
    leaves = [
        hashlib.sha256(b"\0" + canonical_json([entry.name, entry.size_bytes, entry.sha256])).digest()
        for entry in (one, two, three)
    ]
    left = hashlib.sha256(b"\1" + leaves[0] + leaves[1]).digest()
    assert commit_entries([three, one, two]) == hashlib.sha256(b"\1" + left + leaves[2]).digest()
    assert commit_entries([one]) == leaves[0]


ENTRIES = st.lists(
    st.builds(
        DatasetEntry,
        st.text(st.characters(codec="utf-8"), min_size=1),
        st.integers(0, 2**40),
        st.just("0" * 64),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda entry: entry.name,
)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_the_commitment_does_not_depend_on_the_order_of_listing(
    entries: list[DatasetEntry], random: object
) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis names no type for it
    assert commit_entries(shuffled) == commit_entries(entries)


@given(ENTRIES, st.data())
def test_any_changed_entry_changes_the_commitment(entries: list[DatasetEntry], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(entries) - 1))
    old = entries[at]
    new = data.draw(
        st.sampled_from(
            [
                DatasetEntry(old.name + "x", old.size_bytes, old.sha256),
                DatasetEntry(old.name, old.size_bytes + 1, old.sha256),
                DatasetEntry(old.name, old.size_bytes, "1" * 64),
            ]
        )
    )
    changed = [*entries[:at], new, *entries[at + 1 :]]
    if len({entry.name for entry in changed}) == len(changed):
        assert commit_entries(changed) != commit_entries(entries)


def test_no_entries_and_doubled_names_have_no_commitment() -> None:
    entry = DatasetEntry("a", 1, "0" * 64)
    assert _refused_code(commit_entries, []) == "dataset-empty"
    assert _refused_code(commit_entries, [entry, entry]) == "dataset-name"
