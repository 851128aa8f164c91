"""What follows from reviewers' decisions, for any demands and any decisions."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from policies.privacy import ReviewPolicy
from policies.reviews import (
    ReviewDecision,
    ReviewOutcome,
    can_be_met,
    is_wanted,
    judge_reviews,
    list_independent,
    list_reviewers,
)
from tests.policy_samples import allowed_facts

PEOPLE = tuple("0x" + f"{number:02x}" * 20 for number in range(1, 6))
CONSUMER = PEOPLE[0]
RELEASE, WITHHOLD = ReviewDecision.RELEASE, ReviewDecision.WITHHOLD
Words = Literal["always", "not-passed"]


@st.composite
def demands(draw: st.DrawFn) -> ReviewPolicy:
    reviewers = draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5, unique=True))
    needed = draw(st.integers(1, min(2, len(reviewers))))
    return ReviewPolicy(reviewers=tuple(reviewers), needed=needed)


SOME_DEMANDS = st.lists(demands(), min_size=1, max_size=3)
DECISIONS = st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from(ReviewDecision))


@given(SOME_DEMANDS, DECISIONS)
def test_a_release_needs_enough_of_each_demands_reviewers_and_nobody_against_it(
    asked: list[ReviewPolicy], made: dict[str, ReviewDecision]
) -> None:
    outcome = judge_reviews(asked, made, CONSUMER)
    if outcome is ReviewOutcome.RELEASE:
        for demand in asked:
            said = [made[who] for who in demand.reviewers if who in made and who != CONSUMER]
            assert len(said) >= demand.needed
            assert set(said) == {RELEASE}


@given(SOME_DEMANDS, DECISIONS, st.sampled_from(ReviewDecision))
def test_what_the_consumer_says_changes_nothing(
    asked: list[ReviewPolicy], made: dict[str, ReviewDecision], word: ReviewDecision
) -> None:
    assert judge_reviews(asked, made, CONSUMER) is judge_reviews(asked, made | {CONSUMER: word}, CONSUMER)


@given(SOME_DEMANDS, DECISIONS, st.sampled_from(PEOPLE))
def test_one_who_withholds_after_all_never_turns_a_no_into_a_yes(
    asked: list[ReviewPolicy], made: dict[str, ReviewDecision], who: str
) -> None:
    before, after = (judge_reviews(asked, said, CONSUMER) for said in (made, made | {who: WITHHOLD}))
    assert after is not ReviewOutcome.RELEASE or before is ReviewOutcome.RELEASE


@given(SOME_DEMANDS)
def test_where_a_demand_can_not_be_met_nothing_is_ever_decided(asked: list[ReviewPolicy]) -> None:
    everybody = dict.fromkeys(PEOPLE, RELEASE)
    reachable = all(can_be_met(demand, CONSUMER) for demand in asked)
    assert (judge_reviews(asked, everybody, CONSUMER) is ReviewOutcome.RELEASE) == reachable


def test_a_first_decision_alone_says_nothing_where_two_are_needed() -> None:
    demand = ReviewPolicy(reviewers=PEOPLE[1:3], needed=2)
    assert judge_reviews([demand], {PEOPLE[1]: WITHHOLD}, CONSUMER) is ReviewOutcome.OPEN


def test_where_nobody_was_asked_nothing_is_released_by_review() -> None:
    assert judge_reviews([], {PEOPLE[1]: RELEASE}, CONSUMER) is ReviewOutcome.OPEN


def test_a_demand_for_releases_that_did_not_pass_wants_nobody_where_all_passed() -> None:
    words: tuple[Words, Words] = ("always", "not-passed")
    always, sometimes = (ReviewPolicy(reviewers=PEOPLE[:2], when=when) for when in words)
    assert [is_wanted(always, passed=True), is_wanted(sometimes, passed=True)] == [True, False]
    assert is_wanted(sometimes, passed=False)


def test_the_consumer_is_no_reviewer_in_whatever_capitals() -> None:
    demand = ReviewPolicy(reviewers=PEOPLE[:2])
    shouted = "0x" + CONSUMER[2:].upper()
    assert list_independent(demand, shouted) == list_reviewers([demand], shouted) == (PEOPLE[1],)


def test_a_job_is_denied_when_too_few_reviewers_remain_without_its_consumer() -> None:
    consumer = allowed_facts().request.consumer.lower()
    for reviewers, verdict in (((consumer, PEOPLE[1]), "deny"), (PEOPLE[1:3], "allow")):
        facts = allowed_facts(review={"reviewers": reviewers, "needed": 2})
        found = {rule.name: rule.verdict for rule in facts.decide().rules}
        assert found["reviewers-independent"] == verdict
