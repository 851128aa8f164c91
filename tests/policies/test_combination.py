"""The policy of several datasets is never wider than any of them, and no narrower than all of them together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json
from policies.combination import combine_decisions, combine_policies
from policies.decide import AlgorithmFacts, CredentialFacts, Decision, PeopleFacts, RuleVerdict, Verdict
from policies.model import LimitsPolicy, Policy, parse_policy
from policies.purposes import TERMS, is_permission
from policies.terms import Term, can_serve
from tests.policy_samples import (
    CONSUMER,
    DOCUMENT,
    IMAGE,
    NOW,
    OTHER_IMAGE,
    STRANGER,
    Facts,
    allowed_facts,
    make_policy,
)

ALLOW, DENY, WAIT = Verdict.ALLOW, Verdict.DENY, Verdict.WAIT
POLICY_RULES = (
    "consumer-allowed",
    "credentials-held",
    "purpose-allowed",
    "image-allowed",
    "runtime-available",
    "gpus-allowed",
    "outputs-allowed",
)
DISEASES, ROOTS = ["MONDO:0007254", "MONDO:0005015"], ["aa" * 32, "bb" * 32]


def make_five_safes(purposes: object, consumers: object, credentials: object) -> Policy:
    """Parse a document of version 2 that lets out what the sample lets out."""
    document = {
        "version": 2,
        "projects": {"purposes": purposes},
        "people": {"consumers": consumers, "credentials": credentials},
        "data": {"privacy": {"mode": "none"}},
        "outputs": DOCUMENT["outputs"],
    }
    return parse_policy(canonical_json(document))


PEOPLE = st.builds(
    PeopleFacts,
    st.frozensets(st.sampled_from(ROOTS)),
    st.lists(
        st.builds(
            CredentialFacts,
            st.just(STRANGER),
            st.just(CONSUMER),
            st.sampled_from(["a", "b"]),
            st.just(NOW + 1),
        )
    ).map(tuple),
)
LOG_BYTES = st.sampled_from([1024, 4096])
LIMITS = st.fixed_dictionaries(
    {"log_bytes": LOG_BYTES, "gpus": st.integers(0, 2), "time_s": st.integers(1, 900)},
    optional={"cpus": st.sampled_from(["0.5", "2", "10"]), "pids": st.integers(4, 200)},
)
OUTPUTS = st.fixed_dictionaries(
    {"max_information_bits": st.none() | st.sampled_from([35_000, 72_000, 80_000])},
    optional={
        "weights": st.fixed_dictionaries({"max_bytes": st.sampled_from([100, 5000, 6000])}),
        "metrics": st.fixed_dictionaries({"max_count": st.integers(1, 3), "max_digits": st.integers(3, 5)}),
    },
)
POLICIES = (
    st.builds(
        make_policy,
        purposes=st.lists(st.sampled_from(sorted(TERMS)), min_size=1).filter(
            lambda t: any(map(is_permission, t))
        ),
        consumers=st.just("anyone") | st.lists(st.sampled_from([CONSUMER, STRANGER])),
        runtime=st.sampled_from(["any", "gvisor"]),
        images=st.none() | st.lists(st.sampled_from([IMAGE, OTHER_IMAGE])),
        limits=LIMITS,
        outputs=OUTPUTS,
        logs=st.sampled_from(["owner", "nobody"]),
        review=st.none() | st.builds(dict, reviewers=st.just([STRANGER]), needed=st.just(1)),
    )
    | st.builds(
        make_five_safes,
        purposes=st.lists(
            st.sampled_from(
                ["DUO:0000007", "DUO:0000044", *({"term": "DUO:0000007", "diseases": [d]} for d in DISEASES)]
            ),
            max_size=2,
        ).map(lambda terms: [*terms, {"term": "DUO:0000007", "diseases": DISEASES}]),
        consumers=st.sampled_from([{"allow_list": {"root": root}} for root in ROOTS]),
        credentials=st.lists(
            st.sampled_from([{"claim": claim, "issuers": [STRANGER]} for claim in ("a", "b")]), max_size=1
        ),
    )
    | st.builds(
        make_policy,
        logs=st.just("consumer"),
        limits=LIMITS,
        outputs=st.just({"metrics": {"max_count": 3, "max_digits": 4}}),
    )
)
ALGORITHMS = st.builds(
    AlgorithmFacts,
    st.sampled_from([IMAGE, OTHER_IMAGE]),
    st.none() | st.sampled_from([90, 5000]),
    st.integers(0, 3),
    st.integers(0, 5),
    st.sampled_from([10, 40_000, 79_000]),
    st.integers(0, 2),
)
RUNTIMES = st.frozensets(st.sampled_from(["runc", "runsc"]))


def verdicts(policy: Policy, facts: Facts) -> list[Verdict]:
    """Return what the rules say that ask the policy alone."""
    rules = {rule.name: rule.verdict for rule in replace(facts, policy=policy).decide().rules}
    return [rules[name] for name in POLICY_RULES]


@given(
    policies=st.lists(POLICIES, min_size=2, max_size=4),
    algorithm=ALGORITHMS,
    runtimes=RUNTIMES,
    purpose=st.sampled_from(
        [*sorted(filter(is_permission, TERMS)), *(f"DUO:0000007[{disease}]" for disease in DISEASES)]
    ),
    people=PEOPLE,
    one_owner=st.booleans(),
)
def test_what_one_of_them_denies_is_denied_and_what_all_allow_is_allowed(
    *,
    policies: list[Policy],
    algorithm: AlgorithmFacts,
    runtimes: frozenset[str],
    purpose: str,
    people: PeopleFacts,
    one_owner: bool,
) -> None:
    combined = combine_policies(policies, one_owner=one_owner)
    facts = replace(allowed_facts(), algorithm=algorithm, people=people)
    facts = facts.but("environment", runtimes=runtimes).but("request", purpose=purpose)
    alone = [verdicts(policy, facts) for policy in policies]
    if combined is None:
        assert not all(can_serve(purpose, policy.purposes) for policy in policies)
        return
    together = verdicts(combined, facts)
    assert (set(together) == {ALLOW}) == all(set(one) == {ALLOW} for one in alone)
    for rule, verdict in enumerate(together):
        assert verdict is DENY or all(one[rule] is ALLOW for one in alone)


@given(policies=st.lists(POLICIES, min_size=2, max_size=4), one_owner=st.booleans())
def test_no_limit_cap_or_reader_is_more_than_each_of_them_gives(
    *, policies: list[Policy], one_owner: bool
) -> None:
    combined = combine_policies(policies, one_owner=one_owner)
    if combined is None:
        return
    for policy in policies:
        for name in LimitsPolicy.model_fields:
            assert Decimal(getattr(combined.limits, name)) <= Decimal(getattr(policy.limits, name))
        assert combined.log_information_bits <= policy.log_information_bits
        assert policy.logs != "nobody" or combined.logs == "nobody"
        assert {term for term in policy.purposes if not term.purposes} <= set(combined.purposes)
        assert set(policy.allow_lists) <= set(combined.allow_lists)
        assert set(policy.credentials) <= set(combined.credentials)
        assert set(policy.reviews) <= set(combined.reviews)


def _order_free(terms: tuple[Term, ...]) -> set[tuple[str, frozenset[str] | None]]:
    return {(term.term, None if term.diseases is None else frozenset(term.diseases)) for term in terms}


@given(policies=st.lists(POLICIES, min_size=1, max_size=3), one_owner=st.booleans())
def test_the_order_of_the_datasets_and_a_policy_twice_change_nothing(
    *, policies: list[Policy], one_owner: bool
) -> None:
    def shape(parts: list[Policy]) -> dict[str, Any] | None:
        found = combine_policies(parts, one_owner=one_owner)
        if found is None:
            return None
        lists = {"purposes": _order_free(found.purposes), "images": found.images and set(found.images)}
        demands = {name: set(getattr(found, name)) for name in ("allow_lists", "credentials", "reviews")}
        return found.model_dump() | lists | demands | {"consumers": set(found.consumers)}

    doubled = [*policies, *policies]
    assert shape(doubled) == shape(list(reversed(doubled)))


def test_one_policy_stays_what_it_is_with_its_digest() -> None:
    policy = make_policy(logs="owner")
    assert combine_policies([policy], one_owner=False) is policy


def test_a_combined_policy_has_no_digest_so_it_stands_for_no_dataset() -> None:
    facts = allowed_facts()
    combined = combine_policies([facts.policy, facts.policy], one_owner=True)
    assert combined is not None
    assert combined.digest == ""
    denied = replace(facts, policy=combined, asset=replace(facts.asset, policy_digest="")).decide()
    assert denied.first_denied is not None
    assert denied.first_denied.name == "policy-current"


@pytest.mark.parametrize(
    ("first", "second", "one_owner", "readers"),
    [
        ("owner", "owner", True, "owner"),
        ("owner", "owner", False, "nobody"),
        ("consumer", "consumer", True, "consumer"),
        ("consumer", "consumer", False, "consumer"),
        ("owner", "consumer", True, "owner"),
        ("owner", "consumer", False, "nobody"),
        ("nobody", "owner", True, "nobody"),
        ("nobody", "consumer", True, "nobody"),
        ("nobody", "consumer", False, "nobody"),
    ],
)
def test_a_log_that_may_hold_rows_of_both_is_read_by_those_whom_both_let_read(
    *, first: str, second: str, one_owner: bool, readers: str
) -> None:
    outputs = {"weights": {"max_bytes": "1MiB"}}
    for pair in ((first, second), (second, first)):
        policies = [make_policy(logs=logs, outputs=outputs) for logs in pair]
        combined = combine_policies(policies, one_owner=one_owner)
        assert combined is not None
        assert combined.logs == readers


def test_purposes_that_no_two_policies_share_leave_nothing_to_run_under() -> None:
    policies = [make_policy(purposes=[term]) for term in ("DUO:0000011", "DUO:0000007")]
    assert combine_policies(policies, one_owner=True) is None
    assert combine_policies([], one_owner=True) is None


@given(st.lists(st.lists(st.sampled_from(Verdict)), max_size=4))
def test_a_job_is_allowed_when_the_decision_about_each_dataset_allows_it(parts: list[list[Verdict]]) -> None:
    decisions = [Decision(tuple(RuleVerdict("rule", verdict) for verdict in part)) for part in parts]
    allowed = bool(decisions) and all(decision.allowed for decision in decisions)
    assert combine_decisions(decisions).allowed == allowed


@pytest.mark.parametrize(
    "privacy",
    [
        {"mode": "measured", "tests": {}},
        {"mode": "differential", "delta": "0.00001", "budget": "3"},
    ],
    ids=["measured", "differential"],
)
def test_a_policy_with_a_privacy_mode_goes_together_with_no_other(privacy: dict[str, Any]) -> None:
    private, plain = make_policy(privacy=privacy, images=[IMAGE]), make_policy()
    assert combine_policies([private], one_owner=True) is private
    assert combine_policies([plain, private], one_owner=True) is None
    assert combine_policies([private, private], one_owner=True) is None


def test_the_demands_of_all_are_demanded_of_a_job_on_all() -> None:
    lists = [{"allow_list": {"root": root}} for root in ROOTS]
    credentials = [[{"claim": claim, "issuers": [STRANGER]}] for claim in ("a", "b")]
    parts = [make_five_safes(["DUO:0000042"], *pair) for pair in zip(lists, credentials, strict=True)]
    reviewed = make_policy(review={"reviewers": [STRANGER]})
    combined = combine_policies([*parts, reviewed], one_owner=True)
    assert combined is not None
    assert combined.allow_lists == tuple(ROOTS)
    assert [demand.claim for demand in combined.credentials] == ["a", "b"]
    assert [review.reviewers for review in combined.reviews] == [(STRANGER,)]
    assert not combined.is_open
