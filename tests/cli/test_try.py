"""Jobs that are tried on one's own machine, in real containers: what the gate would say, before anything is paid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
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

COUNTS = """\
kind: recipe
name: ward-counts
version: "1"
image: {image}
recipe:
  task: synthesis
  features:
    - {{kind: integer, column: age, min: "0", max: "120", bins: 4}}
    - {{kind: boolean, column: smoker}}
  target: smoker
  privacy: {{epsilon: 2, delta: "0.001"}}
"""
DIFFERENTIAL = (
    POLICY.replace("weights: {max_bytes: 1MiB}", "weights: {max_bytes: 2MiB}")
    + 'privacy: {mode: differential, delta: "0.001", budget: "5"}\nimages: [IMAGE]\n'
)
MEASURED = POLICY + (
    'privacy: {mode: measured, tests: {min_rows: 20, hold_back: "0.5"}}\n'
    'review: {reviewers: ["0x90F79bf6EB2c4f870365E785982E1f101E93b906"], when: not-passed}\n'
)
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
        (self.folder / "policy.yaml").write_text(text.replace("IMAGE", self.image))
        return str(self.folder / "policy.yaml")

    def recipe(self, text: str) -> Path:
        folder = self.folder / "recipe"
        folder.mkdir()
        (folder / "algorithm.yaml").write_text(text.format(image=self.image))
        return folder

    def try_(self, source: str | Path, *words: str, expect: ExitCode) -> dict[str, Any]:
        bundle = source if isinstance(source, Path) else self.bundle(source)
        command = ["job", "try", str(bundle), *words, "--output", str(self.folder / "out"), "--json"]
        command += [] if "--description" in words else ["--data", str(self.folder / "synth")]
        return self.type(*command, expect=expect)

    def type(self, *words: str, expect: ExitCode = ExitCode.OK) -> dict[str, Any]:
        code = run(list(words), self.session())
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


def test_rows_are_held_back_and_the_privacy_tests_are_made_as_the_policy_asks(desk: Desk) -> None:
    source = CODE_TO_TRY.replace("print('rows are read', flush=True)", "") + "print(len(rows) - 1)\n"
    found = desk.try_(source, "--policy", desk.policy(MEASURED), expect=ExitCode.JOB)
    assert 5 <= int(found["log"]) <= 35
    assert (found["verdict"], found["rule"]) == ("WITHHELD-FOR-REVIEW", "rows-held-back")
    assert {check["name"]: check["passed"] for check in found["checks"]}["rows-verbatim"]


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("epsilon: 2", "epsilon: 6", "its budget is 5"),
        ('max: "120"', 'max: "121"', "not those of the dataset's schema"),
        ("0.001", "0.1", "a delta of 0.1 is above the policy's"),
    ],
)
def test_a_recipe_that_a_policy_of_privacy_does_not_admit_is_refused_before_it_runs(
    desk: Desk, old: str, new: str, detail: str
) -> None:
    bundle = desk.recipe(COUNTS.replace(old, new))
    words = ["--description", str(desk.folder / "croissant.json"), "--policy", desk.policy(DIFFERENTIAL)]
    found = desk.try_(bundle, *words, "--rows", "40", expect=ExitCode.DENIED)
    assert any(detail in item["detail"] for item in found["denied"])


def test_rows_made_from_a_schema_give_counts_and_these_give_rows_again(desk: Desk) -> None:
    bundle, description = desk.recipe(COUNTS), str(desk.folder / "croissant.json")
    words = ["--description", description, "--policy", desk.policy(DIFFERENTIAL), "--rows", "400"]
    found = desk.try_(bundle, *words, expect=ExitCode.OK)
    assert found["verdict"] == "RELEASED"
    assert found["privacy"]["mechanisms"][0]["count"] == 3
    assert 1.9 < float(found["privacy"]["epsilon"]) <= 2
    released = str(Path(found["folder"]) / "released")
    made = ["dataset", "synth", "--description", description, "--from", released, "--recipe", str(bundle)]
    desk.type(*made, "--rows", "50", "-o", str(desk.folder / "again"), "--json")
    rows = pd.read_csv(desk.folder / "again" / "data.csv")
    assert len(rows) == 50
    assert rows["age"].between(0, 120).all()
