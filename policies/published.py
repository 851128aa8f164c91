"""The JSON Schema of a policy of version 2, for editors; made from the models that read one, so both say the same.

Refuses a little less than the models: which parts contradict one another is theirs to say (`sealroom policy check`).
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from policies.fivesafes import FiveSafesDocument

SCHEMA_ID = "urn:sealroom:policy:2"
_BOUNDS = {"ge": "minimum", "le": "maximum"}


class _EditorSchema(GenerateJsonSchema):
    """Leaves out the titles that only repeat a key, and writes bounds of sizes in the words of JSON Schema."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """Never: an editor shows the key itself."""
        return False

    def generate_inner(self, schema: Any) -> JsonSchemaValue:  # noqa: ANN401 - pydantic's signature
        """Rename the bounds that pydantic leaves under its own names where a value may also be text."""
        found = super().generate_inner(schema)
        return {_BOUNDS.get(key, key): value for key, value in found.items()}

    def generate(self, schema: CoreSchema, mode: Any = "validation") -> JsonSchemaValue:  # noqa: ANN401 - pydantic's signature
        """Put the dialect and the schema's name first."""
        found = super().generate(schema, mode=mode)
        return {"$schema": self.schema_dialect, "$id": SCHEMA_ID} | found


def policy_schema() -> dict[str, Any]:
    """Return the schema, of draft 2020-12."""
    return FiveSafesDocument.model_json_schema(schema_generator=_EditorSchema)
