"""The published JSON Schema takes what the models take, and tells an editor of the mistakes that it can see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from policies.canonical import canonical_json
from policies.documents import parse_yaml
from policies.errors import DocumentError
from policies.model import parse_policy
from policies.published import policy_schema
from tests.policies.test_fivesafes import WHOLE

SCHEMA = policy_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def whole() -> dict[str, Any]:
    return parse_yaml(WHOLE, document="policy")


def test_the_published_file_is_the_models_and_says_what_it_is() -> None:
    page = Path(__file__).parents[2] / "docs" / "policy.schema.json"
    assert json.loads(page.read_text()) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(VALIDATOR.iter_errors(whole())) == []


def test_every_key_that_an_owner_writes_is_described() -> None:
    parts = ["ProjectsPart", "PeoplePart", "DataPart", "SettingsPart", "Term", "CredentialDemand"]
    for name in parts:
        bare = [
            key for key, value in SCHEMA["$defs"][name]["properties"].items() if "description" not in value
        ]
        assert bare == [], name


MISTAKES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("an unknown key", lambda d: d.update(purposes=[])),
    ("no data", lambda d: d.pop("data")),
    ("version 1", lambda d: d.update(version=1)),
    ("an unknown term", lambda d: d["projects"]["purposes"].append("DUO:0000099")),
    ("no term at all", lambda d: d["projects"].update(purposes=[])),
    (
        "a parameter of another term",
        lambda d: d["projects"]["purposes"].append({"term": "DUO:0000046", "months": 3}),
    ),
    ("a disease that is none", lambda d: d["projects"]["purposes"][0].update(diseases=["DOID:1"])),
    ("a root that is none", lambda d: d["people"]["consumers"]["allow_list"].update(root="12")),
    ("consumers in words", lambda d: d["people"].update(consumers="everyone")),
    ("a claim in words", lambda d: d["people"]["credentials"][0].update(claim="Not for profit")),
    ("an unknown mode", lambda d: d["data"]["privacy"].update(mode="off")),
    ("an unknown runtime", lambda d: d["settings"].update(runtime="kata")),
    ("a tag in place of a digest", lambda d: d["settings"].update(images=["python:3"])),
    ("a size in words", lambda d: d["settings"]["limits"].update(memory_bytes="lots")),
    ("too little memory", lambda d: d["settings"]["limits"].update(memory_bytes=1)),
    ("too much time", lambda d: d["settings"]["limits"].update(time_s=10**7)),
    ("too many processors", lambda d: d["settings"]["limits"].update(cpus=1000)),
    (
        "a date in words",
        lambda d: d["projects"]["purposes"].append({"term": "DUO:0000024", "until": "next year"}),
    ),
    ("three reviewers needed", lambda d: d["outputs"]["review"].update(needed=3)),
]


@pytest.mark.parametrize("change", [change for _, change in MISTAKES], ids=[name for name, _ in MISTAKES])
def test_an_editor_and_the_engine_refuse_the_same_mistake(change: Callable[[dict[str, Any]], object]) -> None:
    document = whole()
    change(document)
    assert list(VALIDATOR.iter_errors(document))
    with pytest.raises(DocumentError):
        parse_policy(canonical_json(document))
