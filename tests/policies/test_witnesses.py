"""Keys of witnesses have one form, and what a policy demands of them can be met."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.combination import combine_policies
from policies.errors import DocumentError, WitnessKeyError
from policies.witnesses import WitnessKey, check_witness_name, parse_demand, parse_witness_key
from tests.policy_samples import make_policy

REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
"""A witness's key as its operator publishes it; it also stands in the tests of github.com/transparency-dev/formats."""
NAMES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="+"), min_size=1, max_size=40
)
KEYS = st.builds(WitnessKey, NAMES, st.binary(min_size=32, max_size=32))
ONE, TWO, THREE = (WitnessKey(name, name.encode() * 32).to_text() for name in "abc")


def test_a_published_key_of_a_witness_is_read_and_written_back() -> None:
    key = parse_witness_key(REMORA)
    assert (key.name, key.keyid.hex()) == ("remora.n621.de", "da77ade7")
    assert key.to_text() == REMORA


@given(KEYS)
def test_every_key_survives_writing_and_reading(key: WitnessKey) -> None:
    assert parse_witness_key(key.to_text()) == key


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(REMORA + "\n", id="a line feed"),
        pytest.param(REMORA.replace("da77", "DA77"), id="an id in capitals"),
        pytest.param(REMORA.replace("da77", "da78"), id="another id"),
        pytest.param(REMORA.replace("remora", "romera"), id="another name"),
        pytest.param(REMORA.replace("BOvN", "BOvM"), id="another key"),
        pytest.param(REMORA.replace("mtw2", "mtw="), id="a key of 31 bytes"),
        pytest.param(
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", id="a log's key"
        ),
        pytest.param(" " + REMORA, id="a space"),
        pytest.param("a+" + REMORA, id="a plus in the name"),
    ],
)
def test_what_is_no_key_of_a_witness_is_refused(text: str) -> None:
    with pytest.raises(WitnessKeyError):
        parse_witness_key(text)


@given(
    st.text(max_size=120)
    | st.builds(
        "{}+{}+{}".format,
        NAMES,
        st.text("0123456789abcdef", min_size=8, max_size=8),
        st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()),
    )
)
def test_garbage_is_no_key_and_nothing_else_happens(text: str) -> None:
    with contextlib.suppress(WitnessKeyError):
        assert parse_witness_key(text).to_text() == text


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "ä", "x" * 201])
def test_a_name_that_could_not_be_read_back_is_none(name: str) -> None:
    with pytest.raises(WitnessKeyError):
        check_witness_name(name)


@pytest.mark.parametrize(
    ("threshold", "keys"),
    [
        (0, [ONE]),
        (2, [ONE]),
        (1, []),
        (2, [ONE, ONE]),
        (1, ["x"]),
        (1, [WitnessKey(f"w{n}", bytes([n]) * 32).to_text() for n in range(8)]),
    ],
)
def test_a_demand_that_can_not_be_met_as_written_is_refused(threshold: int, keys: list[str]) -> None:
    with pytest.raises(WitnessKeyError):
        parse_demand(threshold, keys)
    with pytest.raises(DocumentError, match="witnesses"):
        make_policy(witnesses={"threshold": threshold, "keys": keys})


def test_one_key_under_two_names_is_one_witness() -> None:
    aliases = [WitnessKey(name, b"k" * 32).to_text() for name in ("one", "two")]
    with pytest.raises(WitnessKeyError, match="counts once"):
        parse_demand(2, aliases)


@pytest.mark.parametrize(
    "witnesses",
    [
        [],
        "",
        3,
        [{"threshold": 1, "keys": [ONE]}],
        {"threshold": True, "keys": [ONE]},
        {"threshold": 1, "keys": ONE},
        {"threshold": 1, "keys": [ONE], "quorum": 1},
    ],
)
def test_a_policy_says_what_it_demands_in_one_form(witnesses: object) -> None:
    with pytest.raises(DocumentError, match="witnesses"):
        make_policy(witnesses=witnesses)


def test_a_policy_demands_nothing_of_witnesses_unless_it_says_so() -> None:
    assert make_policy().witnesses == ()
    (demand,) = make_policy(witnesses={"threshold": 2, "keys": [ONE, TWO, THREE]}).witnesses
    assert (demand.threshold, demand.keys) == (2, (ONE, TWO, THREE))


def test_a_job_on_several_datasets_needs_what_each_of_their_policies_demands() -> None:
    two_of_three = {"threshold": 2, "keys": [ONE, TWO, THREE]}
    policies = [
        make_policy(witnesses=two_of_three),
        make_policy(),
        make_policy(witnesses={"threshold": 1, "keys": [THREE]}),
        make_policy(witnesses=two_of_three),
    ]
    combined = combine_policies(policies, one_owner=False)
    assert combined is not None
    assert [(demand.threshold, demand.keys) for demand in combined.witnesses] == [
        (2, (ONE, TWO, THREE)),
        (1, (THREE,)),
    ]
