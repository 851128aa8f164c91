"""Reads a dataset's public description, Croissant as a provider writes it; its author may be anybody.

What is longer than a provider lets through, or has another shape, is no description. Nothing is checked against a chain here:
whoever decides by a description gets its bytes by the digest that stands there.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import DocumentError
from policies.schema import DatasetSchema
from provider.receipts.errors import MalformedError
from provider.receipts.strictjson import JsonLimits, parse_json_strict

MAX_BYTES = 4 * 1024 * 1024
SCHEMA_KEY = "tableSchema"
"""Where the schema stands in a description; the description's context gives the term its meaning."""
SCHEMA_TERM = "urn:sealroom:dataset-schema:v1"
_ROWS = re.compile(r"([0-9]{1,18}) rows")
Word = Annotated[str, Field(max_length=200)]


class CroissantModel(BaseModel):
    """Base of every part: what it doesn't know is somebody else's vocabulary."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class File(CroissantModel):
    """One file under its public name."""

    name: Word
    content_size: Annotated[str, Field(alias="contentSize", pattern=r"^[0-9]{1,18} B$")]
    encoding: Annotated[Word, Field(alias="encodingFormat")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return int(self.content_size.removesuffix(" B"))


class Reference(CroissantModel):
    """The id of another part; a file's id is its public name."""

    id: Annotated[Word, Field(alias="@id")]


class Source(CroissantModel):
    """Where the values of a column stand."""

    file: Annotated[Reference, Field(alias="fileObject")]


class Column(CroissantModel):
    """One column: its name, the type of its values, and the file that it stands in."""

    name: Word
    kind: Annotated[Word, Field(alias="dataType")]
    source: Source | None = None


class Table(CroissantModel):
    """One table, with its number of rows in words."""

    name: Word
    description: Word
    columns: Annotated[list[Column], Field(alias="field")]

    @property
    def rows(self) -> int | None:
        """The number of rows; None when it isn't told."""
        found = _ROWS.fullmatch(self.description)
        return int(found[1]) if found else None

    @property
    def file(self) -> str | None:
        """The public name of the file that it stands in; None when its columns don't name one and the same."""
        named = {column.source.file.id if column.source else None for column in self.columns}
        return named.pop() if len(named) == 1 else None


class Description(CroissantModel):
    """What the public may know of a dataset. `table_schema` is the owner's word on the columns; None where none was given."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=4000)]
    files: Annotated[list[File], Field(alias="distribution")]
    tables: Annotated[list[Table], Field(alias="recordSet")]
    table_schema: Annotated[DatasetSchema | None, Field(alias=SCHEMA_KEY)] = None

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def column_names(self) -> frozenset[str]:
        """The names of the columns of all tables."""
        return frozenset(column.name for table in self.tables for column in table.columns)

    @property
    def row_count(self) -> int | None:
        """The number of rows of all tables together; None where one doesn't tell, or there is no table."""
        rows = [table.rows for table in self.tables]
        return sum(row or 0 for row in rows) if rows and None not in rows else None


def parse_description(data: bytes) -> Description:
    """Parse a description.

    Raises:
        MalformedError: it is not JSON with one meaning, or not such a description.
    """
    value = parse_json_strict(
        data, document="description", limits=JsonLimits(size_bytes=MAX_BYTES, fractions=True)
    )
    try:
        return Description.model_validate(value)
    except (ValidationError, DocumentError) as exc:
        raise MalformedError("description", "is not Croissant as a provider writes it") from exc


def parse_description_schema(data: bytes) -> DatasetSchema | None:
    """Return the schema that a description carries, None where it carries none: a recipe then has nothing to fit.

    Raises:
        MalformedError: see `parse_description`.
    """
    return parse_description(data).table_schema
