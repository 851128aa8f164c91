"""What docs/receipt-format.md says in numbers, names and tables is what the code has."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from provider.receipts import (
    countersignature,
    facts,
    gate,
    records,
    request,
    reviews,
    splitview,
    statement,
    trust,
)
from provider.receipts.envelope import PAYLOAD_TYPE
from provider.receipts.errors import Verdict
from provider.receipts.log import ENTRY_TAG
from provider.receipts.proof import HEADER
from provider.receipts.signatures import SECP256K1_HALF_ORDER
from provider.receipts.verify import verify_receipt
from tests.receipt_samples import CHAIN_ID, make_sample

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "receipt-format.md").read_text(encoding="utf-8")
LIMITS = re.findall(r"^\| .+ \| (\d+) \| `(\w+)\.(MAX_\w+)` \|$", TEXT, re.MULTILINE)
FORMS: dict[str, Any] = {
    "digest": records.Digest,
    "hex32": records.Hex32,
    "hash32": records.Hash32,
    "address": records.Address,
    "hex": records.Hex,
    "point": records.Point,
    "decimal": records.Decimal,
    "whole": records.DecimalInt,
}
WORDS: dict[Any, str] = {kind: word for word, kind in FORMS.items()} | {
    records.Bytes32: "hash32",
    str: "text",
    int: "integer",
    bool: "boolean",
    dict[str, Any]: "object",
}
RECORDS = [
    kind
    for module in (facts, trust, request)
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == module.__name__
] + [countersignature._Record, splitview.Evidence]


def record_name(kind: type) -> str:
    return kind.__name__.removeprefix("_").removesuffix("Facts").lower()


def word_of(hint: Any) -> str:
    """A field's type as the document writes it."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return f"{word_of(next(item for item in typing.get_args(hint) if item is not type(None)))} or null"
    if origin is tuple:
        return f"list of {word_of(typing.get_args(hint)[0])}"
    return WORDS[hint] if hint in WORDS else f"*{record_name(hint)}*"


def row_of(kind: type) -> str:
    hints = typing.get_type_hints(kind, include_extras=True)
    names = {name: records.camel_case(name) for name in hints}
    if kind is request.SignedRequest:
        names["result_key"] = "result_key"
    return (
        f"| *{record_name(kind)}* | {', '.join(f'`{names[key]}` {word_of(hints[key])}' for key in hints)} |"
    )


@pytest.mark.parametrize(("value", "module", "name"), LIMITS, ids=[limit[2] for limit in LIMITS])
def test_each_limit_has_the_value_that_the_document_says(value: str, module: str, name: str) -> None:
    assert getattr(importlib.import_module(f"provider.receipts.{module}"), name) == int(value)


def test_the_document_names_every_limit_of_what_it_describes() -> None:
    modules = (
        "countersignature",
        "envelope",
        "note",
        "proof",
        "splitview",
        "statement",
        "strictjson",
        "tree",
        "trust",
    )
    there = {
        (module, name)
        for module in modules
        for name in vars(importlib.import_module(f"provider.receipts.{module}"))
        if name.startswith("MAX_")
    }
    elsewhere = {"MAX_JSON_BYTES", "MAX_JSON_DEPTH", "MAX_SAFE_INTEGER", "MAX_TIME"}
    said = {(module, name) for _, module, name in LIMITS}
    assert {name for _, name in there} - {name for _, name in said} == elsewhere


@pytest.mark.parametrize("kind", RECORDS, ids=record_name)
def test_each_record_has_the_fields_that_the_document_says(kind: type) -> None:
    assert row_of(kind) in TEXT.splitlines()


@pytest.mark.parametrize("word", FORMS)
def test_each_form_has_the_pattern_that_the_document_says(word: str) -> None:
    form = next(item for item in FORMS[word].__metadata__ if isinstance(item, records.Form))
    assert f"| {word} | `{form.pattern}` |" in TEXT.replace("\\|", "|")


def test_the_checklist_has_the_steps_that_the_document_says() -> None:
    said = re.findall(r"^\| (\d+) ([a-z0-9 -]+?)(?:[:,] .*)? \| ([a-z, -]+) \|$", TEXT, re.MULTILINE)
    sample = make_sample()
    steps = verify_receipt(sample.receipt, sample.proof, sample.trust, {}).steps
    assert [(int(number), name) for number, name, _ in said] == [(step.number, step.name) for step in steps]
    verdicts = {verdict for _, _, words in said for verdict in words.split(", ")}
    assert verdicts == {verdict.value for verdict in Verdict} - {Verdict.VERIFIED, Verdict.NOT_COUNTERSIGNED}


def test_the_committed_vectors_end_at_every_step_that_needs_no_chain() -> None:
    folders = (ROOT / "docs" / "vectors").iterdir()
    ended = {json.loads((folder / "expected.json").read_text())["step"] for folder in folders}
    sample = make_sample()
    steps = verify_receipt(sample.receipt, sample.proof, sample.trust, {}).steps
    assert ended == {"", "read trust root", *(step.name for step in steps[:-1])}


@pytest.mark.parametrize(
    "text",
    [
        PAYLOAD_TYPE,
        statement.STATEMENT_TYPE,
        statement.PREDICATE_TYPE,
        HEADER,
        ENTRY_TAG.decode().rstrip("\n"),
        request.DOMAIN_TYPE.decode(),
        request.REQUEST_TYPE.decode(),
        request.DOMAIN_NAME.decode(),
        f"{SECP256K1_HALF_ORDER:x}",
        splitview.EVIDENCE_TYPE,
        reviews.ACTION_TYPE.decode(),
        reviews.REVIEW_ACTION,
        reviews.REVIEW_WITHHELD,
        reviews.REVIEW_LATE,
        reviews.REVIEW_CANCELLED,
        gate.LOG_LIMIT,
        *reviews.WHEN,
        countersignature._TYPE.decode(),
        countersignature._DOMAIN_TYPE.decode(),
        *statement.OUTCOMES,
        *statement.LOG_READERS,
        statement.UNDECLARED,
        f"sealroom/{CHAIN_ID}/0x",
    ],
)
def test_each_fixed_text_stands_in_the_document(text: str) -> None:
    assert text in TEXT
