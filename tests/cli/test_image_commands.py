"""`sealroom image`: by digest, tried out sealed, and never pulled."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.images import allowed_by, find_allowances
from cli.main import run
from cli.output import Output
from sandbox.images import LABEL_TREE
from tests.cli.conftest import Desk
from tests.provider_fixtures import POLICY
from tests.sandbox_fixtures import IMAGE, list_runtimes
from tests.web_servers import serve_app

EMPTY_TREE_LABEL = f"LABEL {LABEL_TREE}=sha256:{'0' * 64}"


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[str]:
    """An image of one file, without Python, whose label claims another tree than it has."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(f"only-{os.getpid()}")
        archive.addfile(member, io.BytesIO())
    (tmp_path / "tree.tar").write_bytes(packed.getvalue())
    name = f"sealroom-tests/tiny-{os.getpid()}"
    docker("import", "--change", EMPTY_TREE_LABEL, str(tmp_path / "tree.tar"), name)
    yield name
    docker("image", "rm", "--force", name)


@pytest.fixture
def registry() -> Iterator[tuple[str, list[str]]]:
    """A place that an engine could pull from, and who knocked there. The engine trusts loopback without TLS."""
    knocks: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        thread = threading.Thread(target=_listen, args=(server, knocks), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}/ward/model:latest", knocks
        with socket.create_connection(server.getsockname()) as goodbye:
            goodbye.sendall(b"bye")
        thread.join(30)


def _listen(server: socket.socket, knocks: list[str]) -> None:
    while True:
        connection, _ = server.accept()
        with connection:
            word = connection.recv(100)
            if word == b"bye":
                return
            knocks.append(repr(word))


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.strip()


def sealroom(
    capsys: pytest.CaptureFixture[str], home: Path, *arguments: str
) -> tuple[ExitCode, dict[str, Any], str]:
    """Run a command with `--json`; return its exit code, its document and its talk."""
    session = Session(environ={}, output=Output(), interactive=False, home_path=home)
    code = run([*arguments, "--json"], session)
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_the_list_tells_digest_tree_and_on_which_runtimes_a_job_can_be_sealed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str, tiny: str
) -> None:
    code, document, _ = sealroom(capsys, tmp_path, "image", "list")
    rows = {row["digest"]: row for row in document["images"]}
    assert code is ExitCode.OK
    assert rows[image_digest]["tree"].startswith("sha256:")
    assert rows[image_digest]["ready"] == " ".join(list_runtimes())
    assert rows[image_digest]["size_bytes"] > 10**8
    small = next(row for row in document["images"] if f"{tiny}:latest" in row["names"])
    assert "python3" in small["ready"]
    assert not any(trial["passed"] for trial in small["trials"])
    assert all("allowed_by" not in row for row in document["images"])


def test_a_quick_list_tries_nothing_and_fits_a_person(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str
) -> None:
    session = Session(environ={}, output=Output(), interactive=False, home_path=tmp_path)
    assert run(["image", "list", "--quick"], session) is ExitCode.OK
    out, _ = capsys.readouterr()
    assert image_digest in out
    assert "READY ON" not in out


def test_a_local_image_is_added_by_its_name_and_told_by_its_digest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str
) -> None:
    name = f"sealroom-tests/named-{os.getpid()}"
    docker("tag", image_digest, name)
    try:
        code, document, _ = sealroom(capsys, tmp_path, "image", "add", name)
    finally:
        docker("image", "rm", name)
    assert code is ExitCode.OK
    assert [item["digest"] for item in document["images"]] == [image_digest]
    assert document["images"][0]["ready"] == " ".join(list_runtimes())


def test_an_archive_is_loaded_and_an_image_without_python_is_told_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str
) -> None:
    digest = docker("image", "inspect", "--format", "{{.Id}}", tiny)
    archive = tmp_path / "tiny.tar"
    docker("save", "--output", str(archive), tiny)
    docker("image", "rm", tiny)
    code, document, talk = sealroom(capsys, tmp_path, "image", "add", str(archive))
    assert code is ExitCode.VERIFICATION
    assert [item["digest"] for item in document["images"]] == [digest]
    assert "Python 3.9" in talk
    assert docker("image", "inspect", "--format", "{{.Id}}", tiny) == digest


