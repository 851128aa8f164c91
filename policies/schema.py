"""A dataset's published schema: what each column holds, between which bounds and in which categories.

Written by the owner from what is known of the domain, never computed from the data: whoever scales or encodes by it spends
no privacy. It is part of the public description, so its digest stands on chain. Reads no data.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from policies.canonical import digest_of
from policies.documents import StrictModel, parse_document

MAX_COLUMNS = 10_000
MAX_CATEGORIES = 1000
NUMERIC = frozenset({"number", "integer"})
Kind = Literal["number", "integer", "boolean", "category", "text", "date", "identifier"]
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
DecimalText = Annotated[str, Field(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$")]


class ColumnSchema(StrictModel):
    """One column. A number or integer has inclusive bounds `min` and `max` (decimal text); a category lists its values.

    `nullable` says that values may be missing. Identifiers and text can be no feature of a model.
    """

    name: ColumnName
    kind: Kind
    min: DecimalText | None = None
    max: DecimalText | None = None
    categories: (
        Annotated[tuple[str, ...], Field(strict=False, min_length=2, max_length=MAX_CATEGORIES)] | None
    ) = None
    nullable: bool = False
    unit: Annotated[str, Field(max_length=40)] = ""
    description: Annotated[str, Field(max_length=400)] = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind in NUMERIC) != (self.min is not None and self.max is not None):
            raise ValueError(f"{self.name}: min and max belong to numbers and integers, both of them")
        if self.min is not None and self.max is not None and float(self.min) >= float(self.max):
            raise ValueError(f"{self.name}: min is not below max")
        if self.kind == "integer" and not _has_integer(self.min, self.max):
            raise ValueError(f"{self.name}: no whole number lies between min and max")
        if (self.kind == "category") != (self.categories is not None):
            raise ValueError(f"{self.name}: categories belong to the kind category")
        if self.categories is not None and len(set(self.categories)) < len(self.categories):
            raise ValueError(f"{self.name}: a category stands twice")
        return self


def _has_integer(low: str | None, high: str | None) -> bool:
    return Decimal(low or 0).to_integral_value(ROUND_CEILING) <= Decimal(high or 0)


class DatasetSchema(StrictModel):
    """The columns of every table of a dataset, in their order."""

    version: Literal[1] = 1
    columns: Annotated[tuple[ColumnSchema, ...], Field(strict=False, min_length=1, max_length=MAX_COLUMNS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("a column stands twice")
        return self

    def find(self, name: str) -> ColumnSchema | None:
        """Return the column of that name, None when there is none."""
        return next((column for column in self.columns if column.name == name), None)


def parse_schema(data: bytes) -> DatasetSchema:
    """Parse a schema document (YAML or JSON).

    Raises:
        DocumentError: not strict YAML, an unknown key, or a column that contradicts itself, with the place.
    """
    return parse_document(data, DatasetSchema, document="schema", context=digest_of(data))
