"""docs/replay.md says what the code does: variables, verdicts, classes of processors, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from cli.repetition import Verdict
from sandbox.determinism import FIXED_VARIABLES, LEVELS, THREAD_VARIABLES, UNKNOWN

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "replay.md").read_text()


def section(heading: str) -> str:
    return PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    lines = re.findall(r"^\| (.+) \|$", section(heading), flags=re.MULTILINE)
    return [line.split(" | ") for line in lines if "`" in line.split(" | ")[0] or "test_" in line]


def test_the_variables_are_those_of_the_seal() -> None:
    told = {name: row[1] for row in rows("What the seal fixes") for name in re.findall(r"`(\w+)`", row[0])}
    assert told == dict.fromkeys(THREAD_VARIABLES, "*n*") | FIXED_VARIABLES


def test_the_verdicts_are_those_of_the_command() -> None:
    assert [row[0].strip("`") for row in rows("What it says")] == [verdict.value for verdict in Verdict]


def test_the_classes_of_processors_are_those_that_a_receipt_can_have() -> None:
    told = set(re.findall(r"`((?:x86-64|armv8)[\w+-]*|unknown)`", section("What the seal fixes")))
    assert told == {name for name, _ in LEVELS} | {UNKNOWN}


def test_every_guarantee_names_tests_that_exist() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = [re.findall(r"`(test_\w+)`", row[-1]) for row in rows("What is guaranteed")]
    assert all(named)
    assert [name for names in named for name in names if f"def {name}(" not in sources] == []