def test_a_file_that_is_no_archive_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    code, document, _ = sealroom(capsys, tmp_path, "image", "add", str(tmp_path / "notes.txt"))
    assert code is ExitCode.USAGE
    assert document["error"]["code"] == "image-invalid"
    assert "docker save" in document["error"]["message"]


def test_an_image_that_is_not_there_is_never_pulled(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, registry: tuple[str, list[str]]
) -> None:
    name, knocks = registry
    code, document, _ = sealroom(capsys, tmp_path, "image", "add", name)
    assert code is ExitCode.USAGE
    assert document["error"]["code"] == "image-missing"
    assert "docker save" in document["error"]["remedy"]
    for command in (["image", "verify", IMAGE], ["doctor", "--image", IMAGE]):
        code, document, _ = sealroom(capsys, tmp_path, *command)
        assert (code, document["error"]["code"]) == (ExitCode.USAGE, "image-missing")
    assert knocks == []
    subprocess.run(["docker", "pull", name], check=False, capture_output=True, timeout=60)
    assert knocks != []  # the engine would have come here


def test_an_image_with_the_tree_that_it_claims_is_verified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str
) -> None:
    code, document, _ = sealroom(capsys, tmp_path, "image", "verify", image_digest)
    assert code is ExitCode.OK
    assert document["verified"]
    assert document["tree"] == document["expected"]
    assert [trial["runtime"] for trial in document["trials"]] == list_runtimes()


@pytest.mark.parametrize("option", [[], ["--tree", "sha256:" + "1" * 64]], ids=["its label", "the option"])
def test_an_image_with_another_tree_than_expected_is_not_verified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: str, option: list[str]
) -> None:
    digest = docker("image", "inspect", "--format", "{{.Id}}", tiny)
    code, document, talk = sealroom(capsys, tmp_path, "image", "verify", digest, *option)
    assert code is ExitCode.VERIFICATION
    assert not document["verified"]
    assert document["tree"] in talk
    assert "try: " in talk


def test_an_image_with_nothing_to_compare_is_not_verified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "tree.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo(f"unlabelled-{os.getpid()}"), io.BytesIO())
    digest = docker("import", str(tmp_path / "tree.tar"))
    try:
        code, document, talk = sealroom(capsys, tmp_path, "image", "verify", digest)
    finally:
        docker("image", "rm", digest)
    assert code is ExitCode.VERIFICATION
    assert document["expected"] is None
    assert "--tree" in talk


def test_trials_leave_no_container_and_no_file_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_digest: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert sealroom(capsys, tmp_path, "image", "add", image_digest)[0] is ExitCode.OK
    owner = f"label=org.sealroom.owner=sealroom-trial-{os.getpid()}"
    assert docker("ps", "--all", "--quiet", "--filter", owner) == ""
    assert list(tmp_path.iterdir()) == []


def test_the_list_knows_which_published_policies_allow_an_image(desk: Desk) -> None:
    anyone = desk.lab.add_dataset().asset_id
    listed = desk.lab.add_dataset(policy=f"{POLICY}\nimages: [{IMAGE}]\n", path="wards.csv").asset_id
    with serve_app(desk.lab.client.application) as url:
        session = desk.session("owner", desk.lab.people.owner, url=url)
        session.home.settings_file.parent.mkdir(parents=True)
        session.home.settings_file.write_text("")
        allowances = find_allowances(session)
    assert allowances is not None
    assert allowed_by(allowances, IMAGE) == sorted([anyone, listed])
    assert allowed_by(allowances, "sha256:" + "1" * 64) == [anyone]


def test_a_home_without_a_provider_or_with_a_silent_one_says_nothing_of_policies(desk: Desk) -> None:
    desk.lab.add_dataset()
    session = desk.session("owner", desk.lab.people.owner, url="http://127.0.0.1:9")
    assert find_allowances(session) is None
    session.home.settings_file.parent.mkdir(parents=True)
    session.home.settings_file.write_text("")
    assert find_allowances(session) is None
