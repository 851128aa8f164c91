"""The ready-made policies hold, decide as their tables say, and are told in words under each of the Five Safes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from datatokens.allowlist import build_root
from policies.cases import parse_cases, run_cases
from policies.documents import parse_yaml
from policies.explanation import HEADINGS, explain_policy
from policies.model import parse_policy
from policies.verdicts import Verdict

ROOT = Path(__file__).parents[2]
READY = ROOT / "examples" / "policies"
NAMES = sorted(path.stem for path in READY.glob("*.yaml") if not path.stem.endswith(".cases"))
POLICIES = [READY / f"{name}.yaml" for name in NAMES]
EXAMPLES = [*POLICIES, *sorted((ROOT / "examples" / "breast_cancer").glob("policy*.yaml"))]
SCHEMA = json.loads((ROOT / "docs" / "policy.schema.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_a_table_of_cases_lies_beside_it_and_every_case_is_decided_as_expected(name: str) -> None:
    policy = parse_policy((READY / f"{name}.yaml").read_bytes())
    results = run_cases(policy, parse_cases((READY / f"{name}.cases.yaml").read_bytes()))
    wrong = {one.case.name: (one.decision.status.value, one.rule) for one in results if not one.holds}
    assert wrong == {}
    assert {Verdict.ALLOW, Verdict.DENY} <= {one.decision.status for one in results}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_told_in_words_under_every_heading(path: Path) -> None:
    policy = parse_policy(path.read_bytes())
    explanation = explain_policy(policy)
    assert list(explanation) == list(HEADINGS)
    assert all(statements for statements in explanation.values())
    forces = [statement.force for statement in explanation["projects"]]
    assert forces == [term.force for term in policy.purposes]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_editor_finds_nothing_wrong_with_it(path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    document = parse_yaml(path.read_bytes(), document="policy")
    assert list(Draft202012Validator(SCHEMA).iter_errors(document)) == []


def test_the_root_of_the_members_is_that_of_their_list() -> None:
    lines = (READY / "members.txt").read_text().splitlines()
    accounts = [line for line in lines if not line.startswith("#")]
    policy = parse_policy((READY / "members-by-list.yaml").read_bytes())
    assert policy.allow_lists == (build_root(accounts).hex(),)
