"""Every limit of the receipt format: what is just within it is read, one more is refused."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policies.canonical import canonical_json
from provider.receipts import (
    countersignature,
    envelope,
    note,
    proof,
    request,
    splitview,
    statement,
    strictjson,
    tree,
    trust,
)
from provider.receipts.errors import (
    FieldError,
    MalformedError,
    ProofInvalidError,
    ReceiptError,
    StatementRefusedError,
)
from provider.receipts.facts import ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.records import to_json
from provider.receipts.signatures import checksum_address
from tests.receipt_samples import CHAIN_ID, PROVIDER, make_sample, sample_facts, sample_request, withheld

KEYS = SigningKeys.generate(CHAIN_ID)
SAMPLE = make_sample(keys=KEYS)
FACTS = sample_facts(KEYS)
NOTE = proof.parse_proof(SAMPLE.proof).note
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "receipt-format.md"


def with_front(document: bytes, text: str) -> bytes:
    """A JSON object with one more field in front."""
    return b"{" + text.encode() + b"," + document[1:]


def padded(document: bytes, size: int) -> bytes:
    """A JSON object of exactly that size, by a field that nobody knows."""
    return with_front(document, f'"x":"{"a" * (size - len(document) - len(""""x":"","""))}"')


def nested(levels: int) -> str:
    """A field whose value has that many levels."""
    return f'"x":{"[" * levels}{"]" * levels}'


def envelope_with(**changes: Any) -> bytes:
    return json.dumps(json.loads(SAMPLE.envelope.to_json()) | changes).encode()


def signatures(count: int) -> bytes:
    return envelope_with(signatures=[{"keyid": str(number), "sig": "AAAA"} for number in range(count)])


def receipt_file(size: int) -> bytes:
    """A file of eight envelopes that has that size."""
    line = size // 8 - 1
    last = size - 7 * (line + 1) - 1
    return b"".join(padded(SAMPLE.envelope.to_json(), length) + b"\n" for length in (*[line] * 7, last))


def payload(facts: ReceiptFacts) -> bytes:
    """The statement of facts, whatever its limits."""
    subjects = [
        {"name": item.name, "digest": {"sha256": item.sha256}} for item in statement.derive_subjects(facts)
    ]
    predicate = to_json(facts)
    head = {"_type": statement.STATEMENT_TYPE, "predicateType": statement.PREDICATE_TYPE}
    return canonical_json(head | {"subject": subjects, "predicate": predicate})


def released(count: int) -> bytes:
    outputs = tuple(replace(FACTS.outputs[0], name=f"f{number}") for number in range(count))
    return payload(replace(FACTS, outputs=outputs))


def datasets(count: int) -> bytes:
    (first,), (rule,) = FACTS.inputs.datasets, FACTS.policy.rules
    ids = [f"{number:064x}" for number in range(count)]
    return payload(
        replace(
            FACTS,
            inputs=replace(FACTS.inputs, datasets=tuple(replace(first, asset_id=each) for each in ids)),
            job=replace(FACTS.job, orders=()),
            policy=replace(
                FACTS.policy,
                digests=FACTS.policy.digests * count,
                rules=tuple(replace(rule, asset_id=each) for each in ids),
            ),
        )
    )


def rules(count: int) -> bytes:
    return payload(replace(FACTS, policy=replace(FACTS.policy, rules=FACTS.policy.rules * count)))


def outputs(count: int) -> bytes:
    facts = withheld(FACTS)
    return payload(replace(facts, outputs=(replace(facts.outputs[0], name="f", size_bytes=0),) * count))


def checks(count: int) -> bytes:
    facts = withheld(FACTS)
    egress = replace(facts.egress, checks=facts.egress.checks * count)
    return payload(replace(facts, egress=egress))


def keyids(count: int) -> bytes:
    return payload(replace(FACTS, provider=replace(FACTS.provider, keyids=("k",) * count)))


def proof_with(hashes: int, tail: str = NOTE) -> bytes:
    return proof.format_proof(0, [bytes(32)] * hashes, tail).encode()


def trust_with(count: int) -> bytes:
    return replace(SAMPLE.trust, keys=SAMPLE.trust.keys * count).to_json()


def parse_fraction(data: bytes) -> object:
    return strictjson.parse_json_strict(data, limits=strictjson.JsonLimits(fractions=True))


Limit = tuple[Callable[[bytes], object], Callable[[int], bytes], type[ReceiptError]]


def evidence(hashes: int, chars: int) -> bytes:
    return splitview.format_evidence("a" * chars, "", consistency=[bytes(32)] * hashes)


def record(**changes: object) -> bytes:
    """A countersignature's record as it stands in `sig`."""
    good = {"role": "ethics", "statement": "agreed", "time": 1, "signature": "0x", "block": None}
    return canonical_json(good | changes)


