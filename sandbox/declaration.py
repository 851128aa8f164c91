"""What an algorithm may hand out: the exact tensors of its weights and the exact numbers of its metrics.

Sizes and ranges are declared here and enforced elsewhere, by the egress gate.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from policies.documents import StrictModel

MAX_TENSORS = 4096
MAX_METRICS = 256
MAX_RANK = 8
MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**40
MAX_MANTISSA_BITS = 52

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
TensorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
Dtype = Literal["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"]


def _check_decimal(value: int | str) -> int | str:
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation as exc:
            raise ValueError("is not a decimal number") from exc
        if not number.is_finite():
            raise ValueError("is not a finite number")
    return value


Bound = Annotated[
    Annotated[int, Field(ge=-(2**53) + 1, lt=2**53)]
    | Annotated[str, Field(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$")],
    AfterValidator(_check_decimal),
]


class TensorDeclaration(StrictModel):
    """One tensor of the weights: its exact name, type and shape (an empty shape is a scalar)."""

    name: TensorName
    dtype: Dtype
    shape: Annotated[list[Annotated[int, Field(ge=0, le=MAX_DIMENSION)]], Field(max_length=MAX_RANK)]

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class WeightsDeclaration(StrictModel):
    """The safetensors file, and every tensor in it; floats leave rounded to `mantissa_bits` of fraction, if that is said."""

    file: Literal["model.safetensors"] = "model.safetensors"
    mantissa_bits: Annotated[int, Field(ge=0, le=MAX_MANTISSA_BITS)] | None = None
    tensors: Annotated[list[TensorDeclaration], Field(min_length=1, max_length=MAX_TENSORS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_unique([tensor.name for tensor in self.tensors], "tensor")
        if sum(tensor.elements for tensor in self.tensors) > MAX_ELEMENTS:
            raise ValueError(f"declares more than {MAX_ELEMENTS} elements")
        return self


class MetricDeclaration(StrictModel):
    """One number: its inclusive range and how many digits after the point may leave."""

    name: Slug
    min: Bound
    max: Bound
    digits: Annotated[int, Field(ge=0, le=9)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if Decimal(self.min) > Decimal(self.max):
            raise ValueError("min is above max")
        return self


class MetricsDeclaration(StrictModel):
    """The metrics file: one flat JSON object of the declared numbers."""

    file: Literal["metrics.json"] = "metrics.json"
    values: Annotated[list[MetricDeclaration], Field(min_length=1, max_length=MAX_METRICS)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_unique([metric.name for metric in self.values], "metric")
        return self


class OutputsDeclaration(StrictModel):
    """Everything that may leave; nothing else does."""

    weights: WeightsDeclaration | None = None
    metrics: MetricsDeclaration | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.weights is None and self.metrics is None:
            raise ValueError("declare weights, metrics or both")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that are declared."""
        return tuple(part.file for part in (self.weights, self.metrics) if part is not None)


def check_unique(names: list[str], what: str) -> None:
    """Check that no name stands twice.

    Raises:
        ValueError: one does.
    """
    doubled = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if doubled:
        raise ValueError(f"the {what} {min(doubled)!r} is declared twice")
