"""A recipe that counts: noisy histograms of columns and of pairs of columns, from which anybody makes rows that nobody has.

Cells follow from the bounds and categories of the published schema, and pairs are chosen in the recipe, so that nothing about
what is counted is ever taken from the data. Each histogram has one more cell for what is missing or unknown. Counts nothing.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from policies.documents import StrictModel
from policies.mechanisms import Delta, PositiveDecimal
from policies.schema import ColumnName, DatasetSchema
from sandbox.columns import MAX_FEATURES, BooleanTarget, CategoryTarget, NumberTarget
from sandbox.declaration import (
    MAX_TENSORS,
    OutputsDeclaration,
    TensorDeclaration,
    WeightsDeclaration,
)

MAX_BINS = 1000
DEFAULT_BINS = 16
MAX_CELLS = 2**24
BOOLEANS = 2
ROOT = 2
UNKNOWN = 1
"""The one cell more."""
Pair = Annotated[tuple[ColumnName, ColumnName], Field(strict=False)]


class NumberCells(NumberTarget):
    """Cells of equal width between the bounds, both of which count; a number beyond them is in the nearest cell.

    With `scale: root` cells are of equal width in the root of a number's part of its range, so narrower where it is small:
    for measures that are mostly small. A whole number is not scaled, and has a cell of its own where there are no more of
    them than `bins`.
    """

    bins: Annotated[int, Field(ge=2, le=MAX_BINS)] = DEFAULT_BINS
    scale: Literal["linear", "root"] = "linear"

    @property
    def power(self) -> int:
        """To which power a place among the cells is a part of the range."""
        return ROOT if self.scale == "root" and self.kind == "number" else 1

    @property
    def width(self) -> int:
        """How many cells there are for what is known."""
        if self.kind == "number":
            return self.bins
        low = Decimal(self.min).to_integral_value(ROUND_CEILING)
        high = Decimal(self.max).to_integral_value(ROUND_FLOOR)
        return max(1, min(self.bins, int(high - low) + 1))


class BooleanCells(BooleanTarget):
    """False, then true."""

    @property
    def width(self) -> int:
        """How many cells there are for what is known."""
        return BOOLEANS


class CategoryCells(CategoryTarget):
    """A cell for each category, in their order."""

    @property
    def width(self) -> int:
        """How many cells there are for what is known."""
        return len(self.categories)


Counted = Annotated[NumberCells | BooleanCells | CategoryCells, Field(discriminator="kind")]
"""A column that is counted; its kind is the schema's."""


class CountingPrivacy(StrictModel):
    """The (epsilon, delta) that all histograms together may cost; without `delta` the policy's is meant."""

    epsilon: Annotated[
        PositiveDecimal,
        BeforeValidator(lambda value: str(value) if type(value) is int else value),
    ]
    delta: Delta | None = None


class SynthesisRecipe(StrictModel):
    """A histogram of each of `features`, and of each of `pairs`, which must not close a circle: a tree is fitted exactly.

    With `target` every other column is paired with that one, too.
    """

    task: Literal["synthesis"]
    features: Annotated[tuple[Counted, ...], Field(strict=False, min_length=1, max_length=MAX_FEATURES)]
    target: ColumnName | None = None
    pairs: Annotated[tuple[Pair, ...], Field(strict=False, max_length=MAX_FEATURES)] = ()
    privacy: CountingPrivacy

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("a column stands twice among features")
        if self.target is not None and self.target not in self.columns:
            raise ValueError(f"the target {self.target!r} is not among features")
        _check_tree(self.columns, self.paired)
        if len(self.histograms) > MAX_TENSORS:
            raise ValueError(f"makes more than {MAX_TENSORS} histograms")
        if sum(math.prod(self.shape_of(names)) for names in self.histograms) > MAX_CELLS:
            raise ValueError(f"makes more than {MAX_CELLS} cells")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        return tuple(feature.column for feature in self.features)

    @property
    def paired(self) -> tuple[tuple[str, str], ...]:
        """The pairs of columns that are counted together."""
        others = (name for name in self.columns if name != self.target)
        return (*((name, self.target) for name in others if self.target is not None), *self.pairs)

    @property
    def histograms(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each histogram, in the order of the tensors."""
        return (*((name,) for name in self.columns), *self.paired)

    def shape_of(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Return how many cells a histogram has along each of its columns."""
        width = {feature.column: feature.width + UNKNOWN for feature in self.features}
        return tuple(width[name] for name in names)

    def outputs(self) -> OutputsDeclaration:
        """Return everything that leaves: a tensor of counts for each histogram, `count1` being the first."""
        tensors = [
            TensorDeclaration(name=tensor_name(number), dtype="F32", shape=list(self.shape_of(names)))
            for number, names in enumerate(self.histograms, start=1)
        ]
        return OutputsDeclaration(weights=WeightsDeclaration(tensors=tensors))

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why the recipe is not for data of this schema; None when every column is as the schema has it."""
        found = (feature.find_problem(schema) for feature in self.features)
        return next((problem for problem in found if problem is not None), None)


def tensor_name(number: int) -> str:
    """Return the name of the tensor of a histogram, counted from 1."""
    return f"count{number}"


def _check_tree(columns: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> None:
    group = {name: name for name in columns}
    for left, right in pairs:
        if left not in group or right not in group:
            raise ValueError(f"the pair {left!r}, {right!r} names a column that is not among features")
        joined, into = group[left], group[right]
        if joined == into:
            raise ValueError(f"the pair {left!r}, {right!r} closes a circle: leave one of its pairs out")
        group = {name: into if found == joined else found for name, found in group.items()}