def parse_mark(data: bytes) -> object:
    keyid = f"eip712:{CHAIN_ID}:{checksum_address(PROVIDER)}:ethics"
    return countersignature.parse_countersignature(envelope.EnvelopeSignature(keyid, data))


LIMITS: dict[tuple[str, str], Limit] = {
    ("envelope.MAX_RECEIPT_BYTES", ""): (envelope.parse_receipt, receipt_file, MalformedError),
    ("envelope.MAX_ENVELOPE_BYTES", ""): (
        envelope.parse_envelope,
        lambda size: padded(SAMPLE.envelope.to_json(), size),
        MalformedError,
    ),
    ("envelope.MAX_ENVELOPE_DEPTH", ""): (
        envelope.parse_envelope,
        lambda levels: with_front(SAMPLE.envelope.to_json(), nested(levels - 1)),
        MalformedError,
    ),
    ("envelope.MAX_SIGNATURES", ""): (envelope.parse_envelope, signatures, MalformedError),
    ("envelope.MAX_SIGNATURE_BYTES", ""): (
        envelope.parse_envelope,
        lambda size: envelope_with(signatures=[{"keyid": "k", "sig": "A" * size}]),
        MalformedError,
    ),
    ("envelope.MAX_TEXT_CHARS", "key id"): (
        envelope.parse_envelope,
        lambda size: envelope_with(signatures=[{"keyid": "é" * size, "sig": "AAAA"}]),
        MalformedError,
    ),
    ("envelope.MAX_TEXT_CHARS", "payload type"): (
        envelope.parse_envelope,
        lambda size: envelope_with(payloadType="é" * size),
        MalformedError,
    ),
    ("statement.MAX_PAYLOAD_BYTES", ""): (
        statement.parse_statement,
        lambda size: padded(SAMPLE.envelope.payload, size),
        MalformedError,
    ),
    ("statement.MAX_PAYLOAD_DEPTH", ""): (
        statement.parse_statement,
        lambda levels: with_front(SAMPLE.envelope.payload, nested(levels - 1)),
        MalformedError,
    ),
    ("statement.MAX_SUBJECTS", ""): (statement.parse_statement, released, StatementRefusedError),
    ("statement.MAX_DATASETS", ""): (statement.parse_statement, datasets, StatementRefusedError),
    ("statement.MAX_ITEMS", "rules"): (statement.parse_statement, rules, StatementRefusedError),
    ("statement.MAX_ITEMS", "outputs"): (statement.parse_statement, outputs, StatementRefusedError),
    ("statement.MAX_ITEMS", "checks"): (statement.parse_statement, checks, StatementRefusedError),
    ("statement.MAX_ITEMS", "key ids"): (statement.parse_statement, keyids, StatementRefusedError),
    ("strictjson.MAX_NUMBER_CHARS", ""): (
        strictjson.parse_json_strict,
        lambda size: b"-9" + b"007199254740991".ljust(size - 2, b"0"),
        MalformedError,
    ),
    ("strictjson.MAX_FRACTION_CHARS", ""): (
        parse_fraction,
        lambda size: b"0." + b"1" * (size - 2),
        MalformedError,
    ),
    ("proof.MAX_PROOF_BYTES", ""): (
        proof.parse_proof,
        lambda size: proof_with(0, "n" * (size - len(proof_with(0, "")))),
        MalformedError,
    ),
    ("proof.MAX_PROOF_HASHES", ""): (proof.parse_proof, proof_with, MalformedError),
    ("note.MAX_NOTE_BYTES", ""): (
        lambda data: note.parse_note(data.decode()),
        lambda size: ("é" * (size - len(NOTE)) + NOTE).encode(),
        MalformedError,
    ),
    ("note.MAX_NOTE_SIGNATURES", ""): (
        lambda data: note.parse_note(data.decode()),
        lambda count: ("text\n\n" + "— name AAAAAAAA\n" * count).encode(),
        MalformedError,
    ),
    ("tree.MAX_TREE_SIZE", "written"): (
        lambda data: note.parse_decimal(data.decode(), document="size"),
        lambda size: str(size).encode(),
        MalformedError,
    ),
    ("tree.MAX_TREE_SIZE", "proven"): (
        lambda data: tree.verify_consistency(int(data), b"r", int(data), b"r", []),
        lambda size: str(size).encode(),
        ProofInvalidError,
    ),
    ("trust.MAX_TRUST_BYTES", ""): (
        trust.parse_trust,
        lambda size: SAMPLE.trust.to_json().ljust(size),
        MalformedError,
    ),
    ("trust.MAX_TRUST_DEPTH", ""): (
        trust.parse_trust,
        lambda levels: with_front(SAMPLE.trust.to_json(), nested(levels - 1)),
        MalformedError,
    ),
    ("countersignature.MAX_SIGNATURE_BYTES", ""): (
        parse_mark,
        lambda size: record(signature="0x" + "00" * size),
        MalformedError,
    ),
    ("countersignature.MAX_STATEMENT_CHARS", ""): (
        parse_mark,
        lambda size: record(statement="é" * size),
        MalformedError,
    ),
    ("countersignature.MAX_RECORD_BYTES", ""): (
        lambda data: strictjson.parse_json_strict(data, limits=countersignature._LIMITS),
        lambda size: record().ljust(size),
        MalformedError,
    ),
    ("splitview.MAX_EVIDENCE_BYTES", ""): (
        splitview.parse_evidence,
        lambda size: evidence(0, size - len(evidence(0, 0))),
        MalformedError,
    ),
    ("splitview.MAX_CONSISTENCY_HASHES", ""): (
        splitview.parse_evidence,
        lambda count: evidence(count, 0),
        MalformedError,
    ),
    ("trust.MAX_KEY_SETS", ""): (trust.parse_trust, trust_with, MalformedError),
}
STEPS = {"envelope.MAX_SIGNATURE_BYTES": 4}
"""Base64 grows by four characters."""


