"""The truth table of job decisions, and the laws that hold for any facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.decide import (
    RULES,
    AlgorithmFacts,
    ApprovalFacts,
    AssetFacts,
    CredentialFacts,
    Decision,
    EnvironmentFacts,
    PeopleFacts,
    PrivacyFacts,
    RequestFacts,
    RuleVerdict,
    Verdict,
)
from policies.model import Policy
from policies.purposes import TERMS, is_permission
from tests.policy_samples import (
    CONSUMER,
    IMAGE,
    NOW,
    OTHER_IMAGE,
    STRANGER,
    Facts,
    allowed_facts,
    make_policy,
)

ALLOW, DENY, WAIT = Verdict.ALLOW, Verdict.DENY, Verdict.WAIT


def test_a_job_that_every_rule_allows_is_allowed_and_every_rule_is_listed() -> None:
    decision = allowed_facts().decide()
    assert decision.allowed
    assert [rule.name for rule in decision.rules] == [name for name, _ in RULES]
    assert {rule.verdict for rule in decision.rules} == {ALLOW}
    assert {rule.asset_id for rule in decision.rules} == {"1" * 64}
    assert decision.first_denied is None


CASES: list[tuple[str, dict[str, Any], str, dict[str, Any], str, Verdict]] = [
    ("a retired dataset (hole 7)", {}, "asset", {"retired": True}, "asset-active", DENY),
    (
        "another policy stands on chain",
        {},
        "asset",
        {"policy_digest": "sha256:" + "0" * 64},
        "policy-current",
        DENY,
    ),
    (
        "the request is for another provider (hole 6)",
        {},
        "request",
        {"provider": STRANGER},
        "provider-matches",
        DENY,
    ),
    ("the dataset lies with another provider", {}, "asset", {"provider": STRANGER}, "provider-matches", DENY),
    ("the service is another provider", {}, "environment", {"provider": STRANGER}, "provider-matches", DENY),
    ("the request expires now", {}, "request", {"expiry": NOW}, "request-current", DENY),
    ("the request expires in a second", {}, "request", {"expiry": NOW + 1}, "request-current", ALLOW),
    ("the consumer is listed", {"consumers": [CONSUMER]}, "request", {}, "consumer-allowed", ALLOW),
    ("another is listed", {"consumers": [STRANGER]}, "request", {}, "consumer-allowed", DENY),
    ("an empty list allows nobody (hole 7)", {"consumers": []}, "request", {}, "consumer-allowed", DENY),
    (
        "case of an address",
        {"consumers": [CONSUMER.upper().replace("X", "x")]},
        "request",
        {},
        "consumer-allowed",
        ALLOW,
    ),
    ("a narrower purpose", {}, "request", {"purpose": "DUO:0000007"}, "purpose-allowed", ALLOW),
    ("a broader purpose", {}, "request", {"purpose": "DUO:0000042"}, "purpose-allowed", DENY),
    ("a purpose beside it", {}, "request", {"purpose": "DUO:0000011"}, "purpose-allowed", DENY),
    ("approval begins now", {}, "approval", {"approved_at": NOW}, "algorithm-approved", ALLOW),
    ("approval lies in the future", {}, "approval", {"approved_at": NOW + 1}, "algorithm-approved", DENY),
    ("approval expires now", {}, "approval", {"expires_at": NOW}, "algorithm-approved", DENY),
    ("approval was revoked (hole 7)", {}, "approval", {"revoked_at": NOW - 1}, "algorithm-approved", DENY),
    ("revoked at second 0", {}, "approval", {"revoked_at": 0}, "algorithm-approved", DENY),
    ("the image is listed", {"images": [IMAGE]}, "algorithm", {}, "image-allowed", ALLOW),
    ("another image is listed", {"images": [OTHER_IMAGE]}, "algorithm", {}, "image-allowed", DENY),
    ("no image is allowed", {"images": []}, "algorithm", {}, "image-allowed", DENY),
    ("the image is not there", {}, "environment", {"image_present": False}, "image-present", DENY),
    ("no runtime", {}, "environment", {"runtimes": frozenset()}, "runtime-available", DENY),
    ("only runc", {}, "environment", {"runtimes": frozenset({"runc"})}, "runtime-available", ALLOW),
    (
        "gvisor asked, only runc",
        {"runtime": "gvisor"},
        "environment",
        {"runtimes": frozenset({"runc"})},
        "runtime-available",
        DENY,
    ),
    ("gvisor asked and there", {"runtime": "gvisor"}, "environment", {}, "runtime-available", ALLOW),
    ("a GPU asked for", {}, "algorithm", {"gpus": 1}, "gpus-allowed", DENY),
    ("as many GPUs as allowed", {"limits": {"gpus": 2}}, "algorithm", {"gpus": 2}, "gpus-allowed", ALLOW),
    ("one GPU too many", {"limits": {"gpus": 2}}, "algorithm", {"gpus": 3}, "gpus-allowed", DENY),
    (
        "gvisor asked, and a GPU",
        {"runtime": "gvisor", "limits": {"gpus": 1}},
        "algorithm",
        {"gpus": 1},
        "runtime-available",
        DENY,
    ),
    ("weights of just the cap", {}, "algorithm", {"weights_bytes": 2**20}, "outputs-allowed", ALLOW),
    ("weights over the cap", {}, "algorithm", {"weights_bytes": 2**20 + 1}, "outputs-allowed", DENY),
    (
        "weights may not leave",
        {"outputs": {"metrics": {"max_count": 9, "max_digits": 9}}},
        "algorithm",
        {},
        "outputs-allowed",
        DENY,
    ),
    (
        "metrics may not leave",
        {"outputs": {"weights": {"max_bytes": "1MiB"}}},
        "algorithm",
        {},
        "outputs-allowed",
        DENY,
    ),
    ("too many metrics", {}, "algorithm", {"metrics_count": 4}, "outputs-allowed", DENY),
    ("too many digits", {}, "algorithm", {"metrics_digits": 5}, "outputs-allowed", DENY),
    ("too many bits", {}, "algorithm", {"information_bits": 100_001}, "outputs-allowed", DENY),
    ("no outputs", {}, "algorithm", {"weights_bytes": None, "metrics_count": 0}, "outputs-allowed", DENY),
    ("two datasets where the mode is none", {}, "request", {"datasets": 2}, "dataset-alone", ALLOW),
    ("weights alone", {}, "algorithm", {"metrics_count": 0, "metrics_digits": 0}, "outputs-allowed", ALLOW),
]


@pytest.mark.parametrize(
    ("changes", "part", "facts", "rule", "verdict"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_one_change_turns_exactly_its_rule(
    changes: dict[str, Any], part: str, facts: dict[str, Any], rule: str, verdict: Verdict
) -> None:
    decision = allowed_facts(**changes).but(part, **facts).decide()
    verdicts = {item.name: item.verdict for item in decision.rules}
    assert verdicts.pop(rule) is verdict
    assert set(verdicts.values()) == {ALLOW}
    assert decision.status is verdict
    denied = decision.first_denied
    assert (denied.name if denied else None) == (rule if verdict is DENY else None)


def test_an_algorithm_that_was_never_approved_waits_for_the_owner() -> None:
    decision = replace(allowed_facts(), approval=None).decide()
    assert decision.status is WAIT
    assert not decision.allowed
    assert decision.first_waiting is not None
    assert decision.first_waiting.name == "algorithm-approved"


def test_deny_beats_wait() -> None:
    decision = replace(allowed_facts(), approval=None).but("asset", retired=True).decide()
    assert decision.status is DENY
    assert decision.first_waiting is not None


def test_every_rule_is_listed_whatever_the_others_say() -> None:
    decision = allowed_facts(consumers=[], images=[]).but("asset", retired=True, provider=STRANGER).decide()
    denied = [rule.name for rule in decision.rules if rule.verdict is DENY]
    assert denied == ["asset-active", "provider-matches", "consumer-allowed", "image-allowed"]
    assert all(rule.detail for rule in decision.rules if rule.verdict is not ALLOW)


def test_no_rules_are_a_deny() -> None:
    assert Decision(()).status is DENY


def test_a_policy_that_was_not_read_from_a_document_is_not_current() -> None:
    facts = allowed_facts()
    unread = Policy.model_validate(facts.policy.model_dump() | {"consumers": "anyone"})
    decision = replace(facts, policy=unread, asset=replace(facts.asset, policy_digest="")).decide()
    assert [rule.name for rule in decision.rules if rule.verdict is DENY] == ["policy-current"]


TEXT = st.text(max_size=50)
NUMBERS = st.integers() | st.sampled_from([NOW - 1, NOW, NOW + 1])
ADDRESSES = st.sampled_from([CONSUMER, STRANGER])
POLICIES = st.builds(
    make_policy,
    purposes=st.lists(st.sampled_from([curie for curie in TERMS if is_permission(curie)]), min_size=1),
    consumers=st.just("anyone") | st.lists(ADDRESSES),
    runtime=st.sampled_from(["any", "gvisor"]),
    images=st.lists(st.sampled_from([IMAGE, OTHER_IMAGE])),
    privacy=st.sampled_from(
        [
            {"mode": "none"},
            {"mode": "measured", "tests": {}},
            {"mode": "differential", "delta": "0.00001", "budget": "3", "consumer_budget": "1"},
        ]
    ),
    review=st.none() | st.just({"reviewers": [CONSUMER]}),
)
EPSILONS = st.none() | st.decimals()
CREDENTIALS = st.builds(CredentialFacts, TEXT, TEXT, TEXT, NUMBERS)
FACTS = st.builds(
    Facts,
    POLICIES,
    st.builds(
        RequestFacts,
        TEXT | ADDRESSES,
        TEXT | st.sampled_from(sorted(TERMS)),
        TEXT,
        TEXT,
        NUMBERS,
    ),
    st.builds(AlgorithmFacts, TEXT, st.none() | NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.none() | st.builds(ApprovalFacts, NUMBERS, NUMBERS, st.none() | NUMBERS),
    st.builds(AssetFacts, TEXT, TEXT, TEXT, TEXT, st.booleans()),
    st.builds(EnvironmentFacts, NUMBERS, TEXT, st.frozensets(TEXT), st.booleans()),
    st.none() | st.builds(PeopleFacts, st.frozensets(TEXT), st.lists(CREDENTIALS).map(tuple)),
    st.none() | st.builds(PrivacyFacts, st.none(), st.none() | NUMBERS, EPSILONS, EPSILONS, st.booleans()),
)


@given(FACTS)
def test_any_facts_give_a_decision_on_every_rule(facts: Facts) -> None:
    decision = facts.decide()
    assert [rule.name for rule in decision.rules] == [name for name, _ in RULES]
    assert decision.allowed == all(rule.verdict is ALLOW for rule in decision.rules)


@given(FACTS)
def test_the_same_facts_give_the_same_decision(facts: Facts) -> None:
    assert facts.decide() == facts.decide()


ORDER = {DENY: 0, WAIT: 1, ALLOW: 2}


@given(st.lists(st.sampled_from(Verdict)))
def test_deny_beats_wait_beats_allow_in_any_mix(verdicts: list[Verdict]) -> None:
    decision = Decision(tuple(RuleVerdict("rule", verdict) for verdict in verdicts))
    assert decision.status is min(verdicts, key=lambda verdict: ORDER[verdict], default=DENY)


@pytest.mark.parametrize(("log_bytes", "status"), [(7_500, ALLOW), (7_501, DENY)])
def test_a_log_that_the_consumer_may_read_counts_against_the_cap_with_the_outputs(
    log_bytes: int, status: Verdict
) -> None:
    facts = allowed_facts(logs="consumer", limits={"log_bytes": log_bytes})
    assert facts.decide().status is status
    assert allowed_facts(logs="owner", limits={"log_bytes": log_bytes}).decide().status is ALLOW


@pytest.mark.parametrize("review", [None, {"reviewers": [STRANGER], "when": "not-passed"}])
@pytest.mark.parametrize(
    ("kind", "told", "target", "verdict"),
    [
        ("code", "ill", "ill", ALLOW),
        ("code", "old", None, ALLOW),
        ("code", "old", "ill", DENY),
        ("recipe", "old", "ill", ALLOW),
    ],
)
def test_code_that_is_tested_by_another_column_than_the_policy_s_is_denied_also_where_people_look(
    kind: str, told: str, target: str | None, verdict: Verdict, review: object
) -> None:
    facts = allowed_facts(
        privacy={"mode": "measured", "tests": {"target": target} if target else {}}, review=review
    )
    facts = facts.but("algorithm", kind=kind, scored_target=told)
    (found,) = [rule.verdict for rule in facts.decide().rules if rule.name == "privacy-measurable"]
    assert found is verdict


@pytest.mark.parametrize("target", [None, "ill"])
def test_code_without_a_scorer_is_denied_where_nobody_would_look(target: str | None) -> None:
    tests = {"target": target} if target else {}
    for review, verdict in ((None, DENY), ({"reviewers": [STRANGER]}, ALLOW)):
        facts = allowed_facts(privacy={"mode": "measured", "tests": tests}, review=review)
        (found,) = [rule.verdict for rule in facts.decide().rules if rule.name == "privacy-measurable"]
        assert found is verdict


@pytest.mark.parametrize(("count", "verdict"), [(1, ALLOW), (2, DENY)])
def test_a_dataset_under_a_privacy_mode_stands_alone_in_its_job(count: int, verdict: Verdict) -> None:
    facts = allowed_facts(privacy={"mode": "measured", "tests": {}}).but("request", datasets=count)
    (found,) = [rule.verdict for rule in facts.decide().rules if rule.name == "dataset-alone"]
    assert found is verdict
