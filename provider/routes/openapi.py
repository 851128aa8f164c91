"""Writes the OpenAPI 3.1 description from the endpoint table and the pydantic models that validate."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from provider.routes.endpoint import Endpoint
from provider.wire import ErrorBody

REF = "#/components/schemas/{model}"


def describe_api(endpoints: Sequence[Endpoint]) -> bytes:
    """Return the description as indented JSON with sorted keys, so that a change shows as a small difference."""
    models = {
        model for endpoint in endpoints for model in (endpoint.body, endpoint.answer, ErrorBody) if model
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    refs, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, refs)
    description = {
        "openapi": "3.1.0",
        "info": {"title": "Sealroom provider", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return json.dumps(description, indent=2, sort_keys=True).encode() + b"\n"


def _operation(endpoint: Endpoint, refs: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's own mapping
    answer = {"schema": refs[endpoint.answer, "validation"]} if endpoint.answer else {}
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "responses": {
            str(endpoint.status): {"description": "done", "content": {endpoint.media: answer}},
            "default": {
                "description": "refused, with the reason",
                "content": {"application/json": {"schema": refs[ErrorBody, "validation"]}},
            },
        },
    }
    names = re.findall(r"{(\w+)}", endpoint.path)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if endpoint.body:
        schema = {"schema": refs[endpoint.body, "validation"]}
        operation["requestBody"] = {"required": True, "content": {"application/json": schema}}
    if endpoint.login:
        operation["security"] = [{"token": []}]
    return operation
