from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.canonical import canonical_json
from provider.receipts.errors import MalformedError, StatementRefusedError
from provider.receipts.facts import DatasetFacts, ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.request import parse_request, request_digest
from provider.receipts.statement import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    build_statement,
    job_record,
    parse_statement,
)
from provider.wire import Domain, JobRequest
from tests.receipt_samples import (
    CHAIN_ID,
    ESCROW,
    refused,
    sample_facts,
    sample_request,
    two_datasets,
    withheld,
)

KEYS = SigningKeys.generate(CHAIN_ID)
FACTS = sample_facts(KEYS)
TWO = two_datasets(FACTS)
PAYLOAD = build_statement(FACTS)


def document() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(PAYLOAD)
    return value


def with_value(path: str, value: object) -> bytes:
    """The sample's payload with one field replaced; the last part of the path may be a list index."""
    root = document()
    *parents, last = path.split(".")
    place: Any = root
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    return canonical_json(root)


def without(path: str) -> bytes:
    root = document()
    *parents, last = path.split(".")
    place: Any = root
    for part in parents:
        place = place[part]
    del place[last]
    return canonical_json(root)


@pytest.mark.parametrize(
    "change",
    [lambda facts: facts, withheld, refused, lambda _: withheld(TWO), lambda _: failed(TWO)],
    ids=["released", "withheld", "refused", "two datasets", "failed on two datasets"],
)
def test_facts_survive_building_and_parsing(change: Callable[[ReceiptFacts], ReceiptFacts]) -> None:
    facts = change(FACTS)
    statement = parse_statement(build_statement(facts))
    assert statement.facts == facts
    assert statement.is_released == (facts is FACTS)


def test_a_statement_is_in_toto_v1_and_canonical() -> None:
    value = document()
    assert canonical_json(value) == PAYLOAD
    assert (value["_type"], value["predicateType"]) == (STATEMENT_TYPE, PREDICATE_TYPE)
    assert {item["name"] for item in value["subject"]} == {"model.safetensors", "metrics.json"}
    assert all(set(item["digest"]) == {"sha256"} for item in value["subject"])


def test_amounts_and_byte_counts_are_decimal_strings() -> None:
    predicate = document()["predicate"]
    assert predicate["job"]["orders"][0]["amountWei"] == "5000000000000000000"
    assert predicate["outputs"][0]["sizeBytes"] == "24"
    assert predicate["run"]["peakMemoryBytes"] == str(2**28)


def test_when_nothing_is_released_the_job_record_is_the_subject() -> None:
    facts = withheld(FACTS)
    (subject,) = parse_statement(build_statement(facts)).subjects
    assert subject.name == "job"
    assert json.loads(job_record(facts))["id"] == facts.job.id


def test_unknown_fields_are_ignored_wherever_they_stand() -> None:
    for path in ("future", "predicate.future", "predicate.egress.allowAnyway", "subject.0.annotations"):
        assert parse_statement(with_value(path, {"verdict": "RELEASED"})).facts == FACTS


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "https://slsa.dev/provenance/v1"),
        ("predicate", None),
        ("subject", []),
        ("subject", "model"),
        ("subject.0.name", ""),
        ("subject.0.digest", {"keccak256": "0" * 64}),
        ("subject.0.digest", {"sha256": "0" * 64, "keccak256": "0" * 64}),
        ("subject.0.digest", {"sha256": "A" * 64}),
        ("subject.0.digest", {"sha256": "0" * 64}),
        ("subject.0.name", "other.safetensors"),
        ("predicate.job.id", "0x" + "0" * 62),
        ("predicate.job.attempt", "1"),
        ("predicate.job.attempt", True),
        ("predicate.job.attempt", -1),
        ("predicate.job.consumer", "alice"),
        ("predicate.job.orders.0.amountWei", 5),
        ("predicate.job.orders.0.amountWei", "05"),
        ("predicate.job.orders.0.amountWei", "-5"),
        ("predicate.job.orders", None),
        ("predicate.job.orders", {}),
        ("predicate.job.orders", [None]),
        ("predicate.job.orders.0.tokenId", "2"),
        ("predicate.inputs.algorithm", "keccak256:" + "0" * 64),
        ("predicate.inputs.datasets", {}),
        ("predicate.inputs.datasets", []),
        ("predicate.policy.digests", []),
        ("predicate.policy.decision", "wait"),
        ("predicate.policy.rules", []),
        ("predicate.policy.rules.0.verdict", "deny"),
        ("predicate.policy.rules.0.assetId", "b2" * 32),
        ("predicate.policy.rules.0.assetId", None),
        ("predicate.sandbox", None),
        ("predicate.sandbox.probe", None),
        ("predicate.sandbox.probe.passed", False),
        ("predicate.sandbox.probe.passed", 1),
        ("predicate.run", None),
        ("predicate.run.finished", 0),
        ("predicate.run.cpuS", "1e3"),
        ("predicate.outputs", []),
        ("predicate.outputs.0.released", False),
        ("predicate.outputs.0.releasedDigest", None),
        ("predicate.outputs.0.name", "undeclared"),
        ("predicate.outputs.0.name", "metrics.json"),
        ("predicate.egress.verdict", "WITHHELD"),
        ("predicate.egress.verdict", "released"),
        ("predicate.egress.verdict", "APPROVED"),
        ("predicate.egress.outcome", "failed"),
        ("predicate.egress.outcome", "great"),
        ("predicate.egress.rule", "weights-finite"),
        ("predicate.egress.checks.0.ok", False),
        ("predicate.notBefore.number", -1),
        ("predicate.log.index", -1),
        ("predicate.log.origin", "sealroom/1/other"),
    ],
)
def test_a_statement_that_contradicts_itself_is_refused(path: str, value: object) -> None:
    with pytest.raises(StatementRefusedError):
        parse_statement(with_value(path, value))


