"""A policy of version 2 says under the Five Safes what a flat one says, and more; each mistake is told with its line."""

from __future__ import annotations

from typing import Any

import pytest

from policies.canonical import canonical_json, digest_of
from policies.errors import DocumentError
from policies.model import Policy, parse_policy
from tests.policy_samples import CONSUMER, DOCUMENT, IMAGE, STRANGER, make_policy

WHOLE = b"""version: 2
projects:
  purposes:
    - {term: DUO:0000007, diseases: [MONDO:0007254]}
    - {term: DUO:0000045, credential: not-for-profit}
    - {term: DUO:0000024, until: 2027-01-01}
    - DUO:0000019
people:
  consumers: {allow_list: {root: ROOT}}
  credentials:
    - {claim: not-for-profit, issuers: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
data:
  privacy: {mode: differential, unit: {column: patient, max_rows: 4}, delta: "0.00001", budget: "8"}
settings:
  runtime: gvisor
  images: ["sha256:IMAGE"]
  limits: {time_s: 60, memory_bytes: 512MiB}
  logs: nobody
outputs:
  weights: {max_bytes: 1MiB, mantissa_bits: 10}
  review: {reviewers: ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"]}
""".replace(b"ROOT", b"ab" * 32).replace(b"IMAGE", b"cd" * 32)
ADDRESS = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def test_a_whole_document_is_read_into_the_one_policy() -> None:
    policy = parse_policy(WHOLE)
    assert policy.digest == digest_of(WHOLE)
    assert [term.text for term in policy.purposes] == [
        "DUO:0000007[MONDO:0007254]",
        "DUO:0000045",
        "DUO:0000024",
        "DUO:0000019",
    ]
    assert [term.force for term in policy.purposes] == ["enforced", "enforced", "promise", "promise"]
    assert (policy.consumers, policy.allow_lists, policy.is_open) == ("anyone", ("ab" * 32,), False)
    assert [(demand.claim, demand.issuers) for demand in policy.credentials] == [
        ("not-for-profit", (ADDRESS,))
    ]
    assert (policy.privacy.mode, policy.privacy.budget) == ("differential", "8")
    assert (policy.runtime, policy.logs, policy.limits.memory_bytes) == ("gvisor", "nobody", 512 * 2**20)
    assert policy.outputs.weights is not None
    assert policy.outputs.weights.mantissa_bits == 10
    assert policy.review is not None
    assert policy.review.reviewers == (ADDRESS,)


def five_safes(flat: dict[str, Any]) -> dict[str, Any]:
    """Return a flat document under the headings of version 2."""
    settings = ("runtime", "images", "limits", "approvals", "logs", "witnesses")
    outputs = flat["outputs"] | ({"review": flat["review"]} if "review" in flat else {})
    return {
        "version": 2,
        "projects": {"purposes": flat["purposes"]},
        "people": {"consumers": flat["consumers"]},
        "data": {"privacy": flat.get("privacy", {"mode": "none"})},
        "settings": {name: flat[name] for name in settings if name in flat},
        "outputs": outputs,
    }


def rules_of(policy: Policy) -> dict[str, Any]:
    return policy.model_dump()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"consumers": [CONSUMER, STRANGER], "purposes": ["DUO:0000042", "DUO:0000046"]},
        {"consumers": []},
        {"images": [IMAGE], "runtime": "gvisor", "logs": "nobody", "limits": {"gpus": 1}},
        {"privacy": {"mode": "measured", "tests": {}}, "review": {"reviewers": [STRANGER]}},
    ],
    ids=["the sample", "named consumers", "nobody", "settings", "tests and a review"],
)
def test_both_versions_of_a_document_are_the_same_policy_with_their_own_digests(
    changes: dict[str, Any],
) -> None:
    flat = make_policy(**changes)
    nested = parse_policy(canonical_json(five_safes(DOCUMENT | changes)))
    assert rules_of(nested) == rules_of(flat)
    assert nested.digest != flat.digest


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ("version: 2", "version: 3", "line 1: version", "should be 2"),
        (
            "  consumers: {allow_list: {root: ",
            "  users: {allow_list: {root: ",
            "people.consumers",
            "required",
        ),
        ("root: ab", "root: Ab", "line 9: people.consumers.allow_list.root", "should match pattern"),
        ("MONDO:0007254", "MONDO:7254", "line 4: projects.purposes.0.diseases.0", "should match pattern"),
        ("DUO:0000019", "DUO:0000099", "line 7: projects.purposes.3", "expected a Data Use Ontology term"),
        ("2027-01-01", "next year", "line 6: projects.purposes.2.until", "such as 2027-01-01"),
        (
            "credential: not",
            "credential: for",
            "line 5: projects.purposes.1.credential",
            "people.credentials doesn't demand for-for-profit",
        ),
        ("budget:", "bugdet:", "line 13: data.privacy.bugdet", "unknown key"),
        ("time_s: 60", "time_s: 0", "line 17: settings.limits.time_s", "greater than or equal to 1"),
        ("  logs: nobody", "  logs: all", "line 18: settings.logs", "'nobody'"),
        ("max_bytes: 1MiB", "max_bytes: 1TiB", "line 20: outputs.weights.max_bytes", "such as 512MiB"),
        ("data:\n", "date:\n", "data", "required"),
        ("review: {", "review: {when: not-passed, ", "line 21: outputs.review.when", "nobody is asked"),
        ("version: 2", "version: 2.5", "line 1: version", "input should be 2"),
        ("version: 2", "version: 1.0", "line 1: version", "input should be 2"),
        ("version: 2", "version: true", "line 1: version", "input should be 2"),
        ("mode: differential", "mode: measured", "line 13: data.privacy", "belong to the mode differential"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_path(old: str, new: str, place: str, problem: str) -> None:
    text = WHOLE.decode()
    assert old in text
    with pytest.raises(DocumentError) as caught:
        parse_policy(text.replace(old, new, 1).encode())
    assert f"{place}: " in str(caught.value)
    assert problem in caught.value.problem


def test_what_a_log_may_hold_is_told_where_it_can_be_changed() -> None:
    text = WHOLE.replace(b"logs: nobody", b"logs: consumer") + b"  max_information_bits: 10\n"
    with pytest.raises(DocumentError) as caught:
        parse_policy(text)
    assert (caught.value.path, caught.value.line) == ("settings.logs", 18)


def test_a_flat_document_gets_none_of_the_new_keys() -> None:
    for changes, path in (
        ({"purposes": [{"term": "DUO:0000006"}]}, "purposes.0"),
        ({"consumers": {"allow_list": {"root": "ab" * 32}}}, "consumers"),
        ({"credentials": []}, "credentials"),
    ):
        with pytest.raises(DocumentError) as caught:
            parse_policy(canonical_json(DOCUMENT | changes))
        assert caught.value.path == path
