"""Which purpose falls under which Data Use Ontology term."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.purposes import BROADER, TERMS, can_serve, find_term, is_permission, is_within

NRES, GRU, HMB, DS, POA, NPOA = (f"DUO:{number:07}" for number in (4, 42, 6, 7, 11, 44))
PERMISSIONS = (NRES, GRU, HMB, DS, POA)
WITHIN = {
    NRES: {NRES, GRU, HMB, DS, POA},
    GRU: {GRU, HMB, DS, POA},
    HMB: {HMB, DS},
    DS: {DS},
    POA: {POA},
}


@pytest.mark.parametrize("allowed", PERMISSIONS)
@pytest.mark.parametrize("purpose", PERMISSIONS)
def test_a_purpose_is_allowed_when_it_is_the_allowed_one_or_narrower(purpose: str, allowed: str) -> None:
    assert is_within(purpose, allowed) == (purpose in WITHIN[allowed])
    assert can_serve(purpose, [allowed]) == (purpose in WITHIN[allowed])


def test_every_term_of_the_ontology_that_data_stewards_use_is_known_once() -> None:
    numbers = [4, 42, 6, 7, 11, 12, 15, 16, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 43, 44, 45, 46]
    assert sorted(TERMS) == sorted(f"DUO:{number:07}" for number in numbers)
    assert {curie for curie in TERMS if is_permission(curie)} == set(PERMISSIONS)
    assert set(BROADER) < set(PERMISSIONS)


def test_a_term_that_can_not_be_evaluated_is_a_promise() -> None:
    enforced = {curie for curie, term in TERMS.items() if term.force == "enforced"}
    assert enforced == {*PERMISSIONS, NPOA}


def test_a_prohibition_of_ancestry_research_wins_over_a_permission() -> None:
    assert can_serve(POA, [GRU])
    assert not can_serve(POA, [GRU, NPOA])
    assert can_serve(HMB, [GRU, NPOA])


@pytest.mark.parametrize(
    "purpose", ["DUO:0000018", "DUO:0000043", "DUO:0000099", "HMB", "duo:0000006", "", "DUO:6"]
)
def test_a_modifier_an_unknown_term_or_a_shorthand_is_never_a_purpose(purpose: str) -> None:
    assert not can_serve(purpose, [*TERMS, purpose])


def test_no_terms_allow_nothing() -> None:
    assert not any(can_serve(purpose, []) for purpose in PERMISSIONS)


def test_an_unknown_term_is_not_found() -> None:
    assert find_term("DUO:0000001") is None


@given(st.text(), st.lists(st.text()))
def test_any_text_gets_an_answer(purpose: str, terms: list[str]) -> None:
    assert can_serve(purpose, terms) is False


@given(st.sampled_from(sorted(TERMS)), st.lists(st.sampled_from(PERMISSIONS)), st.data())
def test_taking_a_permission_away_never_allows_more(
    purpose: str, terms: list[str], data: st.DataObject
) -> None:
    fewer = data.draw(st.lists(st.sampled_from(terms), unique=True) if terms else st.just([]))
    assert can_serve(purpose, terms) or not can_serve(purpose, fewer)
