"""Every byte that a log answers with, changed, lost or added: the mirror refuses it by name and keeps no copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.errors import CliError
from cli.mirrored import MirrorFolder
from cli.mirroring import LogKeys, copy_log
from cli.remotelog import RemoteLog
from provider.receipts.envelope import parse_envelope
from provider.receipts.errors import ReceiptError
from tests.log_samples import KEYS, make_log
from tests.receipt_samples import ORIGIN
from tests.web_servers import serve_app

SIZE = 2
LOG = make_log(SIZE)
LOG_KEYS = LogKeys(ORIGIN, (KEYS.public().ed25519,))
NAMES = ("checkpoint", "tile/0/000.p/2", "tile/entries/000.p/2", "receipts/000.p/2")


@dataclass(slots=True)
class Site:
    """A web server for a few files in memory."""

    files: dict[str, bytes]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        data = self.files.get(environ["PATH_INFO"].lstrip("/"))
        start_response("404 Not Found" if data is None else "200 OK", [])
        return [data or b""]


@dataclass(slots=True)
class Sample:
    """A small log, where it is served, and a folder for copies."""

    site: Site
    source: RemoteLog
    folder: Path
    copies: int = 0

    def is_copied(self, name: str, data: bytes) -> bool:
        """Copy the log with other bytes in one file, and tell whether that went well; nothing foreign may be raised."""
        self.copies += 1
        folder = self.folder / f"copy-{self.copies}"
        true, self.site.files[name] = self.site.files[name], data
        try:
            copy_log(self.source, self.source.checkpoint(), folder, LOG_KEYS, tell=lambda *_: None)
        except (ReceiptError, CliError):
            assert not (folder / "checkpoint").exists()
            return False
        finally:
            self.site.files[name] = true
        copied = [parse_envelope(line).pae for _, line in MirrorFolder(folder).receipts(0, SIZE)]
        assert copied == [envelope.pae for envelope in LOG.envelopes]
        assert MirrorFolder(folder).checkpoint() == LOG.checkpoint(SIZE)
        return True


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = tmp_path_factory.mktemp("mirrors")
    LOG.lay_out(folder / "true", SIZE)
    site = Site({name: (folder / "true" / name).read_bytes() for name in NAMES})
    with serve_app(site) as url, RemoteLog(url) as source:
        yield Sample(site, source, folder)


def bound_bytes(data: bytes) -> list[int]:
    """Return the places of a receipts file that its log binds: all but the signatures and the names of their keys."""
    free = set()
    for word in (b'"keyid":"', b'"sig":"'):
        start = 0
        while (at := data.find(word, start)) >= 0:
            start = at + len(word)
            free |= set(range(start, data.index(b'"', start)))
    return [at for at in range(len(data)) if at not in free]


@pytest.mark.parametrize("name", NAMES)
def test_no_byte_can_be_another(sample: Sample, name: str) -> None:
    data = sample.site.files[name]
    places = bound_bytes(data) if name.startswith("receipts") else range(len(data))
    for at in places:
        changed = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
        assert not sample.is_copied(name, changed), f"byte {at} of {name}"


def test_what_a_log_does_not_bind_of_a_receipt_changes_nothing_of_what_it_says(sample: Sample) -> None:
    (name,) = [name for name in NAMES if name.startswith("receipts")]
    data = sample.site.files[name]
    for at in sorted(set(range(len(data))) - set(bound_bytes(data))):
        sample.is_copied(name, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("name", NAMES)
def test_no_file_can_be_cut_lengthened_or_doubled(sample: Sample, name: str) -> None:
    data = sample.site.files[name]
    for size in range(len(data)):
        assert not sample.is_copied(name, data[:size]), f"{size} bytes of {name}"
    for more in (b"\x00", b"\n", data[-1:], data, b"x" * 70_000):
        assert not sample.is_copied(name, data + more)


@pytest.mark.parametrize("name", NAMES[1:])
def test_no_two_parts_can_change_places(sample: Sample, name: str) -> None:
    data = sample.site.files[name]
    first, second = data[: len(data) // SIZE], data[len(data) // SIZE :]
    assert len(first) == len(second)
    for wrong in (second + first, first + first, second + second):
        assert not sample.is_copied(name, wrong)


def test_the_true_files_are_copied(sample: Sample) -> None:
    assert all(sample.is_copied(name, sample.site.files[name]) for name in NAMES)
