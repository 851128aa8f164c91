"""Turns a tree of frozen dataclasses into JSON values and back, by the types of the fields alone.

Field names become camelCase. A field's `Form` gives its text form, so that a digest, an address or an amount is checked
in both directions. Reading ignores unknown fields and refuses missing ones and wrong types, naming the path.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from provider.receipts.errors import FieldError

RecordT = TypeVar("RecordT")


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
    return _encode(record, type(record), type(record).__name__)


def parse_record(kind: type[RecordT], value: object, path: str) -> RecordT:
    """Read a JSON value as a record of that kind.

    Raises:
        FieldError: a missing field, a wrong type, or a text that hasn't its field's form.
    """
    result: RecordT = _decode(value, kind, path)
    return result


def camel_case(name: str) -> str:
    """Write a field's name as it stands in JSON: `not_before` is `notBefore`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@functools.cache
def _fields(kind: type) -> tuple[tuple[str, str, Any], ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    names = [field.name for field in dataclasses.fields(kind)]
    return tuple((name, camel_case(name), hints[name]) for name in names)


def _encode(value: Any, kind: Any, path: str) -> Any:  # noqa: ANN401 - walks any type
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, kind):
            raise _wrong(path, kind.__name__, value)
        return {
            key: _encode(getattr(value, name), hint, f"{path}.{key}") for name, key, hint in _fields(kind)
        }
    if typing.get_origin(kind) is Annotated:
        form = _form_of(kind)
        return _check_form(_to_text(value, form, path), form, path)
    if typing.get_origin(kind) in _UNIONS:
        return None if value is None else _encode(value, _optional(kind), path)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return [_encode(entry, item, f"{path}[{index}]") for index, entry in enumerate(value)]
    return _decode(value, kind, path)


def _decode(value: Any, kind: Any, path: str) -> Any:  # noqa: ANN401 - walks any type
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_record(value, kind, path)
    origin = typing.get_origin(kind)
    if origin is Annotated:
        form = _form_of(kind)
        return _from_text(_check_form(value, form, path), form)
    if typing.get_origin(kind) in _UNIONS:
        return None if value is None else _decode(value, _optional(kind), path)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(path, "a list", value)
        item = typing.get_args(kind)[0]
        return tuple(_decode(entry, item, f"{path}[{index}]") for index, entry in enumerate(value))
    plain = origin or kind
    if type(value) is not plain:
        raise _wrong(path, plain.__name__, value)
    return value


def _decode_record(value: object, kind: type, path: str) -> Any:  # noqa: ANN401 - an instance of kind
    if not isinstance(value, Mapping):
        raise _wrong(path, "an object", value)
    found: dict[str, Any] = {}
    for name, key, hint in _fields(kind):
        entry = value.get(key, _ABSENT)
        if entry is _ABSENT:
            raise FieldError(f"{path}.{key}", "is missing")
        found[name] = _decode(entry, hint, f"{path}.{key}")
    return kind(**found)


def _form_of(kind: Any) -> Form:  # noqa: ANN401 - a typing form
    return next(item for item in kind.__metadata__ if isinstance(item, Form))


def _to_text(value: object, form: Form, path: str) -> object:
    if form.kind == "number":
        if type(value) is not int:
            raise _wrong(path, "an integer", value)
        return str(value)
    if form.kind == "bytes":
        if not isinstance(value, bytes):
            raise _wrong(path, "bytes", value)
        return "0x" + value.hex()
    return value


def _from_text(text: str, form: Form) -> str | int | bytes:
    if form.kind == "number":
        return int(text)
    return bytes.fromhex(text[2:]) if form.kind == "bytes" else text


def _optional(kind: Any) -> Any:  # noqa: ANN401 - typing forms
    return next(item for item in typing.get_args(kind) if item is not type(None))


def _check_form(value: object, form: Form, path: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(form.pattern, value):
        raise _wrong(path, form.expected, value)
    return value


def _wrong(path: str, expected: str, value: object) -> FieldError:
    shown = repr(value[:40]) if isinstance(value, str) else type(value).__name__
    return FieldError(path, f"expected {expected}, got {shown}")
