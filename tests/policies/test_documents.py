"""The YAML that people write is read in one way or refused with the place."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.documents import MAX_DOCUMENT_BYTES, StrictModel, parse_document, parse_yaml
from policies.errors import DocumentError


class Inner(StrictModel):
    count: int


class Outer(StrictModel):
    inner: Inner


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "line 2: the key 'a' stands twice"),
        ("a: {b: 1, b: 2}", "line 1: the key 'b' stands twice"),
        ("a: &x 1\nb: *x", "line 1: anchors and aliases are not allowed"),
        ("a: !!binary aGk=", "line 1: tags are not allowed"),
        ("a: !!python/object/apply:os.system [id]", "line 1: tags are not allowed"),
        ("<<: {a: 1}", "line 1: could not determine a constructor"),
        ("1: 2", "line 1: keys must be text, got 1"),
        ("? [a]\n: b", "keys must be text"),
        ("a: 1\n---\nb: 2", "line 2: but found another document"),
        ("- a", "expected a mapping of keys to values, got a list"),
        ("", "expected a mapping of keys to values, got nothing"),
        ("a: [1", "line 1"),
        ("a: " + "[" * 3000, "is not YAML that can be read"),
        ("a: " + "9" * 5000, "is not YAML that can be read"),
        ("a: \x00", "is not YAML that can be read"),
    ],
    ids=[
        "a duplicate key",
        "a duplicate key further in",
        "an anchor",
        "a tag",
        "a tag that would run code",
        "a merge key",
        "a number as a key",
        "a list as a key",
        "a second document",
        "a list",
        "nothing",
        "an open bracket",
        "nesting without end",
        "a number without end",
        "a control character",
    ],
)
def test_what_a_reader_would_not_expect_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml(text.encode(), document="policy")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("policy: ")


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(DocumentError, match="is not UTF-8 text"):
        parse_yaml(b"a: \xff", document="policy")


def test_a_document_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(DocumentError, match="at most 262144 are read"):
        parse_yaml(b"#" * (MAX_DOCUMENT_BYTES + 1), document="policy")


@pytest.mark.parametrize("text", ["010", "1:30", "0x10", "1_000", "2020-01-01"])
def test_only_plain_decimals_are_read_as_integers(text: str) -> None:
    assert parse_yaml(f"a: {text}".encode(), document="policy") == {"a": text}


@given(st.binary(max_size=200) | st.text(alphabet="ab:{}[]&*!-?|>#'\"\n 0.~%@`").map(str.encode))
def test_any_bytes_are_a_mapping_or_a_document_error(data: bytes) -> None:
    with contextlib.suppress(DocumentError):
        assert isinstance(parse_yaml(data, document="policy"), dict)


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("inner: {count: 1, extra: 2}", "inner.extra", "unknown key"),
        ("inner: {count: '1'}", "inner.count", "input should be a valid integer, got '1'"),
        ("inner: {}", "inner.count", "field required"),
        ("{}", "inner", "field required"),
    ],
)
def test_what_a_model_refuses_is_named_by_its_path(text: str, path: str, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(text.encode(), Outer, document="job")
    assert (caught.value.path, caught.value.problem) == (path, problem)
