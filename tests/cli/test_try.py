"""Jobs that are tried on one's own machine, in real containers: what the gate would say, before anything is paid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.bundles import write_bundle
from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from provider.columns import profile_dataset
from provider.croissant import build_croissant
from provider.datasets import hash_files, list_files
from provider.tableschema import read_schema
from sandbox.staging import cleanup
from tests.provider_fixtures import HONEST, POLICY, make_bundle
from tests.schema_samples import SCHEMA, TABLE

CODE_TO_TRY = HONEST.replace("import json", "print('rows are read', flush=True)\nimport json", 1)


@dataclass(slots=True)
class Desk:
    """A folder with a bundle and rows that nobody has, and the command that is typed there."""

    folder: Path
    image: str
    session: Callable[[], Session]
    capsys: pytest.CaptureFixture[str]

    def bundle(self, source: str) -> Path:
        folder = self.folder / "bundle"
        write_bundle(make_bundle(source, image=self.image), folder)
        return folder

    def policy(self, text: str = POLICY) -> str:
        (self.folder / "policy.yaml").write_text(text)
        return str(self.folder / "policy.yaml")

    def try_(self, source: str, *words: str, expect: ExitCode) -> dict[str, Any]:
        command = ["job", "try", str(self.bundle(source)), "--data", str(self.folder / "synth"), *words]
        command += ["--output", str(self.folder / "out"), "--json"]
        code = run(command, self.session())
        printed = self.capsys.readouterr()
        assert code is expect, printed.err
        found: dict[str, Any] = json.loads(printed.out)
        return found


@pytest.fixture
def desk(
    tmp_path: Path,
    image_digest: str,
    bare_session: Callable[..., Session],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    (tmp_path / "work").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))
    study = tmp_path / "study"
    study.mkdir()
    (study / "wards.csv").write_text(TABLE)
    files = list_files(study)
    profile = profile_dataset(files)
    described = build_croissant("Wards", "", hash_files(files), profile, read_schema(SCHEMA, profile))
    (tmp_path / "croissant.json").write_bytes(described)
    words = ["dataset", "synth", "--description", str(tmp_path / "croissant.json"), "--rows", "40"]
    assert run([*words, "-o", str(tmp_path / "synth")], bare_session()) is ExitCode.OK
    capsys.readouterr()
    yield Desk(tmp_path, image_digest, bare_session, capsys)
    cleanup(tmp_path)


def test_what_the_gate_would_let_out_is_told_with_the_log_and_lies_there(desk: Desk) -> None:
    found = desk.try_(CODE_TO_TRY, "--policy", desk.policy(), expect=ExitCode.OK)
    assert (found["verdict"], found["rule"], found["reason"]) == ("RELEASED", "", "completed")
    assert found["log"] == "rows are read\n"
    assert all(check["passed"] for check in found["checks"])
    out = Path(found["folder"])
    assert {name for name in found["files"] if (out / name).is_file()} == set(found["files"])
    assert json.loads((out / "released/metrics.json").read_text()) == {"loss": 0.1235}
    assert list((desk.folder / "work").iterdir()) == []


def test_what_it_would_hold_back_is_told_by_its_rule_and_still_shown_to_whose_data_it_is(desk: Desk) -> None:
    source = CODE_TO_TRY + "out.joinpath('rows.csv').write_text('x')\n"
    found = desk.try_(source, expect=ExitCode.JOB)
    assert (found["verdict"], found["rule"]) == ("WITHHELD", "only-declared-files")
    assert (Path(found["folder"]) / "produced/rows.csv").read_text() == "x"
    assert not (Path(found["folder"]) / "released").exists()


def test_an_error_of_the_algorithm_is_shown_as_it_printed_it(desk: Desk) -> None:
    found = desk.try_("raise SystemExit('no such column: dose')\n", expect=ExitCode.JOB)
    assert (found["verdict"], found["rule"]) == ("FAILED", "algorithm-failed")
    assert "no such column: dose" in found["log"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("weights: {max_bytes: 1MiB}", "weights: {max_bytes: 10}", "outputs-allowed"),
        ("approvals: [owner]", f"images: [sha256:{'0' * 64}]", "image-allowed"),
    ],
)
def test_a_rule_that_the_bundle_breaks_is_told_before_anything_runs(
    desk: Desk, old: str, new: str, rule: str
) -> None:
    found = desk.try_(HONEST, "--policy", desk.policy(POLICY.replace(old, new)), expect=ExitCode.DENIED)
    assert (found["verdict"], found["rule"]) == ("REFUSED", rule)
    assert found["reason"] is None
    assert found["denied"][0]["detail"]


def test_parameters_that_the_bundle_does_not_take_are_refused(desk: Desk) -> None:
    for text in ("[1]", "{a: 1", "{a: {b: !!python/none 1}}"):
        words = ["job", "try", str(desk.folder), "--data", str(desk.folder / "synth"), "--parameters", text]
        assert run(words, desk.session()) is ExitCode.USAGE


def test_there_must_be_something_to_run_on(desk: Desk) -> None:
    bundle = desk.bundle(HONEST)
    assert run(["job", "try", str(bundle)], desk.session()) is ExitCode.USAGE
    assert "something to run on" in desk.capsys.readouterr().err
