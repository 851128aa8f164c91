"""Reads a dataset's public description, Croissant as a provider writes it; its author may be anybody.

What is longer than a provider lets through, or has another shape, is no description.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider.receipts.errors import MalformedError
from provider.receipts.strictjson import JsonLimits, parse_json_strict

MAX_BYTES = 4 * 1024 * 1024
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


class Column(CroissantModel):
    """One column: its name and the type of its values."""

    name: Word
    kind: Annotated[Word, Field(alias="dataType")]


class Table(CroissantModel):
    """One table, with its number of rows in words."""

    name: Word
    description: Word
    columns: Annotated[list[Column], Field(alias="field")]


class Description(CroissantModel):
    """What the public may know of a dataset."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=4000)]
    files: Annotated[list[File], Field(alias="distribution")]
    tables: Annotated[list[Table], Field(alias="recordSet")]

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def column_names(self) -> frozenset[str]:
        """The names of the columns of all tables."""
        return frozenset(column.name for table in self.tables for column in table.columns)


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
    except ValidationError as exc:
        raise MalformedError("description", "is not Croissant as a provider writes it") from exc
