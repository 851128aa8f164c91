"""Describes data where it lies: finds it under the data root, hashes it, commits to it, and reads its schema.

- A path stays inside the data root, and nothing on the way to a file is a symbolic link.
- What is published is names and types of columns and the number of rows; no value, range or count of values.
- Scheme `sealroom-files-v1`: the RFC 6962 Merkle root (SHA-256) over the canonical JSON `[path, size, sha256 hex]` of
  each file, in byte order of path; a single file is one entry under its own name.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from policies.canonical import DIGEST_PREFIX, canonical_json
from provider.errors import DatasetError
from provider.receipts.tree import entries_root

SCHEME = "sealroom-files-v1"
"""Name of the commitment's scheme; stands in every receipt beside the commitment."""
MAX_FILES = 10_000
MAX_DEPTH = 16
MAX_PATH_CHARS = 1024
CHUNK_BYTES = 2**20
TABLE_FORMATS = {".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """One file of a dataset: its POSIX path within the dataset, and where it lies."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """One file as the commitment sees it; `sha256` is 64 hex digits."""

    name: str
    size_bytes: int
    sha256: str


def resolve_data_path(data_root: Path, text: str) -> Path:
    """Return the file or folder that `text` names below the data root, absolute or relative to it.

    Raises:
        DatasetError: `dataset-outside-root`, `dataset-link`, `dataset-missing` or `dataset-path`.
    """
    if not text or len(text) > MAX_PATH_CHARS or not text.isprintable():
        raise DatasetError("path: expected a path of printable characters", code="dataset-path")
    root = data_root.resolve()
    wanted = PurePosixPath(text)
    for base in (data_root.absolute(), root) if wanted.is_absolute() else ():
        if wanted.is_relative_to(base):
            wanted = wanted.relative_to(base)
            break
    if wanted.is_absolute() or ".." in wanted.parts or not wanted.parts:
        raise DatasetError(
            "path: expected a file or folder below the provider's data root, got one outside it",
            code="dataset-outside-root",
            remedy="move the data below the data root and name it relative to that",
        )
    return _walk(root, wanted)


def _walk(root: Path, wanted: PurePosixPath) -> Path:
    path = root
    for part in wanted.parts:
        path /= part
        mode = _lstat(path).st_mode
        if stat.S_ISLNK(mode):
            raise _linked()
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DatasetError(
            "path: expected a regular file or a folder, got something else", code="dataset-path"
        )
    return path


def _lstat(path: Path) -> os.stat_result:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise DatasetError(
            "path: there is no such file or folder below the data root",
            code="dataset-missing",
            remedy="name the data relative to the provider's data root",
        ) from exc
    except (OSError, ValueError) as exc:
        raise _unreadable() from exc


def _linked() -> DatasetError:
    return DatasetError(
        "dataset: expected regular files, got a symbolic link",
        code="dataset-link",
        remedy="put the files themselves below the data root",
    )


def _unreadable() -> DatasetError:
    return DatasetError(
        "dataset: expected files that the provider can read, got one that it can't",
        code="dataset-unreadable",
        remedy="give the provider's user read access to every file and folder of the dataset",
    )


def list_files(path: Path) -> tuple[DatasetFile, ...]:
    """Return the files of a dataset in byte order of their names; a single file is one entry.

    Raises:
        DatasetError: `dataset-link`, `dataset-special`, `dataset-name`, `dataset-empty`, `dataset-too-many-files`
            or `dataset-unreadable`.
    """
    mode = _lstat(path).st_mode
    files = list(_scan(path, "", MAX_DEPTH)) if stat.S_ISDIR(mode) else [_check_single(path, mode)]
    if not files:
        raise DatasetError("dataset: expected at least one file, got an empty folder", code="dataset-empty")
    return tuple(sorted(files, key=lambda file: file.name.encode()))


def table_format(name: str) -> str | None:
    """Return `csv` or `parquet` for a file that is read as a table, going by its name; None for any other."""
    return TABLE_FORMATS.get(PurePosixPath(name).suffix.lower())


def _check_single(path: Path, mode: int) -> DatasetFile:
    if table_format(path.name) is None and stat.S_ISREG(mode):
        raise DatasetError(
            "dataset: expected a .csv or .parquet file, or a folder, got another kind of file",
            code="dataset-format",
            remedy="put other kinds of files in a folder and name the folder",
        )
    return _check_file(path, path.name, mode)


def _scan(folder: Path, prefix: str, depth: int) -> Iterator[DatasetFile]:
    if depth == 0:
        raise DatasetError(f"dataset: folders go deeper than {MAX_DEPTH}", code="dataset-too-deep")
    count = 0
    try:
        paths = list(folder.iterdir())
    except OSError as exc:
        raise _unreadable() from exc
    for path in paths:
        mode = _lstat(path).st_mode
        name = prefix + path.name
        found = (
            _scan(path, f"{name}/", depth - 1)
            if stat.S_ISDIR(mode)
            else iter((_check_file(path, name, mode),))
        )
        for file in found:
            count += 1
            if count > MAX_FILES:
                raise DatasetError(f"dataset: has more than {MAX_FILES} files", code="dataset-too-many-files")
            yield file


def _check_file(path: Path, name: str, mode: int) -> DatasetFile:
    if stat.S_ISLNK(mode):
        raise _linked()
    if not stat.S_ISREG(mode):
        raise DatasetError("dataset: expected regular files, got something else", code="dataset-special")
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        raise DatasetError("dataset: a file's name is not UTF-8; rename it", code="dataset-name") from exc
    return DatasetFile(name, path)


@contextmanager
def open_file(file: DatasetFile) -> Iterator[BinaryIO]:
    """Open a file for reading, never through a link put there since it was listed.

    Raises:
        DatasetError: `dataset-unreadable`.
    """
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise _unreadable() from exc
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def hash_files(files: Sequence[DatasetFile]) -> tuple[DatasetEntry, ...]:
    """Read every file once and return its size and SHA-256, in the order given.

    Raises:
        DatasetError: `dataset-unreadable`, or `dataset-empty` when the files hold no byte at all.
    """
    entries = tuple(_hash_file(file) for file in files)
    if not any(entry.size_bytes for entry in entries):
        raise DatasetError("dataset: expected data, got files of no bytes", code="dataset-empty")
    return entries


def _hash_file(file: DatasetFile) -> DatasetEntry:
    digest, size_bytes = hashlib.sha256(), 0
    with open_file(file) as stream:
        try:
            while piece := stream.read(CHUNK_BYTES):
                digest.update(piece)
                size_bytes += len(piece)
        except OSError as exc:
            raise _unreadable() from exc
    return DatasetEntry(file.name, size_bytes, digest.hexdigest())


def commit_entries(entries: Iterable[DatasetEntry]) -> bytes:
    """Return the 32-byte commitment to a dataset (scheme `sealroom-files-v1`, see the module).

    Raises:
        DatasetError: `dataset-empty` for no entries, `dataset-name` for a name that stands twice.
    """
    ordered = sorted(entries, key=lambda entry: entry.name.encode())
    if not ordered:
        raise DatasetError("dataset: expected at least one file to commit to", code="dataset-empty")
    if len({entry.name for entry in ordered}) < len(ordered):
        raise DatasetError("dataset: a file's name stands twice", code="dataset-name")
    return entries_root(canonical_json([entry.name, entry.size_bytes, entry.sha256]) for entry in ordered)


def commit_copied(copied: Iterable[tuple[str, int, str]]) -> bytes:
    """Return the commitment to files that were copied, each as name, size in bytes and `sha256:…`.

    Raises:
        DatasetError: see `commit_entries`.
    """
    return commit_entries(
        DatasetEntry(name, size_bytes, digest.removeprefix(DIGEST_PREFIX))
        for name, size_bytes, digest in copied
    )
