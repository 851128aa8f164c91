"""Makes a recipe whole: who writes one names columns, and bounds and categories are copied from the dataset's schema.

What comes out depends on the draft and the schema alone, so an owner who fills the same draft gets the same digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cli.errors import InputError
from cli.home import read_file
from policies.documents import MAX_DOCUMENT_BYTES, parse_yaml
from policies.errors import DocumentError
from policies.schema import NUMERIC, ColumnSchema, DatasetSchema, parse_schema
from sandbox.bundle import MANIFEST, Bundle, parse_bundle
from sandbox.manifest import IMAGE_PLACEHOLDER

if TYPE_CHECKING:
    from cli.context import Session

LEARNABLE = frozenset({*NUMERIC, "boolean", "category"})
"""The kinds of columns that a model can be given; text, dates and identifiers are none."""
ALL = "all"
MAX_DRAFT_BYTES = MAX_DOCUMENT_BYTES
PARAMETERS: dict[str, dict[str, Any]] = {
    "batch_size": {"type": "integer", "minimum": 1},
    "clipping_norm": {"type": "string"},
    "epochs": {"type": "integer", "minimum": 1},
    "epsilon": {"type": "string"},
    "learning_rate": {"type": "string"},
    "seed": {"type": "integer", "minimum": 0},
}
"""What a job may say otherwise, where the draft's `parameters` names it."""


def read_schema(session: Session, asset_id: str | None, path: Path | None) -> DatasetSchema:
    """Return a dataset's published schema, checked against the digest on chain, or the one in a file.

    Raises:
        InputError: neither or both are named, or the file is no schema.
    """
    from cli.described import fetch_schema

    if (asset_id is None) == (path is None):
        raise InputError(
            "expected either --dataset or --schema", code="schema-missing", remedy="give one of them"
        )
    if path is None:
        return fetch_schema(session, asset_id or "")
    try:
        return parse_schema(read_file(path, what="schema", max_bytes=MAX_DOCUMENT_BYTES))
    except DocumentError as exc:
        raise InputError(str(exc), code="schema-invalid") from exc


def fill_recipe(draft: bytes, schema: DatasetSchema, *, image: str | None) -> Bundle:
    """Return the bundle of a draft: algorithm.yaml with every column's bounds and categories.

    In the draft `features` is `all` or a list of names, each with settings of its own when it is a mapping with `column`; or
    `{columns: all, scale: root}`, with settings for every number. An image is `{image: all, shape: [1, 8, 8]}`, or the names of its pixels. `target` is a name, or `{time: …, event: …}`.
    `parameters` lists what a job may change.

    Raises:
        InputError: it is no YAML, or names a column that the schema doesn't have or that no model can be given.
        BundleInvalidError: what the filled recipe says doesn't hold.
    """
    try:
        document = parse_yaml(draft, document="recipe")
    except DocumentError as exc:
        raise InputError(str(exc), code="recipe-invalid") from exc
    recipe = document.get("recipe")
    if not isinstance(recipe, dict):
        raise _wrong("recipe is missing", "write what to train below `recipe:`")
    filled = {**recipe, **_fill_columns(recipe, schema)}
    head = {name: value for name, value in document.items() if name not in {"recipe", "parameters", "image"}}
    manifest = {
        **head,
        "kind": "recipe",
        "image": image or document.get("image", IMAGE_PLACEHOLDER),
        "parameters": _fill_parameters(document.get("parameters", [])),
        "recipe": filled,
    }
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=120)
    return parse_bundle({MANIFEST: text.encode()})


def _fill_columns(recipe: Mapping[str, Any], schema: DatasetSchema) -> dict[str, Any]:
    if recipe.get("task") == "synthesis":
        return {"features": _fill_features(recipe.get("features"), schema, without=())}
    target = _fill_target(recipe["target"], schema)
    named = [target[key] for key in ("column", "time", "event") if key in target]
    return {"features": _fill_features(recipe.get("features"), schema, without=named), "target": target}


