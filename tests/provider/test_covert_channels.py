"""The page on covert channels lists every field that a consumer sees, and its figures are those of the code."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from policies.egress import ENDING_BITS
from policies.model import LimitsPolicy
from policies.privacy import PRIVACY_TESTS
from provider.gate.decide import CHECKS, COLLECTION_RULES
from provider.receipts.facts import ReceiptFacts
from provider.receipts.records import camel_case
from provider.receipts.reviews import REVIEW_ENDS
from provider.rounding import (
    CPU_STEP_S,
    MEMORY_STEP_BYTES,
    SIZE_STEP_BYTES,
    TIME_STEP_S,
    round_cpu,
    round_size,
    round_time,
    round_time_down,
)
from provider.routes.endpoints import ENDPOINTS
from provider.routes.openapi import describe_api
from provider.settings import Settings
from sandbox.run import COLLECT_BYTES_PER_S, START_GRACE_S
from sandbox.spec import ExitReason
from tests.policy_samples import make_policy
from tests.provider_fixtures import Lab

PAGE = (Path(__file__).parents[2] / "docs" / "covert-channels.md").read_text()
NO_CHANNEL = {"fixed", "declared", "blinded", "reviewed", "said by people"}
NO_CHANNEL |= {"one of the views above", "the receipt, below"}


def section(heading: str) -> str:
    return PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]


def classified(heading: str) -> list[tuple[str, str]]:
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", section(heading), flags=re.MULTILINE)
    return [(name, carries) for names, carries in rows for name in re.findall(r"`([^`]+)`", names)]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield str(node["$ref"]).rsplit("/", 1)[1]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def answered_fields(also: set[str]) -> set[str]:
    """Return every field of every answer that the description gives, `also` of models that it leaves out."""
    description = json.loads(describe_api(ENDPOINTS))
    schemas = description["components"]["schemas"]
    responses = [
        operation["responses"] for path in description["paths"].values() for operation in path.values()
    ]
    todo, seen = set(references(responses)) | {name for name in also if name in schemas}, set()
    while todo:
        seen |= todo
        todo = {name for known in todo for name in references(schemas[known])} - seen
    return {f"{name}.{field}" for name in seen for field in schemas[name]["properties"]}


def leaves(kind: Any, path: str) -> Iterator[str]:
    """Yield the JSON path of every field of a record, through tuples and optional parts."""
    parts = [kind, *(part for part in typing.get_args(kind) if part is not type(None))]
    record = next((part for part in parts if dataclasses.is_dataclass(part)), None)
    if record is None:
        yield path
        return
    hints = typing.get_type_hints(record)
    for field in dataclasses.fields(record):
        name = camel_case(field.name)
        yield from leaves(hints[field.name], f"{path}.{name}" if path else name)


def test_every_field_that_the_interface_answers_with_is_classified_once(lab: Lab) -> None:
    answers = {
        typing.get_type_hints(action.handler)["return"] for action in lab.services.actions._actions.values()
    }
    expected = answered_fields({model.__name__ for model in answers})
    expected |= {f"{model.__name__}.{name}" for model in answers for name in model.model_fields}
    expected |= {f"{e.method} {e.path}" for e in ENDPOINTS if e.answer is None}
    names = [name for name, _ in classified("The interface")]
    assert sorted(names) == sorted(expected)


def test_every_field_of_a_receipt_is_classified_once() -> None:
    names = [name for name, _ in classified("The receipt")]
    assert sorted(names) == sorted(leaves(ReceiptFacts, ""))


def test_every_field_is_said_to_carry_a_channel_that_has_a_figure_or_none() -> None:
    rows = classified("The interface") + classified("The receipt")
    assert {carries for _, carries in rows} <= NO_CHANNEL | figures().keys()


def figures() -> dict[str, tuple[int, int]]:
    """Return values and bits of each channel in the page's table."""
    rows = re.findall(
        r"^\| (\w+) \| [^|]+ \| ([\d,]+) \| (\d+) \|$", section("How much it is"), flags=re.MULTILINE
    )
    return {name: (int(values.replace(",", "")), int(bits)) for name, values, bits in rows}


def expected_values() -> dict[str, int]:
    limits = LimitsPolicy()
    sent = limits.output_bytes + limits.log_bytes
    longest_s = limits.time_s + START_GRACE_S + math.ceil(sent / COLLECT_BYTES_PER_S)
    endings = 1 + len(CHECKS) + len(COLLECTION_RULES)
    reviewed = len(REVIEW_ENDS)
    endings += max(len(PRIVACY_TESTS), reviewed * (1 + len(PRIVACY_TESTS)))
    endings += len(set(ExitReason) - {ExitReason.COMPLETED}) + len({"cancelled-running", "too-many-attempts"})
    attempts = max(part.le for part in Settings.model_fields["max_attempts"].metadata if hasattr(part, "le"))
    return {
        "ending": endings,
        "duration": math.ceil(longest_s / TIME_STEP_S) + 1,
        "processor": math.ceil(Decimal(limits.cpus) * limits.time_s / CPU_STEP_S) + 1,
        "memory": math.ceil(limits.memory_bytes / MEMORY_STEP_BYTES) + 1,
        "written": math.ceil(sent / SIZE_STEP_BYTES) + 1,
        "presence": 2**3,
        "attempts": attempts + 1,
        "watcher": longest_s,
    }


@pytest.mark.parametrize("channel", sorted(expected_values()))
def test_a_channel_is_as_wide_as_the_page_says(channel: str) -> None:
    values = expected_values()[channel]
    assert figures()[channel] == (values, math.ceil(math.log2(values)))


def test_the_page_lists_all_channels_and_adds_up_those_of_a_receipt() -> None:
    assert figures().keys() == expected_values().keys()
    total = sum(bits for name, (_, bits) in figures().items() if name != "watcher")
    assert f"| **all in a receipt** | | | **{total}** |" in PAGE


def test_public_figures_are_rounded_and_no_claim_exceeds_its_limit() -> None:
    assert (round_time(11), round_time(20), round_time_down(19)) == (20, 20, 10)
    assert round_cpu("0.001", limit=Decimal(600)) == "10"
    assert round_cpu("1e9", limit=Decimal(600)) == "600"
    assert round_size(1, 1024, limit=4096) == 1024
    assert round_size(2**60, 1024, limit=4096) == 4096


def test_an_ending_fits_into_the_bits_that_are_counted_for_it() -> None:
    assert math.log2(expected_values()["ending"]) <= ENDING_BITS


def test_what_reviewers_overrule_is_counted_a_bit_for_each_test() -> None:
    measured = {"mode": "measured", "tests": {}}
    review = {"reviewers": ["0x" + "11" * 20], "when": "not-passed"}
    assert make_policy(privacy=measured).side_information_bits == 0
    assert make_policy(privacy=measured, review=review).side_information_bits == len(PRIVACY_TESTS)
    assert f"the receipt says which: {len(PRIVACY_TESTS)} bits, which count in `max_information_bits`" in PAGE
