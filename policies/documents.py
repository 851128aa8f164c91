"""Reads the YAML documents people write (policies, algorithm.yaml, job.yaml) strictly.

Only plain data: no tags, no anchors or aliases, no duplicate keys, no second document; an integer is decimal digits. Unknown keys are refused with
their path by the pydantic models that `parse_document` validates against.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
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


Path = tuple[str | int, ...]
"""The way from a document's top to a value: keys, and indices of lists."""


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed document that still knows on which line each of its values stands."""

    document: str
    value: dict[str, Any]
    node: yaml.Node

    def read(self, model: type[ModelT], *, context: object = None) -> ModelT:
        """Check the value against `model`; `context` is handed to the model's validators.

        Raises:
            DocumentError: with line and path of the first problem; an unknown key is a problem.
        """
        try:
            return model.model_validate(self.value, context=context)
        except ValidationError as exc:
            path, problem = _first_problem(exc, self.value)
            raise self.refusal(path, problem) from exc

    def refusal(self, path: Path, problem: str) -> DocumentError:
        """Return the error about the value at `path`, or about where it should stand."""
        return DocumentError(self.document, _dotted(path), problem, line=_find_line(self.node, path))


def read_source(data: bytes, *, document: str) -> Source:
    """Parse one YAML mapping; `document` names it in errors.

    Raises:
        DocumentError: too large, not UTF-8, not YAML, duplicate key, alias, tag, or not a mapping.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(document, "", f"is {len(data)} bytes, at most {MAX_DOCUMENT_BYTES} are read")
    try:
        node, value = _load(data.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise DocumentError(document, "", "is not UTF-8 text") from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        line = mark.line + 1 if mark else None
        raise DocumentError(document, "", exc.problem or "is not YAML", line=line) from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise DocumentError(document, "", "is not YAML that can be read") from exc
    if node is None or not isinstance(value, dict):
        got = "nothing" if value is None else f"a {type(value).__name__}"
        raise DocumentError(document, "", f"expected a mapping of keys to values, got {got}")
    return Source(document, value, node)


def _load(text: str) -> tuple[yaml.Node | None, object]:
    loader = _StrictLoader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def parse_yaml(data: bytes, *, document: str) -> dict[str, Any]:
    """Parse one YAML mapping; `document` names it in errors.

    Raises:
        DocumentError: see `read_source`.
    """
    return read_source(data, document=document).value


def parse_document(data: bytes, model: type[ModelT], *, document: str, context: object = None) -> ModelT:
    """Parse YAML bytes into `model`, naming line and path of the first problem on failure.

    Raises:
        DocumentError: see `read_source`, or a key or value that the model refuses.
    """
    return read_source(data, document=document).read(model, context=context)


def validate_document(value: object, model: type[ModelT], *, document: str, context: object = None) -> ModelT:
    """Check an already parsed value against `model`; `context` is handed to the model's validators.

    Raises:
        DocumentError: with the dotted path of the first problem; an unknown key is a problem.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as exc:
        path, problem = _first_problem(exc, value)
        raise DocumentError(document, _dotted(path), problem) from exc


def _first_problem(exc: ValidationError, value: object) -> tuple[Path, str]:
    first = exc.errors(include_url=False, include_context=False)[0]
    return _clean_path(first["loc"], value, absent=first["type"] == "missing"), _problem(first)


def _clean_path(loc: Path, value: object, *, absent: bool) -> Path:
    """Return a path without the steps that name alternatives of a model and no place in the document."""
    path: list[str | int] = []
    for index, step in enumerate(loc):
        inner = _step(value, step)
        if inner is not _NOWHERE:
            value = inner
        elif not (absent and index == len(loc) - 1):
            continue
        path.append(step)
    return tuple(path)


_NOWHERE = object()


def _step(value: object, step: str | int) -> object:
    if isinstance(value, Mapping) and step in value:
        return value[step]
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(step, int):
        return value[step] if 0 <= step < len(value) else _NOWHERE
    return _NOWHERE


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _find_line(node: yaml.Node, path: Path) -> int:
    """Return the line of the value at `path`, or of the nearest value around it; the first is 1."""
    line = node.start_mark.line + 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _problem(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    text = error["msg"].removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    got = error["input"]
    return f"{text}, got {str(got)[:60]!r}" if isinstance(got, (str, int, float)) else text
