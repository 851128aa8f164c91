from __future__ import annotations

from pathlib import Path

import pytest

from policies.canonical import digest_of
from policies.errors import DocumentError
from provider.blobs import BlobDamagedError, BlobStore
from provider.errors import NotFoundError


def test_what_is_put_comes_back_by_its_digest_and_twice_is_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest = store.put(b"weights")
    assert digest == digest_of(b"weights") == store.put(b"weights")
    assert store.get(digest) == b"weights"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_an_unknown_digest_is_not_found_and_a_path_is_no_digest(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(NotFoundError):
        store.get(digest_of(b"nothing"))
    with pytest.raises(DocumentError):
        store.get("sha256:../../../etc/passwd")


def test_a_changed_file_is_refused_when_it_is_read(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    digest = store.put(b"weights")
    next(path for path in tmp_path.rglob("*") if path.is_file()).write_bytes(b"weightz")
    with pytest.raises(BlobDamagedError, match="has another digest"):
        store.get(digest)
