"""One value has one canonical form, and everything that has none is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json, digest_of, digest_text, parse_digest
from policies.errors import DocumentError

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_bytes_read_back_to_the_same_value_and_the_same_bytes(value: object) -> None:
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data


def test_the_order_of_keys_does_not_matter_and_nothing_is_spent_on_white_space() -> None:
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, float("inf")]}, "$.a[1]"),
        ({"a": {"b": 2**53}}, "$.a.b"),
        ({"a": b"x"}, "$.a"),
        ({1: "x"}, "$"),
        ("\ud800", "$"),
        ({"a": {1, 2}}, "$.a"),
    ],
    ids=[
        "an infinity",
        "an integer past 2^53",
        "bytes",
        "a key that is a number",
        "half a surrogate pair",
        "a set",
    ],
)
def test_a_value_without_a_canonical_form_is_refused_with_its_path(value: object, path: str) -> None:
    with pytest.raises(DocumentError) as caught:
        canonical_json(value)
    assert caught.value.path == path


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_reads_back_from_its_edge_form(digest: bytes) -> None:
    assert parse_digest(digest_text(digest)) == digest


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text[:-1], lambda text: text + "\n", lambda text: text[7:]]
)
def test_a_digest_in_any_other_form_is_refused(change: object) -> None:
    text = digest_of(b"x")
    changed = change(text) if callable(change) else ""
    with pytest.raises(DocumentError, match="expected sha256:"):
        parse_digest(changed)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (1e-7, "1e-7"),
        (1e-6, "0.000001"),
        (123456.789, "123456.789"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (9007199254740993e3, "9007199254740993000"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (333333333.33333329, "333333333.3333333"),
    ],
)
def test_fractions_are_written_as_rfc_8785_says(value: float, text: str) -> None:
    assert canonical_json(value) == text.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_fraction_reads_back_as_the_same_number(value: float) -> None:
    assert float(canonical_json(value)) == value