def _fill_features(
    features: object, schema: DatasetSchema, *, without: Sequence[str]
) -> list[dict[str, Any]]:
    if features == ALL:
        chosen = [column.name for column in schema.columns if column.kind in LEARNABLE]
        return [_fill_feature(name, schema) for name in chosen if name not in without]
    if isinstance(features, dict) and "columns" in features:
        settings = {name: value for name, value in features.items() if name != "columns"}
        filled = _fill_features(features["columns"], schema, without=without)
        return [{**item, **settings} if item["kind"] in NUMERIC else item for item in filled]
    if isinstance(features, list):
        return [_fill_feature(item, schema, without=without) for item in features]
    raise _wrong("features is neither a list nor `all`", "name the columns, or write `features: all`")


def _fill_feature(item: object, schema: DatasetSchema, *, without: Sequence[str] = ()) -> dict[str, Any]:
    if isinstance(item, str):
        return _describe(_find(schema, item))
    if isinstance(item, dict) and "image" in item:
        return _fill_image(item, schema, without)
    if isinstance(item, dict) and isinstance(item.get("column"), str):
        return {**_describe(_find(schema, item["column"])), **item}
    raise _wrong(
        f"a feature is {str(item)[:60]!r}", "write a column's name, or a mapping with `column` or `image`"
    )


def _fill_image(item: Mapping[str, Any], schema: DatasetSchema, without: Sequence[str]) -> dict[str, Any]:
    """Return an image; its pixels must have the same bounds, so that the first one's are everybody's."""
    numbers = [
        column.name for column in schema.columns if column.kind in NUMERIC and column.name not in without
    ]
    pixels = numbers if item["image"] == ALL else item["image"]
    if not isinstance(pixels, list) or not pixels:
        raise _wrong("image names no pixels", "write `image: all`, or the names of its columns row by row")
    found = [_find(schema, str(name)) for name in pixels]
    if len({(column.min, column.max) for column in found}) > 1:
        raise _wrong(
            "the pixels of the image have different bounds in the schema", "name columns with the same"
        )
    rest = {name: value for name, value in item.items() if name != "image"}
    return {"kind": "image", "pixels": pixels, "min": found[0].min, "max": found[0].max, **rest}


def _fill_target(target: object, schema: DatasetSchema) -> dict[str, Any]:
    if isinstance(target, str):
        return _describe(_find(schema, target))
    if isinstance(target, dict) and {"time", "event"} <= target.keys():
        time = _find(schema, str(target["time"]))
        return {
            "kind": "survival",
            "time": time.name,
            "min": time.min,
            "max": time.max,
            "event": target["event"],
        }
    raise _wrong("target is no column", "write a column's name, or a mapping with `time` and `event`")


def _describe(column: ColumnSchema) -> dict[str, Any]:
    """Return what a recipe says of a column: all that encoding needs."""
    if column.kind not in LEARNABLE:
        raise _wrong(
            f"the column {column.name!r} is of the kind {column.kind}",
            "leave it out: no model can be given it",
        )
    described: dict[str, Any] = {"kind": column.kind, "column": column.name}
    if column.kind in NUMERIC:
        return described | {"min": column.min, "max": column.max}
    return described | ({"categories": list(column.categories)} if column.categories else {})


def _find(schema: DatasetSchema, name: str) -> ColumnSchema:
    column = schema.find(name)
    if column is None:
        raise _wrong(f"the dataset has no column {name!r}", "`sealroom dataset schema` lists its columns")
    return column


def _fill_parameters(names: object) -> dict[str, Any]:
    if not isinstance(names, list) or not set(map(str, names)) <= PARAMETERS.keys():
        raise _wrong(
            "parameters is no list of what a job may change", f"choose among: {', '.join(PARAMETERS)}"
        )
    properties = {str(name): PARAMETERS[str(name)] for name in names}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _wrong(problem: str, remedy: str) -> InputError:
    return InputError(f"recipe: {problem}", code="recipe-invalid", remedy=remedy)
