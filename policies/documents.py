"""Reads the YAML documents people write (policies, algorithm.yaml, job.yaml) strictly.

Only plain data: no tags, no anchors or aliases, no duplicate keys, no second document; an integer is decimal digits. Unknown keys are refused with
their path by the pydantic models that `parse_document` validates against.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from policies.errors import DocumentError

MAX_DOCUMENT_BYTES = 256 * 1024


class StrictModel(BaseModel):
    """Base of every document model: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses what a reader would not expect."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse anchors, aliases and tags before a node is made of them."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it untyped
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise yaml.constructor.ConstructorError(
                None, None, "anchors and aliases are not allowed", event.start_mark
            )
        if event.tag is not None:
            raise yaml.constructor.ConstructorError(None, None, "tags are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """Refuse keys that are not text, and a key that stands twice."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                problem = f"keys must be text, got {key!r}"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_INTEGER = "tag:yaml.org,2002:int"
_GUESSED = {_INTEGER, "tag:yaml.org,2002:timestamp"}
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _GUESSED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# Only 0 and plain decimals are integers: YAML 1.1 would read 010 as 8, 1:30 as 90 and a bare address as a number.
_StrictLoader.add_implicit_resolver(_INTEGER, re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


def parse_yaml(data: bytes, *, document: str) -> dict[str, Any]:
    """Parse one YAML mapping; `document` names it in errors.

    Raises:
        DocumentError: too large, not UTF-8, not YAML, duplicate key, alias, tag, or not a mapping.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(document, "", f"is {len(data)} bytes, at most {MAX_DOCUMENT_BYTES} are read")
    try:
        value = yaml.load(data.decode("utf-8"), Loader=_StrictLoader)  # noqa: S506 - a stricter SafeLoader
    except UnicodeDecodeError as exc:
        raise DocumentError(document, "", "is not UTF-8 text") from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        line = f"line {mark.line + 1}" if mark else ""
        raise DocumentError(document, line, exc.problem or "is not YAML") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise DocumentError(document, "", "is not YAML that can be read") from exc
    if not isinstance(value, dict):
        raise DocumentError(document, "", f"expected a mapping of keys to values, got {type(value).__name__}")
    return value


def parse_document(data: bytes, model: type[ModelT], *, document: str, context: object = None) -> ModelT:
    """Parse YAML bytes into `model`, naming the first offending path on failure.

    Raises:
        DocumentError: see `parse_yaml`, or a key or value that the model refuses.
    """
    return validate_document(parse_yaml(data, document=document), model, document=document, context=context)


def validate_document(value: object, model: type[ModelT], *, document: str, context: object = None) -> ModelT:
    """Check an already parsed value against `model`; `context` is handed to the model's validators.

    Raises:
        DocumentError: with the dotted path of the first problem; an unknown key is a problem.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise DocumentError(document, path, _problem(first)) from exc


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    text = error["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    got = error["input"]
    return f"{text}, got {str(got)[:60]!r}" if isinstance(got, (str, int, float)) else text
