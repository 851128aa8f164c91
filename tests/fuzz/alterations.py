"""Good bytes with something altered: pieces cut out and put in, or another value at any place of a JSON document."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Place = tuple[str | int, ...]
PIECES = (
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[" * 40,
    b"\n\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"NaN",
    b"null",
    b"1" * 400,
    b"1e999",
    b"-0",
    b"1.5",
    b"+/",
    b"-_",
    b"=",
    "— ".encode(),
    "\u0667".encode(),
)
TEXTS = (
    "",
    "0x",
    "0x" + "00" * 32,
    "0x" + "00" * 20,
    "sha256:" + "00" * 32,
    "00" * 32,
    "0",
    "7",
    "07",
    "AAAA",
)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def altered_bytes(draw: st.DrawFn, example: bytes) -> bytes:
    """Return the example with a piece of it replaced."""
    start = draw(st.integers(0, len(example)))
    end = draw(st.integers(start, min(len(example), start + 64)))
    return example[:start] + draw(st.binary(max_size=16) | st.sampled_from(PIECES)) + example[end:]


@st.composite
def altered_documents(draw: st.DrawFn, example: bytes) -> bytes:
    """Return a JSON document with another value at one place: any value, or one that stands elsewhere in it."""
    document = json.loads(example)
    places = list_places(document)
    value = draw(JSON_VALUES | st.sampled_from(places).map(lambda place: find_value(document, place)))
    *parents, last = draw(st.sampled_from(places))
    holder = find_value(document, tuple(parents))
    holder[last] = json.loads(json.dumps(value))
    return json.dumps(document).encode() + b"\n" * example.endswith(b"\n")


def find_value(document: Any, place: Place) -> Any:
    """Return what stands at a place."""
    for key in place:
        document = document[key]
    return document


def list_places(value: Any, path: Place = ()) -> list[Place]:
    """Return every place in a JSON value that holds something."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in items for place in list_places(item, (*path, key))]
