"""Turns a tree of frozen dataclasses into JSON values and back, by the types of the fields alone.

Field names become camelCase. A field's `Form` gives its text form, so that a digest, an address or an amount is checked
in both directions. Reading ignores unknown fields and refuses missing ones and wrong types, naming the path. How a kind of
record is read is worked out once: whoever audits a log reads the same kind thousands of times.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from provider.receipts.errors import FieldError

RecordT = TypeVar("RecordT")
Codec = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """The text form of a value: a full-match pattern, its description, and what Python sees: text, a number or bytes."""

    pattern: str
    expected: str
    kind: Literal["text", "number", "bytes"] = "text"


Digest = Annotated[str, Form(r"sha256:[0-9a-f]{64}", "sha256:<64 lower-case hex digits>")]
Hex32 = Annotated[str, Form(r"[0-9a-f]{64}", "64 lower-case hex digits")]
Hash32 = Annotated[str, Form(r"0x[0-9a-f]{64}", "0x and 64 lower-case hex digits")]
Address = Annotated[str, Form(r"0x[0-9a-fA-F]{40}", "0x and 40 hex digits")]
Hex = Annotated[str, Form(r"0x(?:[0-9a-f]{2})*", "0x and hex digits")]
Decimal = Annotated[str, Form(r"(?:0|[1-9][0-9]{0,77})(?:\.[0-9]{1,30})?", "a decimal string")]
DecimalInt = Annotated[int, Form(r"0|[1-9][0-9]{0,77}", "a whole number as a decimal string", kind="number")]
Bytes32 = Annotated[bytes, Form(r"0x[0-9a-f]{64}", "0x and 64 lower-case hex digits", kind="bytes")]
Point = Annotated[bytes, Form(r"0x04[0-9a-f]{128}", "0x04 and 128 lower-case hex digits", kind="bytes")]
_UNIONS = (types.UnionType, typing.Union)
_ABSENT = object()


def to_json(record: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value of a record: objects, arrays, strings, integers, booleans, null.

    Raises:
        FieldError: a text that hasn't its field's form.
    """
    kind: Any = type(record)
    return _run(_encoder(kind), record, kind.__name__)


def parse_record(kind: type[RecordT], value: object, path: str) -> RecordT:
    """Read a JSON value as a record of that kind.

    Raises:
        FieldError: a missing field, a wrong type, or a text that hasn't its field's form.
    """
    wanted: Any = kind
    result: RecordT = _run(_decoder(wanted), value, path)
    return result


def read_whole(value: object, path: str) -> int:
    """Read a whole number where it stands in an object that is kept as it is.

    Raises:
        FieldError: it is missing, or hasn't its form.
    """
    number: int = _run(_decoder(DecimalInt), value, path)
    return number


def camel_case(name: str) -> str:
    """Write a field's name as it stands in JSON: `not_before` is `notBefore`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _run(codec: Codec, value: object, path: str) -> Any:  # noqa: ANN401 - any value
    """Apply a codec below a path; codecs name places relative to their own value."""
    try:
        return codec(value)
    except FieldError as exc:
        raise FieldError(path + exc.path, exc.problem) from exc


@functools.cache
def _fields(kind: type) -> tuple[tuple[str, str, Any], ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    names = [field.name for field in dataclasses.fields(kind)]
    return tuple((name, camel_case(name), hints[name]) for name in names)


@functools.cache
def _encoder(kind: Any) -> Codec:  # noqa: ANN401 - walks any type
    if _is_record(kind):
        return _record_encoder(kind)
    origin = typing.get_origin(kind)
    if origin is Annotated:
        form = _form_of(kind)
        check = _checker(form)
        return lambda value: check(_to_text(value, form))
    if origin in _UNIONS:
        return _optional(_encoder(_some(kind)))
    if origin is tuple:
        return _each(_encoder(typing.get_args(kind)[0]), list)
    return _decoder(kind)


@functools.cache
def _decoder(kind: Any) -> Codec:  # noqa: ANN401 - walks any type
    if _is_record(kind):
        return _record_decoder(kind)
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _text_decoder(_form_of(kind))
    if origin in _UNIONS:
        return _optional(_decoder(_some(kind)))
    if origin is tuple:
        return _list_only(_each(_decoder(typing.get_args(kind)[0]), tuple))
    return _exactly(origin or kind)


def _record_encoder(kind: type) -> Codec:
    parts = [(name, key, _encoder(hint)) for name, key, hint in _fields(kind)]

    def encode(value: object) -> dict[str, Any]:
        if not isinstance(value, kind):
            raise _wrong(kind.__name__, value)
        return {key: _run(part, getattr(value, name), f".{key}") for name, key, part in parts}

    return encode


def _record_decoder(kind: type) -> Codec:
    parts = [(key, _decoder(hint)) for _, key, hint in _fields(kind)]

    def decode(value: object) -> Any:  # noqa: ANN401 - an instance of kind
        if not isinstance(value, dict):
            raise _wrong("an object", value)
        found = []
        for key, part in parts:
            entry = value.get(key, _ABSENT)
            if entry is _ABSENT:
                raise FieldError(f".{key}", "is missing")
            try:
                found.append(part(entry))
            except FieldError as exc:
                raise FieldError(f".{key}{exc.path}", exc.problem) from exc
        return kind(*found)

    return decode


def _each(codec: Codec, collect: type[list[Any] | tuple[Any, ...]]) -> Codec:
    def apply(value: Any) -> Any:  # noqa: ANN401 - a sequence in, a sequence out
        found: list[Any] = []
        for entry in value:
            try:
                found.append(codec(entry))
            except FieldError as exc:
                raise FieldError(f"[{len(found)}]{exc.path}", exc.problem) from exc
        return collect(found)

    return apply


def _list_only(codec: Codec) -> Codec:
    def decode(value: object) -> Any:  # noqa: ANN401 - any value
        if not isinstance(value, list):
            raise _wrong("a list", value)
        return codec(value)

    return decode


def _optional(codec: Codec) -> Codec:
    return lambda value: None if value is None else codec(value)


def _exactly(kind: Any) -> Codec:  # noqa: ANN401 - a plain type
    def decode(value: object) -> object:
        if type(value) is not kind:
            raise _wrong(kind.__name__, value)
        return value

    return decode


def _text_decoder(form: Form) -> Codec:
    check = _checker(form)
    if form.kind == "number":
        return lambda value: int(check(value))
    if form.kind == "bytes":
        return lambda value: bytes.fromhex(check(value)[2:])
    return check


def _checker(form: Form) -> Callable[[object], str]:
    matches = re.compile(form.pattern).fullmatch

    def check(value: object) -> str:
        if not isinstance(value, str) or not matches(value):
            raise _wrong(form.expected, value)
        return value

    return check


def _is_record(kind: Any) -> bool:  # noqa: ANN401 - a typing form
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _form_of(kind: Any) -> Form:  # noqa: ANN401 - a typing form
    return next(item for item in kind.__metadata__ if isinstance(item, Form))


def _to_text(value: object, form: Form) -> object:
    if form.kind == "number":
        if type(value) is not int:
            raise _wrong("an integer", value)
        return str(value)
    if form.kind == "bytes":
        if not isinstance(value, bytes):
            raise _wrong("bytes", value)
        return "0x" + value.hex()
    return value


def _some(kind: Any) -> Any:  # noqa: ANN401 - typing forms
    return next(item for item in typing.get_args(kind) if item is not type(None))


def _wrong(expected: str, value: object) -> FieldError:
    shown = repr(value[:40]) if isinstance(value, str) else type(value).__name__
    return FieldError("", f"expected {expected}, got {shown}")
