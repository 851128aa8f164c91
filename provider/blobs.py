"""A content-addressed folder: bytes in, digest out. Writes are whole or absent; reads are checked against the digest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from policies.canonical import digest_of, parse_digest
from provider.errors import NotFoundError, ProviderError, UnavailableError


class BlobDamagedError(ProviderError):
    """A stored file no longer has the digest it is filed under."""

    code = "artifact-damaged"


class BlobStore:
    """Keeps documents, bundles and encrypted releases by SHA-256."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check_space(self, min_free_bytes: int) -> None:
        """Refuse to take more from strangers when the disk is nearly full: what has begun must still be able to end.

        Raises:
            UnavailableError: fewer than `min_free_bytes` are free.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(self._folder).free < min_free_bytes:
            raise UnavailableError(
                "the provider's disk is nearly full", code="storage-low", remedy="try again later"
            )

    def put(self, data: bytes) -> str:
        """Store `data` durably and return its digest `sha256:<hex>`; storing it twice is the same."""
        digest = digest_of(data)
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes filed under `digest`.

        Raises:
            NotFoundError: nothing is filed there.
            BlobDamagedError: what is filed there has another digest.
        """
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"nothing is stored under {digest}") from None
        if digest_of(data) != digest:
            raise BlobDamagedError(
                f"the file stored under {digest} has another digest: restore it from a backup"
            )
        return data

    def _path(self, digest: str) -> Path:
        name = parse_digest(digest).hex()
        return self._folder / name[:2] / name[2:]