def job(**changes: Any) -> ReceiptFacts:
    return replace(TWO, job=replace(TWO.job, **changes))


def inputs(*datasets: DatasetFacts) -> ReceiptFacts:
    return replace(TWO, inputs=replace(TWO.inputs, datasets=datasets))


def policy(**changes: Any) -> ReceiptFacts:
    return replace(TWO, policy=replace(TWO.policy, **changes))


def failed(facts: ReceiptFacts) -> ReceiptFacts:
    facts = withheld(facts)
    return replace(facts, egress=replace(facts.egress, outcome="failed", checks=(), rule="timeout"))


FIRST, SECOND = TWO.inputs.datasets
RULES = TWO.policy.rules
DENIED = (RULES[0], replace(RULES[1], verdict="deny"))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(job(orders=TWO.job.orders[:1]), id="one order for two datasets"),
        pytest.param(job(orders=TWO.job.orders[::-1]), id="orders of each other's datasets"),
        pytest.param(job(orders=TWO.job.orders[:1] * 2), id="one order twice"),
        pytest.param(inputs(FIRST), id="a dataset left out"),
        pytest.param(inputs(FIRST, FIRST), id="a dataset twice"),
        pytest.param(inputs(SECOND, FIRST), id="datasets exchanged"),
        pytest.param(policy(digests=TWO.policy.digests[:1]), id="one policy for two datasets"),
        pytest.param(policy(rules=RULES[:1]), id="a dataset that no rule judged"),
        pytest.param(policy(rules=DENIED), id="one that denied"),
        pytest.param(failed(policy(rules=DENIED)), id="one that denied what ran and failed"),
        pytest.param(policy(rules=(RULES[0], replace(RULES[1], verdict="wait"))), id="one that waited"),
        pytest.param(policy(rules=(*RULES, replace(RULES[0], asset_id="c3" * 32))), id="a third dataset"),
    ],
)
def test_a_job_on_several_datasets_is_refused_unless_each_was_ordered_and_allowed_it(
    facts: ReceiptFacts,
) -> None:
    with pytest.raises(StatementRefusedError):
        build_statement(facts)


def test_a_refused_job_says_which_datasets_rule_denied() -> None:
    facts = refused(policy(decision="deny", rules=DENIED))
    read = parse_statement(build_statement(facts)).facts
    assert [rule.asset_id for rule in read.policy.rules if rule.verdict == "deny"] == [SECOND.asset_id]


@pytest.mark.parametrize(
    "field", ["job", "inputs", "policy", "egress", "privacy", "log", "sandbox", "run", "outputs"]
)
def test_a_missing_part_is_refused_and_named(field: str) -> None:
    with pytest.raises(StatementRefusedError, match=f"predicate.{field}: is missing"):
        parse_statement(without(f"predicate.{field}"))


@pytest.mark.parametrize("facts", [FACTS, withheld(FACTS)], ids=["released", "withheld"])
def test_a_file_without_a_name_is_refused_before_it_is_signed(facts: ReceiptFacts) -> None:
    unnamed = replace(facts.outputs[0], name="")
    with pytest.raises(StatementRefusedError, match="no name"):
        build_statement(replace(facts, outputs=(unnamed, *facts.outputs[1:])))


def test_a_withheld_job_can_not_have_released_an_output() -> None:
    facts = withheld(FACTS)
    one = replace(facts.outputs[0], released=True, released_digest=FACTS.outputs[0].released_digest)
    with pytest.raises(StatementRefusedError):
        build_statement(replace(facts, outputs=(one, *facts.outputs[1:])))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(
            replace(FACTS, inputs=replace(FACTS.inputs, parameters={"rate": float("nan")})), id="NaN"
        ),
        pytest.param(replace(FACTS, inputs=replace(FACTS.inputs, algorithm="abc")), id="no digest"),
        pytest.param(replace(FACTS, job=replace(FACTS.job, request={"big": 2**60})), id="a large number"),
        pytest.param(
            replace(FACTS, inputs=replace(FACTS.inputs, parameters={"a": "x" * 800_000})), id="too large"
        ),
    ],
)
def test_what_could_not_be_read_back_is_not_signed(facts: ReceiptFacts) -> None:
    with pytest.raises(StatementRefusedError):
        build_statement(facts)


@given(st.binary(max_size=200))
def test_garbage_payloads_are_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises((MalformedError, StatementRefusedError)):
        parse_statement(data)


json_values = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.none(), max_size=2)
)
FIELDS = [
    f"predicate.{part}.{name}"
    for part, fields in document()["predicate"].items()
    if isinstance(fields, dict)
    for name in fields
]


@given(st.sampled_from(FIELDS), json_values | st.dictionaries(st.text(max_size=3), st.none(), max_size=2))
def test_any_value_in_any_field_is_read_or_refused(path: str, value: object) -> None:
    try:
        statement = parse_statement(with_value(path, value))
    except StatementRefusedError:
        return
    assert statement.is_released


def test_the_request_hashes_as_the_service_hashes_it() -> None:
    request = sample_request()
    wire = JobRequest.model_validate(request)
    domain = Domain(chain_id=CHAIN_ID, escrow=ESCROW)
    assert request_digest(parse_request(request), CHAIN_ID, ESCROW).hex() == wire.job_id(domain)
    assert parse_request(json.loads(wire.model_dump_json())) == parse_request(request)
