"""Only a ReceiptError comes out of a parser, whatever goes in: bytes, texts, and good documents with something altered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider.receipts.envelope import PAYLOAD_TYPE
from tests.fuzz.alterations import altered_bytes, altered_documents, list_places
from tests.fuzz.receipt_parsers import ENVELOPE, EVIDENCE, MARKED, PARSERS, RECEIPT, REQUEST, TRUST, is_read

ROOT = Path(__file__).resolve().parents[2]
LONG = os.environ.get("SEALROOM_FUZZ") == "long"
RUNS = ("-max_total_time=600",) if LONG else ("-runs=12000", "-seed=1")
EXAMPLES = 2000 if LONG else 40


@pytest.mark.parametrize("name", PARSERS)
def test_each_parser_reads_its_example_and_nothing_empty(name: str) -> None:
    assert is_read(name, PARSERS[name][1])
    assert is_read(name, b"") == (name in {"base64", "any base64"})


def test_coverage_guided_fuzzing_brings_out_nothing_but_our_errors(tmp_path: Path) -> None:
    # Linux counts the memory of whoever starts a program as that program's, and libFuzzer believes it: a shell starts it.
    command = [
        *("sh", "-c", '"$@"; exit $?', "sh"),
        sys.executable,
        "-m",
        "tests.fuzz.fuzz_receipts",
        str(tmp_path),
        *RUNS,
        "-timeout=30",
        "-rss_limit_mb=1024",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Done" in done.stderr


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(
    data=st.binary(max_size=400)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_raw_bytes_and_texts_bring_out_nothing_but_our_errors(name: str, data: bytes) -> None:
    is_read(name, data)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_examples_with_pieces_exchanged_bring_out_nothing_but_our_errors(
    name: str, data: st.DataObject
) -> None:
    is_read(name, data.draw(altered_bytes(PARSERS[name][1])))


STRUCTURED: dict[str, bytes] = {
    "envelope": ENVELOPE.to_json(),
    "statement": ENVELOPE.payload,
    "request": REQUEST,
    "trust root": TRUST,
    "countersignature": MARKED.sig,
    "split view": EVIDENCE,
    "a receipt's verification": RECEIPT,
    "a trust root's verification": TRUST,
}


@pytest.mark.parametrize("name", STRUCTURED)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_documents_with_any_value_at_any_place_bring_out_nothing_but_our_errors(
    name: str, data: st.DataObject
) -> None:
    is_read(name, data.draw(altered_documents(STRUCTURED[name])))


def test_no_place_of_a_document_is_overlooked() -> None:
    assert PAYLOAD_TYPE in json.loads(STRUCTURED["envelope"]).values()
    assert ("predicate", "job", "orders", 0, "amountWei") in list_places(json.loads(STRUCTURED["statement"]))
    assert ("keys", 0, "revokedAt") in list_places(json.loads(STRUCTURED["trust root"]))


def test_an_error_that_is_not_ours_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARSERS, "envelope", (json.loads, b"{}"))
    with pytest.raises(json.JSONDecodeError):
        is_read("envelope", b"{")
