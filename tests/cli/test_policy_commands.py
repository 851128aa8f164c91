"""`sealroom policy`: what an owner learns of a document before it is registered; needs no home, chain or provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from policies.canonical import digest_of

READY = Path(__file__).parents[2] / "examples" / "policies"
ETHICS = READY / "not-for-profit-with-ethics.yaml"
MakeSession = Callable[..., Session]


@pytest.fixture
def ask(bare_session: MakeSession, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[ExitCode, Any]]:
    def call(*words: str) -> tuple[ExitCode, Any]:
        code = run(["--json", "policy", *words], bare_session())
        return code, json.loads(capsys.readouterr().out)

    return call


def test_a_policy_that_holds_is_told_with_its_digest(ask: Callable[..., tuple[ExitCode, Any]]) -> None:
    code, said = ask("check", str(ETHICS))
    assert code is ExitCode.OK
    assert (said["digest"], said["allows_anything"]) == (digest_of(ETHICS.read_bytes()), True)


def test_a_policy_that_allows_nobody_holds_and_is_told_to_allow_nothing(
    ask: Callable[..., tuple[ExitCode, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "nobody.yaml"
    file.write_text(ETHICS.read_text().replace("consumers: anyone", "consumers: []"))
    code, said = ask("check", str(file))
    assert (code, said["holds"], said["allows_anything"]) == (ExitCode.OK, True, False)


def test_a_mistake_is_told_with_its_line_and_path(
    ask: Callable[..., tuple[ExitCode, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(ETHICS.read_text().replace("mode: none", "mode: off"))
    code, said = ask("check", str(file))
    assert code is ExitCode.USAGE
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "mode: off" in text)
    assert said["error"]["message"].startswith(f"policy: line {line}: data.privacy.mode: ")


def test_an_address_with_a_slip_in_it_is_told_with_its_line(
    ask: Callable[..., tuple[ExitCode, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(ETHICS.read_text().replace("0x70997970C5", "0x70997970c5"))
    code, said = ask("check", str(file))
    assert (code, said["error"]["code"]) == (ExitCode.USAGE, "address-checksum")
    line = next(
        number for number, text in enumerate(file.read_text().splitlines(), 1) if "0x70997970c5" in text
    )
    assert f"line {line}" in said["error"]["message"]


def test_a_policy_is_explained_under_the_five_safes_with_its_promises(
    ask: Callable[..., tuple[ExitCode, Any]],
    bare_session: MakeSession,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, said = ask("explain", str(ETHICS))
    assert list(said) == ["digest", "projects", "people", "data", "settings", "outputs"]
    forces = {item["part"]: item["force"] for item in said["projects"]}
    assert forces == {
        "DUO:0000042": "enforced",
        "DUO:0000045": "enforced",
        "DUO:0000021": "enforced",
        "DUO:0000044": "enforced",
        "DUO:0000022": "promise",
    }
    run(["policy", "explain", str(ETHICS)], bare_session())
    page = capsys.readouterr().out
    assert "regions that the owner names: DE, FR, NO (a promise that the scientist signs)" in page


def test_the_cases_beside_a_policy_are_decided_and_a_mismatch_ends_with_an_error(
    ask: Callable[..., tuple[ExitCode, Any]], tmp_path: Path
) -> None:
    code, said = ask("test", str(ETHICS))
    assert (code, said["failed"]) == (ExitCode.OK, 0)
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        "version: 1\ncases:\n  - {name: ancestry, facts: {purpose: DUO:0000011}, expect: allow}\n"
    )
    code, said = ask("test", str(ETHICS), str(cases))
    assert (code, said["failed"]) == (ExitCode.VERIFICATION, 1)
    assert (said["cases"][0]["decided"], said["cases"][0]["rule"]) == ("deny", "purpose-allowed")


def test_a_mismatch_is_told_for_people_with_what_was_expected(
    bare_session: MakeSession, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text("version: 1\ncases:\n  - {name: a case, expect: deny, rule: gpus-allowed}\n")
    run(["policy", "test", str(ETHICS), str(cases)], bare_session())
    page = capsys.readouterr().out
    assert "expected deny by gpus-allowed" in page
    assert "1 cases, 1 decided otherwise than expected" in page


def test_cases_that_are_missing_or_wrong_are_told(
    ask: Callable[..., tuple[ExitCode, Any]], tmp_path: Path
) -> None:
    code, said = ask("test", str(ETHICS), str(tmp_path / "none.yaml"))
    assert (code, said["error"]["code"]) == (ExitCode.USAGE, "file-unreadable")
    cases = tmp_path / "cases.yaml"
    cases.write_text("version: 1\ncases:\n  - {name: a}\n")
    code, said = ask("test", str(ETHICS), str(cases))
    assert code is ExitCode.USAGE
    assert "cases: line 3: cases.0.expect: " in said["error"]["message"]
