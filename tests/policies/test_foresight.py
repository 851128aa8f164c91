"""What is foreseen is what is decided in every case considered, for any cases."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.foresight import Foresight, combine_forecasts, foresee
from policies.verdicts import Decision, RuleVerdict, Verdict

NAMES = ("purpose-allowed", "image-present", "privacy-budget")


def decisions(asset_id: str = "") -> st.SearchStrategy[Decision]:
    verdicts = st.fixed_dictionaries({name: st.sampled_from(Verdict) for name in NAMES})
    return verdicts.map(
        lambda found: Decision(tuple(RuleVerdict(name, said, "", asset_id) for name, said in found.items()))
    )


@given(st.lists(decisions(), min_size=1, max_size=4))
def test_what_is_foreseen_holds_in_every_case(cases: list[Decision]) -> None:
    forecast = foresee(cases)
    for case in cases:
        said = {rule.name: rule.verdict for rule in case.rules}
        for rule in forecast.rules:
            assert rule.verdict in (Foresight.UNKNOWN, said[rule.name].value)
        assert forecast.status in (Foresight.UNKNOWN, case.status.value)


@given(decisions())
def test_of_one_case_everything_is_foreseen(case: Decision) -> None:
    forecast = foresee([case])
    assert forecast.status == case.status.value
    assert [rule.verdict.value for rule in forecast.rules] == [rule.verdict.value for rule in case.rules]


@given(st.lists(decisions("a"), min_size=1, max_size=3), st.lists(decisions("b"), min_size=1, max_size=3))
def test_a_job_on_two_datasets_ends_as_both_together(first: list[Decision], second: list[Decision]) -> None:
    forecast = combine_forecasts([foresee(first), foresee(second)])
    both = {Decision(one.rules + other.rules).status for one in first for other in second}
    assert forecast.statuses == both


def test_a_rule_that_is_judged_in_some_cases_only_is_unknown() -> None:
    denied = RuleVerdict("image-present", Verdict.DENY, "no image")
    forecast = foresee([Decision((denied,)), Decision(())])
    assert [(rule.verdict, rule.detail) for rule in forecast.rules] == [(Foresight.UNKNOWN, "no image")]


def test_of_no_case_nothing_is_foreseen() -> None:
    assert foresee([]).status is combine_forecasts([]).status is Foresight.UNKNOWN
