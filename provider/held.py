"""Keeps the files of releases that wait for reviewers: a folder per job, whole or absent, for this provider's user alone.

Read by digest: a file that is not what the gate wrote is not shown and doesn't leave.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from policies.canonical import DIGEST_PREFIX, digest_of
from provider.errors import NotFoundError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
CHUNK_BYTES = 1024 * 1024


class HeldFiles:
    """The files of each job that waits, by the names under which they would be released."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, job_id: str, files: Mapping[str, Path]) -> None:
        """Copy a job's files here durably, in place of what was held for it before."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        part = self._folder / f".{job_id}.part"
        _remove(part)
        part.mkdir(mode=FOLDER_MODE)
        for name, path in files.items():
            _copy(path, part / name)
        _sync(part)
        _remove(self._folder / job_id)
        part.rename(self._folder / job_id)
        _sync(self._folder)

    def find_path(self, job_id: str, name: str, digest: str) -> Path | None:
        """Return where a file lies that has this digest; None when there is none."""
        path = self._folder / job_id / name
        try:
            with path.open("rb") as file:
                found = DIGEST_PREFIX + hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None
        return path if found == digest else None

    def read(self, job_id: str, name: str, digest: str) -> bytes:
        """Return a file that has this digest.

        Raises:
            NotFoundError: it is no longer held.
        """
        path = self._folder / job_id / name
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise NotFoundError("nothing of this job is held any more", code="not-held") from exc
        if digest_of(data) != digest:
            raise NotFoundError("what is held is not what the gate wrote", code="not-held")
        return data

    def list_jobs(self) -> list[str]:
        """Return the jobs of which files are held, or were to be."""
        if not self._folder.exists():
            return []
        return [item.name.removeprefix(".").removesuffix(".part") for item in self._folder.iterdir()]

    def remove(self, job_id: str) -> None:
        """Remove what is held of a job."""
        _remove(self._folder / job_id)
        _remove(self._folder / f".{job_id}.part")


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        shutil.copyfileobj(reading, writing, CHUNK_BYTES)
        writing.flush()
        os.fsync(writing.fileno())


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _sync(folder: Path) -> None:
    """Make names in a folder outlast a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
