"""Which purpose falls under which Data Use Ontology term, and what parameters a term may have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.purposes import (
    BROADER,
    PARAMETERS,
    TERMS,
    Purpose,
    describe_purpose,
    find_purpose,
    find_term,
    is_permission,
)
from policies.terms import Term, can_serve, is_within

NRES, GRU, HMB, DS, POA, NPOA = (f"DUO:{number:07}" for number in (4, 42, 6, 7, 11, 44))
BREAST_CANCER, DIABETES = "MONDO:0007254", "MONDO:0005015"
PERMISSIONS = (NRES, GRU, HMB, DS, POA)
WITHIN = {
    NRES: {NRES, GRU, HMB, DS, POA},
    GRU: {GRU, HMB, DS, POA},
    HMB: {HMB, DS},
    DS: {DS},
    POA: {POA},
}


def terms(*curies: str) -> list[Term]:
    return [Term(term=curie) for curie in curies]


def one_disease(*diseases: str) -> Term:
    return Term(term=DS, diseases=diseases)


@pytest.mark.parametrize("allowed", PERMISSIONS)
@pytest.mark.parametrize("purpose", PERMISSIONS)
def test_a_purpose_is_allowed_when_it_is_the_allowed_one_or_narrower(purpose: str, allowed: str) -> None:
    assert is_within(Purpose(purpose), Term(term=allowed)) == (purpose in WITHIN[allowed])
    assert can_serve(purpose, terms(allowed)) == (purpose in WITHIN[allowed])


def test_every_term_of_the_ontology_that_data_stewards_use_is_known_once() -> None:
    numbers = [4, 42, 6, 7, 11, 12, 15, 16, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 43, 44, 45, 46]
    assert sorted(TERMS) == sorted(f"DUO:{number:07}" for number in numbers)
    assert {curie for curie in TERMS if is_permission(curie)} == set(PERMISSIONS)
    assert set(BROADER) < set(PERMISSIONS)


def test_a_term_that_can_not_be_evaluated_is_a_promise() -> None:
    enforced = {curie for curie, term in TERMS.items() if term.force == "enforced"}
    assert enforced == {*PERMISSIONS, NPOA}


def test_a_prohibition_of_ancestry_research_wins_over_a_permission() -> None:
    assert can_serve(POA, terms(GRU))
    assert not can_serve(POA, terms(GRU, NPOA))
    assert can_serve(HMB, terms(GRU, NPOA))


@pytest.mark.parametrize(
    "purpose", ["DUO:0000018", "DUO:0000043", "DUO:0000099", "HMB", "duo:0000006", "", "DUO:6"]
)
def test_a_modifier_an_unknown_term_or_a_shorthand_is_never_a_purpose(purpose: str) -> None:
    assert not can_serve(purpose, terms(*TERMS))


def test_no_terms_allow_nothing() -> None:
    assert not any(can_serve(purpose, ()) for purpose in PERMISSIONS)


def test_an_unknown_term_is_not_found() -> None:
    assert find_term("DUO:0000001") is None


@pytest.mark.parametrize(
    ("purpose", "allowed", "may"),
    [
        (f"{DS}[{BREAST_CANCER}]", [one_disease(BREAST_CANCER)], True),
        (f"{DS}[{BREAST_CANCER}]", [one_disease(DIABETES, BREAST_CANCER)], True),
        (f"{DS}[{DIABETES}]", [one_disease(BREAST_CANCER)], False),
        (DS, [one_disease(BREAST_CANCER)], False),
        (f"{DS}[{DIABETES}]", terms(DS), True),
        (f"{DS}[{DIABETES}]", terms(HMB), True),
        (f"{DS}[{DIABETES}]", [one_disease(BREAST_CANCER), *terms(POA)], False),
        (HMB, [one_disease(BREAST_CANCER)], False),
    ],
    ids=[
        "the disease that is named",
        "one of several",
        "another disease",
        "no disease said where one is named",
        "any disease where none is named",
        "a disease under health research",
        "another permission doesn't widen it",
        "health research under one disease",
    ],
)
def test_a_disease_is_compared_by_its_exact_term(purpose: str, allowed: list[Term], *, may: bool) -> None:
    assert can_serve(purpose, allowed) is may


@pytest.mark.parametrize(
    "text",
    [
        f"{HMB}[{DIABETES}]",
        f"{DS}[]",
        f"{DS}[MONDO:5015]",
        f"{DS} [{DIABETES}]",
        f"{DS}[{DIABETES},{BREAST_CANCER}]",
        f"{DS}[{DIABETES}]\n",
        f"{DS}[mondo:0005015]",
        f"{DS}[MONDO:\u0660005015]",
    ],
)
def test_a_purpose_has_one_form(text: str) -> None:
    assert find_purpose(text) is None
    assert not can_serve(text, terms(NRES))


def test_a_purpose_is_told_in_words_whoever_wrote_it() -> None:
    assert describe_purpose(HMB) == "health, medical or biomedical research"
    assert describe_purpose(f"{DS}[{DIABETES}]") == f"research on one disease, {DIABETES}"
    assert describe_purpose("DUO:0000046") == "non-commercial use only"
    assert describe_purpose("HMB") == "a term that this software does not know"


PARAMETER_VALUES: dict[str, Any] = {
    "diseases": [DIABETES],
    "topics": ["cardiology"],
    "regions": ["DE", "US-CA"],
    "until": "2027-01-01",
    "months": 12,
    "users": ["Dr. A"],
    "projects": ["P1"],
    "institutions": ["University of B"],
}


@pytest.mark.parametrize("name", sorted(PARAMETER_VALUES))
def test_a_parameter_belongs_to_its_own_term_alone(name: str) -> None:
    for curie in TERMS:
        value = {"term": curie, name: PARAMETER_VALUES[name]}
        if PARAMETERS.get(curie) == name:
            assert Term.model_validate(value).duo.parameter == name
        else:
            with pytest.raises(ValidationError, match=f"{name} is no parameter of {curie}"):
                Term.model_validate(value)


@pytest.mark.parametrize(
    ("curie", "change", "problem"),
    [
        (DS, {"diseases": ["DOID:1612"]}, "should match pattern"),
        (DS, {"diseases": []}, "at least 1 item"),
        (DS, {"diseases": [DIABETES, DIABETES]}, "stands twice"),
        ("DUO:0000022", {"regions": ["Germany"]}, "should match pattern"),
        ("DUO:0000022", {"regions": [False]}, 'write Norway as "NO", in quotes'),
        ("DUO:0000024", {"until": "2027-02-30"}, "a date such as 2027-01-01"),
        ("DUO:0000024", {"until": "20270101"}, "a date such as 2027-01-01"),
        ("DUO:0000025", {"months": 0}, "greater than or equal to 1"),
        (HMB, {"credential": "not-for-profit"}, "a credential belongs to a modifier"),
        ("DUO:0000045", {"credential": "Not for profit"}, "should match pattern"),
    ],
)
def test_a_parameter_out_of_form_is_refused(curie: str, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Term.model_validate({"term": curie} | change)


def test_a_promise_becomes_enforced_where_a_credential_is_asked_for() -> None:
    assert Term(term="DUO:0000045").force == "promise"
    assert Term(term="DUO:0000045", credential="not-for-profit").force == "enforced"


@given(st.text(), st.lists(st.sampled_from(sorted(TERMS))))
def test_any_text_gets_an_answer(purpose: str, curies: list[str]) -> None:
    assert can_serve(purpose, terms(*curies)) is False


PURPOSES = st.sampled_from([*sorted(TERMS), f"{DS}[{DIABETES}]", f"{DS}[{BREAST_CANCER}]"])
PERMITTED = st.sampled_from(
    [*terms(*PERMISSIONS), one_disease(DIABETES), one_disease(DIABETES, BREAST_CANCER)]
)


@given(PURPOSES, st.lists(PERMITTED), st.data())
def test_taking_a_permission_away_never_allows_more(
    purpose: str, permitted: list[Term], data: st.DataObject
) -> None:
    fewer = data.draw(st.lists(st.sampled_from(permitted), unique=True) if permitted else st.just([]))
    assert can_serve(purpose, permitted) or not can_serve(purpose, fewer)
