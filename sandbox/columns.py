"""Which columns of a dataset a recipe reads, and as what: features and target, with bounds and categories of their own.

The bounds and categories are copies of the published schema's, so that encoding a row needs nothing but the recipe: no
mean, no deviation, no set of values is ever taken from the data. What lies outside is clipped, what is missing or unknown is
encoded by a rule that stands here.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from policies.documents import StrictModel
from policies.schema import MAX_CATEGORIES, ColumnName, DatasetSchema, DecimalText

MAX_FEATURES = 4096
MAX_EMBEDDING = 256
MAX_SIDE = 1024
Categories = Annotated[tuple[str, ...], Field(strict=False, min_length=2, max_length=MAX_CATEGORIES)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]


class _Bounded(StrictModel):
    """A number or whole number between inclusive bounds."""

    kind: Literal["number", "integer"]
    column: ColumnName
    min: DecimalText
    max: DecimalText

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        _check_order(self.column, self.min, self.max)
        return self

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why this is not the schema's column, None when it is."""
        return _differs(schema, self.column, kind=self.kind, min=self.min, max=self.max)


class NumberFeature(_Bounded):
    """Clipped to [min, max], then scaled to [-1, 1]. A missing value is read as `missing`, by default the middle.

    With the scale `root` the square root of a number's place between the bounds is taken first: it spreads out what is mostly
    near `min`, as sizes and concentrations are. With `indicator` a second input is 1 where the value was missing, else 0.
    """

    scale: Literal["linear", "root"] = "linear"
    missing: DecimalText | None = None
    indicator: bool = False

    @model_validator(mode="after")
    def _check_missing(self) -> Self:
        if self.missing is not None and not Decimal(self.min) <= Decimal(self.missing) <= Decimal(self.max):
            raise ValueError(f"{self.column}: missing is not between min and max")
        return self

    @property
    def width(self) -> int:
        """How many inputs of the model it is."""
        return 1 + self.indicator

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)


class BooleanFeature(StrictModel):
    """1 for true, -1 for false, 0 where it is missing."""

    kind: Literal["boolean"] = "boolean"
    column: ColumnName

    @property
    def width(self) -> int:
        """How many inputs of the model it is."""
        return 1

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why this is not the schema's column, None when it is."""
        return _differs(schema, self.column, kind=self.kind)


class CategoryFeature(StrictModel):
    """One input for each category (1 for the one it is, 0 for others), or with `embedding` a learnt vector of that size.

    A missing or unknown value is in no category: zeros, or the embedding's first row, which is learnt too.
    """

    kind: Literal["category"] = "category"
    column: ColumnName
    categories: Categories
    embedding: Annotated[int, Field(ge=1, le=MAX_EMBEDDING)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"{self.column}: a category stands twice")
        return self

    @property
    def width(self) -> int:
        """How many inputs of the model it is."""
        return self.embedding or len(self.categories)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why this is not the schema's column, None when it is."""
        return _differs(schema, self.column, kind=self.kind, categories=self.categories)


class ImageFeature(StrictModel):
    """A small image, a pixel in each column: channels, rows, columns of pixels (row-major), scaled to [-1, 1].

    A missing pixel is `min`. An image is the only feature of its recipe.
    """

    kind: Literal["image"] = "image"
    pixels: Annotated[tuple[ColumnName, ...], Field(strict=False, min_length=1, max_length=MAX_FEATURES)]
    shape: Annotated[tuple[Side, Side, Side], Field(strict=False)]
    min: DecimalText
    max: DecimalText

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_order("image", self.min, self.max)
        if math.prod(self.shape) != len(self.pixels):
            raise ValueError(f"image: {self.shape} is {math.prod(self.shape)} pixels, got {len(self.pixels)}")
        if len(set(self.pixels)) < len(self.pixels):
            raise ValueError("image: a column stands twice")
        return self

    @property
    def width(self) -> int:
        """How many inputs of the model it is."""
        return len(self.pixels)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return self.pixels

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why these are not the schema's columns, None when they are."""
        found = (_differs(schema, pixel, min=self.min, max=self.max) for pixel in self.pixels)
        return next((problem for problem in found if problem is not None), None)


Feature = Annotated[
    NumberFeature | BooleanFeature | CategoryFeature | ImageFeature, Field(discriminator="kind")
]
"""One feature; its kind is the schema's, or `image`."""


class CategoryTarget(StrictModel):
    """Which of the categories a row is in. A row of a missing or unknown one counts as the first."""

    kind: Literal["category"] = "category"
    column: ColumnName
    categories: Categories

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.categories)

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why this is not the schema's column, None when it is."""
        return _differs(schema, self.column, kind=self.kind, categories=self.categories)


class BooleanTarget(StrictModel):
    """Whether something is so. A missing value counts as false."""

    kind: Literal["boolean"] = "boolean"
    column: ColumnName

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return 2

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why this is not the schema's column, None when it is."""
        return _differs(schema, self.column, kind=self.kind)


class NumberTarget(_Bounded):
    """A number, clipped to [min, max] and scaled to [-1, 1], which is what the model says. A missing one is the middle."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.column,)


class SurvivalTarget(StrictModel):
    """Until when a row was seen (`time`, not below 0), and whether the event came then (`event`) or it was censored."""

    kind: Literal["survival"] = "survival"
    time: ColumnName
    min: DecimalText
    max: DecimalText
    event: ColumnName

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_order(self.time, self.min, self.max)
        if Decimal(self.min) < 0:
            raise ValueError(f"{self.time}: a time can't be below 0")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return (self.time, self.event)

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why these are not the schema's columns, None when they are."""
        problem = _differs(schema, self.time, min=self.min, max=self.max)
        return problem or _differs(schema, self.event, kind="boolean")


Target = Annotated[
    CategoryTarget | BooleanTarget | NumberTarget | SurvivalTarget, Field(discriminator="kind")
]
"""What a model is to say; its kind is the schema's, or `survival`."""


def _check_order(name: str, low: str, high: str) -> None:
    if float(low) >= float(high):
        raise ValueError(f"{name}: min is not below max")


def _differs(schema: DatasetSchema, name: str, **expected: object) -> str | None:
    """Return in words what a column of the schema has otherwise; bounds are compared as numbers."""
    column = schema.find(name)
    if column is None:
        return f"the dataset has no column {name!r}"
    for what, value in expected.items():
        published = getattr(column, what)
        if not (_same_number(value, published) if what in {"min", "max"} else value == published):
            return f"column {name!r}: {what} is {_shown(value)} in the recipe and {_shown(published)} in the schema"
    return None


def _same_number(left: object, right: str | None) -> bool:
    return right is not None and Decimal(str(left)) == Decimal(right)


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
