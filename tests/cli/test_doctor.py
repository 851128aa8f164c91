"""`sealroom doctor`: what it says of this machine, of one whose seal is broken, and of one that lacks something."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.output import Output
from sandbox.engine import DockerEngine
from sandbox.enginefacts import EngineFacts, read_engine
from sandbox.images import ImageFacts
from sandbox.imagestore import ImageStore
from sandbox.spec import RunSpec, Runtime
from tests.sandbox_fixtures import list_runtimes


class MisSealing(DockerEngine):
    """An engine that gives every container a capability."""

    def options(self, spec: RunSpec) -> dict[str, Any]:
        options = super().options(spec)
        options["HostConfig"] |= {"CapDrop": [], "CapAdd": ["SYS_ADMIN"]}
        return options


class PlainEngine(DockerEngine):
    """An engine without gVisor."""

    def runtimes(self) -> frozenset[Runtime]:
        return frozenset({Runtime.RUNC})


class EmptyStore(ImageStore):
    """An engine without an image."""

    def list_images(self) -> tuple[ImageFacts, ...]:
        return ()


def doctor(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> tuple[ExitCode, str]:
    session = Session(environ={}, output=Output(), interactive=False, home_path=home)
    code = run(["doctor", *arguments], session)
    return code, capsys.readouterr().out


def examined(
    capsys: pytest.CaptureFixture[str], home: Path, *arguments: str
) -> tuple[ExitCode, dict[str, Any]]:
    code, out = doctor(capsys, home, "--json", *arguments)
    document: dict[str, Any] = json.loads(out)
    return code, document


def without_gvisor(engine: DockerEngine) -> EngineFacts:
    return dataclasses.replace(read_engine(engine), runtimes={"runc": ()})


def without_filter(engine: DockerEngine) -> EngineFacts:
    facts = read_engine(engine)
    return dataclasses.replace(facts, runtimes={**facts.runtimes, "runsc": ("--network=none",)})


def test_a_machine_that_can_seal_is_said_so_on_one_page_without_a_home_or_a_provider(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str
) -> None:
    code, page = doctor(capsys, tmp_path / "none", "--image", image_digest)
    assert code is ExitCode.OK
    assert page.splitlines()[-1] == "A job can be sealed here."
    assert "DIFFERS" not in page
    assert len(page.splitlines()) < 100
    for word in ("Docker", "cgroups", "free disk", "free memory", image_digest, "refused_calls"):
        assert word in page
    assert "chain tools" not in page
    assert not (tmp_path / "none").exists()
    for runtime in list_runtimes():
        assert f"seal on {runtime}" in page


def test_every_runtime_of_the_engine_is_probed_and_json_cuts_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str
) -> None:
    code, document = examined(capsys, tmp_path)
    assert code is ExitCode.OK
    assert document["healthy"]
    assert {trial["runtime"] for trial in document["trials"]} == set(list_runtimes())
    assert image_digest in document["images"]
    assert all(row["ok"] and "…" not in row["expected"] + row["seen"] for row in document["probe"])
    assert {runtime for row in document["probe"] for runtime in row["runtimes"]} == set(list_runtimes())
    assert "chain tools" in document["facts"]


def test_a_broken_seal_is_found_and_the_row_that_differs_is_shown_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.images.DockerEngine", MisSealing)
    code, page = doctor(capsys, tmp_path, "--image", image_digest)
    assert code is ExitCode.VERIFICATION
    differing = [line for line in page.splitlines() if line.endswith("DIFFERS")]
    assert any("cap_add" in line.lower() or "capabilities" in line for line in differing)
    assert not any("…" in line for line in differing)
    assert "runc: the seal is not whole" in page
    assert page.splitlines()[-1] == "Not every job can be sealed here."


def test_an_engine_that_does_not_answer_is_said_with_how_to_start_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.engine.DEFAULT_URL", f"unix://{tmp_path}/none.sock")
    code, document = examined(capsys, tmp_path)
    assert code is ExitCode.UNREACHABLE
    assert not document["healthy"]
    assert document["facts"]["engine"] == "doesn't answer"
    (missing,) = [item for item in document["missing"] if item["vital"]]
    assert "deploy/setup/engine.sh" in missing["remedy"]


def test_a_machine_without_an_image_is_told_how_to_get_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.images.ImageStore", EmptyStore)
    code, document = examined(capsys, tmp_path)
    assert code is ExitCode.UNREACHABLE
    (missing,) = [item for item in document["missing"] if item["vital"]]
    assert "deploy/image/build.sh" in missing["remedy"]


def test_without_gvisor_jobs_can_be_sealed_and_the_lack_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, image_digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.images.DockerEngine", PlainEngine)
    monkeypatch.setattr("cli.doctoring.read_engine", without_gvisor)
    code, page = doctor(capsys, tmp_path, "--image", image_digest)
    assert code is ExitCode.OK
    (lack,) = [line for line in page.splitlines() if "gVisor (runsc)" in line]
    assert "install runsc and register it" in lack


def test_a_gvisor_that_is_registered_without_the_filter_inside_is_said_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.doctoring.read_engine", without_filter)
    _, document = examined(capsys, tmp_path)
    (missing,) = [item for item in document["missing"] if "--oci-seccomp" in item["what"]]
    assert "runtimeArgs" in missing["remedy"]


def test_little_room_is_said_and_keeps_nothing_from_being_sealed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_digest: str
) -> None:
    monkeypatch.setattr("cli.doctoring.MIN_DISK_BYTES", 2**60)
    monkeypatch.setattr("cli.doctoring.MIN_MEMORY_BYTES", 2**60)
    code, document = examined(capsys, tmp_path, "--image", image_digest)
    assert code is ExitCode.OK
    assert {item["what"] for item in document["missing"]} >= {"disk for jobs", "memory for jobs"}


def test_a_home_whose_chain_tools_are_gone_is_told_how_to_get_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_digest: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("datatokens.localchain._REPOSITORY", tmp_path)
    code, document = examined(capsys, tmp_path, "--image", image_digest)
    assert code is ExitCode.OK
    (missing,) = [item for item in document["missing"] if "anvil" in item["what"]]
    assert "deploy/setup/node.sh" in missing["remedy"]
