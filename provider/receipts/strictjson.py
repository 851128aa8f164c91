"""Reads JSON that a stranger may have written: one meaning or a refusal.

Refuses: duplicate keys, NaN and infinities, fractions unless asked for, integers past 2^53 - 1, half surrogates, too deep, too large, a byte
order mark, anything but UTF-8.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from policies.canonical import MAX_SAFE_INTEGER
from provider.receipts.errors import MalformedError

MAX_JSON_BYTES = 1024 * 1024
MAX_JSON_DEPTH = 32
MAX_NUMBER_CHARS = 17
MAX_FRACTION_CHARS = 32


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much is read; more is refused, not cut. `fractions` admits numbers that are not integers."""

    size_bytes: int = MAX_JSON_BYTES
    depth: int = MAX_JSON_DEPTH
    fractions: bool = False


DEFAULT_LIMITS = JsonLimits()


def parse_json_strict(data: bytes, *, document: str = "json", limits: JsonLimits = DEFAULT_LIMITS) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON bytes (RFC 8259, restricted as the module says); `document` names them in errors.

    Raises:
        MalformedError: anything that the module refuses.
    """
    if len(data) > limits.size_bytes:
        raise MalformedError(document, f"is {len(data)} bytes, at most {limits.size_bytes} are read")
    try:
        decoder = _FRACTION_DECODER if limits.fractions else _DECODER
        text = data.decode("utf-8")
        value = decoder.decode(text)
        _check_depth(value, document, limits.depth)
        if "\\u" in text:
            _check_text(value)
    except MalformedError as exc:
        raise MalformedError(document, exc.problem) from exc
    except (UnicodeDecodeError, UnicodeEncodeError) as exc:
        raise MalformedError(document, "holds text that is not UTF-8") from exc
    except RecursionError as exc:
        raise MalformedError(document, f"is nested deeper than {limits.depth}") from exc
    except ValueError as exc:
        raise MalformedError(document, "is not JSON") from exc
    return value


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedError("json", "a key stands twice in one object")
    return result


def _parse_integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARS or abs(int(text)) > MAX_SAFE_INTEGER:
        raise MalformedError("json", "a number is beyond 2^53 - 1")
    return int(text)


def _parse_fraction(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or len(text) > MAX_FRACTION_CHARS:
        raise MalformedError("json", "a number is too large or too long")
    return value


def _refuse_number(text: str) -> NoReturn:
    raise MalformedError("json", f"{text[:20]} is not an integer; fractions are written as strings")


def _check_depth(value: object, document: str, depth: int) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        level = [
            item
            for group in level
            for item in (group.values() if type(group) is dict else group)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    if level:
        raise MalformedError(document, "is nested too deep")


def _check_text(value: object) -> None:
    """Refuse half surrogates, which only an escape can bring into text that was UTF-8."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, (dict, list)):
        for item in value:
            _check_text(item)
            if isinstance(value, dict):
                _check_text(value[item])


_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates,
    parse_float=_refuse_number,
    parse_int=_parse_integer,
    parse_constant=_refuse_number,
)
_FRACTION_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates,
    parse_float=_parse_fraction,
    parse_int=_parse_integer,
    parse_constant=_refuse_number,
)
