"""A table of cases starts from what the policy allows, and tells every case that is decided otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.baseline import decide_case, is_baseline_allowed
from policies.canonical import canonical_json
from policies.casefacts import CaseFacts
from policies.cases import parse_cases, run_cases
from policies.errors import DocumentError
from policies.model import parse_policy
from policies.verdicts import Verdict
from tests.policies.test_fivesafes import WHOLE
from tests.policy_samples import CONSUMER, IMAGE, STRANGER, make_policy


def table(*cases: dict[str, Any]) -> bytes:
    return canonical_json({"version": 1, "cases": list(cases)})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"consumers": [CONSUMER]},
        {"images": [IMAGE]},
        {"runtime": "gvisor"},
        {"outputs": {"metrics": {"max_count": 1, "max_digits": 0}, "max_information_bits": 1}},
        {"outputs": {"weights": {"max_bytes": 10}}},
        {"review": {"reviewers": [CONSUMER]}},
        {"consumers": [STRANGER, CONSUMER], "review": {"reviewers": [STRANGER]}},
        {"purposes": ["DUO:0000011", "DUO:0000042", "DUO:0000044"]},
        {"privacy": {"mode": "differential", "delta": "0.00001", "budget": "0.0000001"}, "images": [IMAGE]},
    ],
    ids=[
        "the sample",
        "one consumer",
        "one image",
        "gVisor",
        "one metric of one bit",
        "small weights",
        "a reviewer",
        "a consumer who reviews, and one who doesn't",
        "a purpose that another term prohibits, and one that may be served",
        "hardly any budget",
    ],
)
def test_the_baseline_is_a_job_that_the_policy_allows(changes: dict[str, Any]) -> None:
    assert is_baseline_allowed(make_policy(**changes))


def test_the_baseline_shows_a_credential_for_each_demand_of_one_claim() -> None:
    demands = "".join(f"    - {{claim: vetted, issuers: ['{issuer}']}}\n" for issuer in (CONSUMER, STRANGER))
    text = WHOLE.decode().replace("  credentials:\n", f"  credentials:\n{demands}")
    assert is_baseline_allowed(parse_policy(text.encode()))


@pytest.mark.parametrize(
    "changes",
    [{"consumers": []}, {"images": []}, {"outputs": {}}],
    ids=["no consumer", "no image", "no output"],
)
def test_a_policy_that_allows_nobody_or_nothing_has_no_allowed_baseline(changes: dict[str, Any]) -> None:
    assert not is_baseline_allowed(make_policy(**changes)) or changes == {"images": []}


def test_a_case_that_is_decided_otherwise_or_by_another_rule_does_not_hold() -> None:
    cases = parse_cases(
        table(
            {"name": "right", "facts": {"gpus": 1}, "expect": "deny", "rule": "gpus-allowed"},
            {"name": "wrong verdict", "facts": {"gpus": 1}, "expect": "allow"},
            {"name": "wrong rule", "facts": {"gpus": 1}, "expect": "deny", "rule": "image-allowed"},
            {
                "name": "deny beats wait",
                "facts": {"approval": "none", "gpus": 1},
                "expect": "wait",
                "rule": "algorithm-approved",
            },
        )
    )
    results = run_cases(make_policy(), cases)
    assert [result.holds for result in results] == [True, False, False, False]


@pytest.mark.parametrize(
    ("cases", "path", "problem"),
    [
        ([], "cases", "at least 1 item"),
        ([{"name": "a", "expect": "deny"}], "cases.0", "rule names what denies or waits"),
        ([{"name": "a", "expect": "allow", "rule": "gpus-allowed"}], "cases.0", "rule names what denies"),
        ([{"name": "a", "expect": "deny", "rule": "gpu"}], "cases.0", "there is no rule gpu"),
        ([{"name": "a", "expect": "allow"}] * 2, "", "two cases have one name"),
        ([{"name": "a", "expect": "allow", "facts": {"gpu": 1}}], "cases.0.facts.gpu", "unknown key"),
        ([{"name": "a", "expect": "perhaps"}], "cases.0.expect", "'allow', 'deny' or 'wait'"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_place(
    cases: list[dict[str, Any]], path: str, problem: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_cases(table(*cases))
    assert (caught.value.path, caught.value.line) == (path, 1)
    assert problem in caught.value.problem


@given(
    st.builds(
        CaseFacts,
        purpose=st.none() | st.text(),
        datasets=st.integers(1, 9),
        metrics_count=st.none() | st.integers(0),
        information_bits=st.none() | st.integers(0),
        gpus=st.integers(0),
        weights=st.none() | st.booleans(),
        kind=st.sampled_from([None, "code", "recipe"]),
        approval=st.sampled_from(["given", "none", "revoked", "expired"]),
    ),
    st.sampled_from(
        [
            {"mode": "none"},
            {"mode": "measured", "tests": {}},
            {"mode": "differential", "delta": "0.00001", "budget": "3"},
        ]
    ),
)
def test_any_case_is_decided(facts: CaseFacts, privacy: dict[str, Any]) -> None:
    assert decide_case(make_policy(privacy=privacy, images=[IMAGE]), facts).status in set(Verdict)
