"""Only a ReceiptError comes out of a parser, whatever goes in: bytes, texts, and good documents with parts exchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider.receipts.envelope import PAYLOAD_TYPE
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
    command = [
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
def test_examples_with_pieces_cut_and_put_in_bring_out_nothing_but_our_errors(
    name: str, data: st.DataObject
) -> None:
    example = PARSERS[name][1]
    start = data.draw(st.integers(0, len(example)))
    end = data.draw(st.integers(start, min(len(example), start + 64)))
    is_read(
        name, example[:start] + data.draw(st.binary(max_size=16) | st.sampled_from(PIECES)) + example[end:]
    )


PIECES = [
    *(
        b'"',
        b"\\",
        b"{",
        b"[" * 40,
        b"}",
        b"\n\n",
        b"\r",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"NaN",
        b"null",
    ),
    *(
        b"1" * 400,
        b"1e999",
        b"-0",
        b"1.5",
        b"\xe2\x80\x94 ",
        b"+/",
        b"-_",
        b"=",
        "\u0667".encode(),
        b"\xef\xbb\xbf",
    ),
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["0x" + "00" * 32, "0x" + "00" * 20, "sha256:" + "00" * 32, "00" * 32, "0x", "7", "AAAA"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value that holds something."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in items for place in places(item, (*path, key))]


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
PLACES = {name: places(json.loads(example)) for name, example in STRUCTURED.items()}


@pytest.mark.parametrize("name", STRUCTURED)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_documents_with_any_value_at_any_place_bring_out_nothing_but_our_errors(
    name: str, data: st.DataObject
) -> None:
    document: Any = json.loads(STRUCTURED[name])
    *parents, last = data.draw(st.sampled_from(PLACES[name]))
    place = document
    for key in parents:
        place = place[key]
    place[last] = data.draw(json_values)
    is_read(name, json.dumps(document).encode() + b"\n" * STRUCTURED[name].endswith(b"\n"))


def test_no_place_of_a_document_is_overlooked() -> None:
    assert PAYLOAD_TYPE in json.loads(STRUCTURED["envelope"]).values()
    assert ("predicate", "job", "orders", 0, "amountWei") in PLACES["statement"]
    assert ("keys", 0, "revokedAt") in PLACES["trust root"]


def test_an_error_that_is_not_ours_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARSERS, "envelope", (json.loads, b"{}"))
    with pytest.raises(json.JSONDecodeError):
        is_read("envelope", b"{")
