"""Whatever stands in a document, it is a policy that can be told, decided by and combined, or it is refused with its place."""

from __future__ import annotations

import copy
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.baseline import decide_case
from policies.canonical import canonical_json
from policies.casefacts import CaseFacts
from policies.combination import combine_policies
from policies.decide import RULES
from policies.documents import parse_yaml
from policies.errors import DocumentError
from policies.explanation import HEADINGS, explain_policy
from policies.model import Policy, parse_policy
from tests.policies.test_fivesafes import WHOLE
from tests.policy_samples import DOCUMENT

EXAMPLES = 20_000 if os.environ.get("SEALROOM_FUZZ") == "long" else 150
WORDS = st.sampled_from(
    [
        "",
        "anyone",
        "none",
        "row",
        "DUO:0000007",
        "1MiB",
        "0.5",
        "0",
        "-1",
        "0x" + "a" * 40,
        "ab" * 32,
        "\x00",
        "é",
    ]
)
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["version", "mode", "term", "diseases", "root", "review", "credential", "unit", "tests"]
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path to every value in a document, but the document itself."""
    pairs: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    return [found for key, inner in pairs for found in [(*path, key), *places(inner, (*path, key))]]


def change(document: dict[str, Any], path: tuple[str | int, ...], how: str, key: str, junk: object) -> None:
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    if how == "drop":
        del holder[path[-1]]
    elif how == "add" and isinstance(holder[path[-1]], dict):
        holder[path[-1]][key] = junk
    else:
        holder[path[-1]] = junk


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document that holds, changed in one to three places."""
    start = draw(st.sampled_from([parse_yaml(WHOLE, document="policy"), DOCUMENT]))
    document: dict[str, Any] = copy.deepcopy(start)
    for _ in range(draw(st.integers(1, 3))):
        found = places(document)
        if not found:
            break
        how = draw(st.sampled_from(["drop", "add", "replace"]))
        change(document, draw(st.sampled_from(found)), how, draw(KEYS), draw(JUNK))
    return document


def read(document: dict[str, Any]) -> Policy | DocumentError:
    try:
        return parse_policy(canonical_json(document))
    except DocumentError as exc:
        return exc


@settings(max_examples=EXAMPLES)
@given(documents())
def test_a_changed_document_is_refused_with_its_line_or_is_a_policy_like_any_other(
    document: dict[str, Any],
) -> None:
    policy = read(document)
    if isinstance(policy, DocumentError):
        assert policy.line == 1 or "is not YAML" in policy.problem
        return
    assert list(explain_policy(policy)) == list(HEADINGS)
    assert len(decide_case(policy, CaseFacts()).rules) == len(RULES)
    assert isinstance(combine_policies([policy, policy], one_owner=True), Policy | None)