def value_of(name: str) -> int:
    module, constant = name.split(".")
    return int(getattr(importlib.import_module(f"provider.receipts.{module}"), constant))


@pytest.mark.parametrize(("name", "kind"), LIMITS, ids=lambda part: part or "all")
def test_what_is_at_the_limit_is_read_and_one_past_it_is_refused(name: str, kind: str) -> None:
    read, make, error = LIMITS[name, kind]
    most = value_of(name)
    read(make(most))
    with pytest.raises(error):
        read(make(most + STEPS.get(name, 1)))


def test_every_limit_that_the_document_names_is_tested_here() -> None:
    named = re.findall(r"`(\w+\.MAX_\w+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert set(named) == {name for name, _ in LIMITS}


@pytest.mark.parametrize("text", ["9007199254740991", "-9007199254740991", "0", "-0"])
def test_an_integer_up_to_2_to_the_53_less_1_is_read(text: str) -> None:
    assert strictjson.parse_json_strict(text.encode()) == int(text)


@pytest.mark.parametrize(
    "text", ["9007199254740992", "-9007199254740992", "1.0", "1e2", "01", "+1", "\u0661"]
)
def test_any_other_number_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        strictjson.parse_json_strict(text.encode())


@pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_finite_number_is_refused_where_fractions_are_read(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_fraction(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":1}',
        '"\\ud800"',
        '{"\\udfff":1}',
        '"\x00"',
        '"\x1f"',
        "\ufeff{}",
        "{} {}",
        "[1,]",
    ],
)
def test_json_with_two_meanings_or_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        strictjson.parse_json_strict(text.encode("utf-8", "surrogatepass"))


def test_nesting_without_end_is_refused_and_not_an_error_of_the_interpreter() -> None:
    for opening in (b"[", b'{"a":'):
        with pytest.raises(MalformedError):
            strictjson.parse_json_strict(opening * 200_000)


@pytest.mark.parametrize(
    ("expiry", "read"), [(0, True), (2**53 - 1, True), (2**64 - 1, True), (2**64, False), (-1, False)]
)
def test_an_expiry_fits_64_bits(expiry: int, *, read: bool) -> None:
    value = sample_request(expiry=expiry)
    if read:
        assert len(request.request_digest(request.parse_request(value), CHAIN_ID, SAMPLE.trust.escrow)) == 32
        return
    with pytest.raises(FieldError):
        request.parse_request(value)


def test_a_request_has_one_result_key_by_its_own_name() -> None:
    key = base64.b64encode(b"another key").decode()
    assert request.parse_request(sample_request(resultKey=key)).result_key == sample_request()["result_key"]
    with pytest.raises(FieldError):
        request.parse_request(
            {"resultKey": key} | {k: v for k, v in sample_request().items() if k != "result_key"}
        )


def test_what_could_not_be_read_is_not_signed() -> None:
    with pytest.raises(StatementRefusedError):
        statement.build_statement(
            replace(FACTS, policy=replace(FACTS.policy, rules=FACTS.policy.rules * 5000))
        )
