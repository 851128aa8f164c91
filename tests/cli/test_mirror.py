"""A mirror over HTTP of a real log: whole, kept up, stopped and gone on, and never of another history or of what isn't proven."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.mirroring import LogKeys, copy_log
from cli.output import Output
from cli.remotelog import RemoteLog
from provider.receipts.keys import SigningKeys
from provider.receipts.splitview import verify_split_view
from provider.receipts.trust import TrustRoot
from tests.log_house import LogHouse, open_log_house
from tests.log_samples import KEYS, SampleLog, make_log
from tests.receipt_samples import CHAIN_ID, ESCROW, ORIGIN, PROVIDER, trusted_key
from tests.web_servers import serve_app

SIZES = (300, 530)
LOG_KEYS = LogKeys(ORIGIN, (KEYS.public().ed25519,))


@dataclass(slots=True)
class Street:
    """What stands between a provider and whoever reads its log: it counts, changes answers, and may do worse."""

    app: Callable[..., Iterable[bytes]]
    asked: list[str] = field(default_factory=list)
    changed: dict[str, bytes] = field(default_factory=dict)
    meanwhile: Callable[[str], object] = str

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        name = environ["PATH_INFO"].removeprefix("/v1/log/")
        self.asked.append(name)
        self.meanwhile(name)
        if name in self.changed:
            start_response("200 OK", [("Content-Type", "application/octet-stream")])
            return [self.changed[name]]
        return self.app(environ, start_response)


@dataclass(slots=True)
class Town:
    """One log, where it is served, a trust root file and the command that people type."""

    log: SampleLog
    house: LogHouse
    street: Street
    url: str
    folder: Path
    trust: Path
    capsys: pytest.CaptureFixture[str]

    def mirror(self, *, url: str = "", expect: ExitCode = ExitCode.OK) -> dict[str, Any]:
        session = Session(environ={}, output=Output(), interactive=False, home_path=self.folder / "no home")
        code = run(
            ["mirror", url or self.url, "-o", str(self.copy), "--trust", str(self.trust), "--json"], session
        )
        out, err = self.capsys.readouterr()
        assert code is expect, out + err
        document: dict[str, Any] = json.loads(out)
        return document

    @property
    def copy(self) -> Path:
        return self.folder / "copy"

    def expected(self, size: int) -> dict[str, bytes]:
        """Return what the folder of a copy of that size has, file by file."""
        folder = self.folder / f"expected-{size}"
        self.log.lay_out(folder, size)
        return files_of(folder)

    def show(self, log: SampleLog, size: int) -> None:
        """Have the provider show another log from now on."""
        other = open_log_house(self.folder / f"other-{size}-{len(list(self.folder.iterdir()))}")
        other.grow(log, size)
        self.street.app = other.app
        other.database.close()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def log() -> SampleLog:
    return make_log(SIZES[1] + 1)


@pytest.fixture
def town(log: SampleLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Town]:
    house = open_log_house(tmp_path / "home")
    house.grow(log, SIZES[0])
    trust = tmp_path / "trust.json"
    trust.write_bytes(TrustRoot(1, CHAIN_ID, ESCROW, PROVIDER, ORIGIN, (trusted_key(KEYS),), ()).to_json())
    street = Street(house.app)
    with serve_app(street) as url:
        yield Town(log, house, street, url, tmp_path, trust, capsys)
    house.database.close()


def test_a_copy_is_the_log_in_the_standard_layout_for_everybody_to_read(town: Town) -> None:
    document = town.mirror()
    assert document["receipts"] == document["new"] == SIZES[0]
    assert document["log"] == ORIGIN
    assert files_of(town.copy) == town.expected(SIZES[0])
    assert {oct(path.stat().st_mode & 0o777) for path in town.copy.rglob("*") if path.is_file()} == {"0o644"}


def test_a_copy_is_kept_up_by_fetching_what_is_new_and_fuller_parts_take_the_place_of_others(
    town: Town,
) -> None:
    town.mirror()
    town.house.grow(town.log, SIZES[1])
    town.street.asked.clear()
    assert town.mirror()["new"] == SIZES[1] - SIZES[0]
    assert files_of(town.copy) == town.expected(SIZES[1])
    assert not list(town.copy.rglob("001.p"))
    assert not [name for name in town.street.asked if name.endswith("000") and name != "tile/0/000"]
    town.street.asked.clear()
    assert town.mirror()["new"] == 0
    assert set(town.street.asked) == {"/checkpoint", "checkpoint"}


def test_a_copy_can_be_copied_from_any_web_server(town: Town) -> None:
    town.mirror()
    first = files_of(town.copy)
    (town.copy).rename(town.folder / "served")
    with serve_app(static_site(town.folder / "served")) as url:
        assert town.mirror(url=f"{url}/")["receipts"] == SIZES[0]
    assert files_of(town.copy) == first


def static_site(folder: Path) -> Callable[..., Iterable[bytes]]:
    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = folder / environ["PATH_INFO"].lstrip("/")
        start_response("200 OK" if path.is_file() else "404 Not Found", [])
        return FileWrapper(path.open("rb")) if path.is_file() else []

    return serve


def test_large_receipts_go_through_without_being_held(tmp_path: Path) -> None:
    make_log(48, padding=200_000).lay_out(tmp_path / "large", 48)
    with serve_app(static_site(tmp_path / "large")) as url, RemoteLog(url) as source:
        note = source.checkpoint()
        tracemalloc.start()
        try:
            copy_log(source, note, tmp_path / "copy", LOG_KEYS, tell=lambda *_: None)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert files_of(tmp_path / "copy") == files_of(tmp_path / "large")
    assert peak_bytes < 48 * 200_000 / 2


def test_after_an_answer_that_fails_the_same_command_goes_on_where_it_was(town: Town) -> None:
    failing = {"receipts/001.p/44"}

    def fail(name: str) -> None:
        if name in failing:
            raise ConnectionAbortedError

    town.street.meanwhile = fail
    assert town.mirror(expect=ExitCode.UNREACHABLE)["error"]["code"] == "log-unreachable"
    assert "checkpoint" not in files_of(town.copy)
    failing.clear()
    town.street.asked.clear()
    town.mirror()
    assert files_of(town.copy) == town.expected(SIZES[0])
    assert "receipts/000" not in town.street.asked
    assert "receipts/001.p/44" in town.street.asked


def test_a_mirror_that_is_killed_leaves_what_the_next_one_completes(town: Town) -> None:
    command = [
        sys.executable,
        "-m",
        "cli",
        "mirror",
        town.url,
        "-o",
        str(town.copy),
        "--trust",
        str(town.trust),
    ]
    mirrors: list[subprocess.Popen[bytes]] = []

    def kill(name: str) -> None:
        if name == "receipts/001.p/44":
            os.kill(mirrors[0].pid, signal.SIGKILL)

    town.street.meanwhile = kill
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as mirror:
        mirrors.append(mirror)
    assert mirror.returncode == -signal.SIGKILL
    town.street.meanwhile = str
    town.mirror()
    assert files_of(town.copy) == town.expected(SIZES[0])


@pytest.mark.parametrize("size", [SIZES[0], SIZES[1], 290])
def test_another_history_changes_nothing_and_leaves_evidence_that_convinces_others(
    town: Town, size: int
) -> None:
    town.mirror()
    before = files_of(town.copy)
    town.show(make_log(SIZES[1], seed="another"), size)
    for _ in range(2):
        document = town.mirror(expect=ExitCode.VERIFICATION)
        assert document["error"]["code"] == "split-view"
    after = files_of(town.copy)
    (name,) = after.keys() - before.keys()
    assert {path: after[path] for path in before} == before
    found = verify_split_view(after[name], ORIGIN, LOG_KEYS.ed25519)
    assert {found.smaller.size, found.larger.size} == {SIZES[0], size}


def test_a_log_that_goes_back_behind_what_it_signed_leaves_the_copy_as_it_was(town: Town) -> None:
    town.mirror()
    town.show(town.log, 290)
    assert town.mirror(expect=ExitCode.VERIFICATION)["error"]["code"] == "log-behind"
    assert files_of(town.copy) == town.expected(SIZES[0])


def test_what_a_stopped_mirror_left_of_a_history_that_was_never_signed_off_is_not_kept(town: Town) -> None:
    make_log(SIZES[0], seed="another").lay_out(town.copy, SIZES[0])
    (town.copy / "checkpoint").unlink()
    town.mirror()
    assert files_of(town.copy) == town.expected(SIZES[0])


def test_any_key_that_was_published_for_the_log_may_have_signed_its_checkpoint(town: Town) -> None:
    stranger = SigningKeys.generate(CHAIN_ID).public().ed25519
    keys = (trusted_key(KEYS), replace(trusted_key(KEYS), ed25519=stranger))
    for order in (keys, keys[::-1]):
        trust = TrustRoot(1, CHAIN_ID, ESCROW, PROVIDER, ORIGIN, order, ())
        town.trust.write_bytes(trust.to_json())
        assert town.mirror()["receipts"] == SIZES[0]


def test_a_log_by_a_key_that_was_not_published_is_not_copied(town: Town) -> None:
    stranger = SigningKeys.generate(CHAIN_ID)
    town.street.changed["checkpoint"] = town.log.checkpoint(SIZES[0], stranger).encode()
    document = town.mirror(expect=ExitCode.VERIFICATION)
    assert document["error"]["code"] == "unknown-key"
    assert not town.copy.exists()


def test_a_folder_with_another_logs_copy_or_a_damaged_one_is_left_alone(town: Town) -> None:
    town.mirror()
    stranger = town.log.checkpoint(SIZES[0], SigningKeys.generate(CHAIN_ID)).encode()
    for note in (stranger, b"", b"\xff"):
        (town.copy / "checkpoint").write_bytes(note)
        before = files_of(town.copy)
        assert town.mirror(expect=ExitCode.VERIFICATION)["error"]["code"] == "other-log"
        assert files_of(town.copy) == before


def test_only_one_command_copies_into_a_folder(town: Town) -> None:
    with RemoteLog(f"{town.url}/v1/log") as source:
        note, seen = source.checkpoint(), []

        def try_too(_done: int, _total: int) -> None:
            seen.append(town.mirror(expect=ExitCode.DENIED)["error"]["code"])

        copy_log(source, note, town.copy, LOG_KEYS, tell=try_too)
    assert seen == ["mirror-busy"] * 2


def endless(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    while True:
        yield b"{" * 65_536


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/001.p/44", "tile/entries/000"])
def test_an_answer_without_an_end_is_read_no_further_than_it_may_be_long(town: Town, name: str) -> None:
    truth = town.street.app
    town.street.app = lambda environ, start: (
        endless(environ, start) if environ["PATH_INFO"].endswith(name) else truth(environ, start)
    )
    assert town.mirror(expect=ExitCode.UNREACHABLE)["error"]["code"] == "log-unreachable"


def test_a_receipt_without_an_end_is_read_no_further_than_one_may_be_long(town: Town) -> None:
    truth = town.street.app
    town.street.app = lambda environ, start: (
        endless(environ, start) if "/receipts/" in environ["PATH_INFO"] else truth(environ, start)
    )
    assert town.mirror(expect=ExitCode.VERIFICATION)["error"]["code"] == "malformed"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/log", "http://user@host/", "nowhere", "file:///etc/passwd"])
def test_what_is_no_address_of_a_log_is_said(town: Town, url: str) -> None:
    assert town.mirror(url=url, expect=ExitCode.USAGE)["error"]["code"] == "url-invalid"


def test_without_a_chain_or_a_trust_file_nothing_is_copied(town: Town) -> None:
    words = ["mirror", town.url, "-o", str(town.copy), "--json"]
    session = Session(environ={}, output=Output(), interactive=False, home_path=town.folder / "no home")
    assert run(words, session) is ExitCode.USAGE
    assert json.loads(town.capsys.readouterr().out)["error"]["code"] == "no-trust-root"
    assert not town.copy.exists()


def test_where_there_is_no_log_that_is_said(town: Town) -> None:
    with serve_app(static_site(town.folder / "nothing")) as url:
        assert town.mirror(url=url, expect=ExitCode.UNREACHABLE)["error"]["code"] == "log-file-missing"
