"""algorithm.yaml: what an algorithm is called, how it starts, where it runs, and everything it may hand out.

The model is the whole vocabulary: an unknown key is refused, every list and name is bounded, and at least one output is
declared. Sizes and ranges of outputs are declared here and enforced elsewhere, by the egress gate. Command and image may
be said in Ocean's terms, as a `container`; what may leave is said in ours alone.
"""

from __future__ import annotations

import math
import re
import shlex
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

import jsonschema
from pydantic import AfterValidator, Field, field_validator, model_validator

from policies.canonical import canonical_json
from policies.documents import StrictModel
from policies.errors import DocumentError

MAX_TENSORS = 4096
MAX_METRICS = 256
MAX_RANK = 8
MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**40
MAX_ARGUMENTS = 64
MAX_GPUS = 16
MAX_MANTISSA_BITS = 52
MAX_CLASSES = 256
MAX_SCHEMA_DEPTH = 32
MAX_SCHEMA_NODES = 2000
REFUSED_IN_SCHEMA = frozenset(
    {
        *("$ref", "$dynamicRef", "$id", "pattern", "patternProperties"),
        *("uniqueItems", "unevaluatedItems", "unevaluatedProperties"),
    }
)
SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", "<", ">", ">>", "2>", "2>&1"})
ALGORITHM_PATH = "/data/transformations/algorithm"
IMAGE_PLACEHOLDER = "IMAGE"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")]
TensorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
ImageDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
ImageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$")]
ImageTag = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
RelativePath = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,3}$")
]
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


def _split(entrypoint: str) -> list[str]:
    parts = shlex.split(entrypoint)
    if not 0 < len(parts) <= MAX_ARGUMENTS or not parts[0] or "\0" in entrypoint:
        raise ValueError(f"expected a command of 1 to {MAX_ARGUMENTS} words, such as `python $ALGO`")
    return parts


def _check_command(entrypoint: str) -> str:
    _split(entrypoint)
    return entrypoint


Entrypoint = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_check_command)]


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
        _check_unique([tensor.name for tensor in self.tensors], "tensor")
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
        _check_unique([metric.name for metric in self.values], "metric")
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


class OceanContainer(StrictModel):
    """Command and image in Ocean's terms. The checksum is the identity; image and tag are names for people.

    An image that is named by digest needs no checksum. A tag is never followed: it can change under whoever approved.
    """

    entrypoint: Entrypoint
    image: ImageName
    tag: ImageTag = ""
    checksum: ImageDigest | None = None

    @field_validator("entrypoint")
    @classmethod
    def _check_shell(cls, value: str) -> str:
        """Refuse what only a shell understands: Ocean starts one, here the words would go to the program."""
        found = SHELL_WORDS.intersection(_split(value))
        if found:
            raise ValueError(f"no shell reads the words, so {min(found)!r} means nothing: write sh -c '...'")
        return value

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        named = self.image if _DIGEST.fullmatch(self.image) else None
        if named is None and self.checksum is None:
            raise ValueError("the image is known by its digest alone: add checksum: sha256:<64 hex digits>")
        if named is not None and self.checksum not in {None, named}:
            raise ValueError("image and checksum name two images")
        return self


class ScorerDeclaration(StrictModel):
    """How the gate has a release scored: started with `entrypoint`, on rows without the column `target`.

    `classes` are the target's values in the order of the probabilities that the scorer writes; a regression has none.
    The contract of a scorer stands in docs/measured-gate.md.
    """

    entrypoint: Entrypoint
    target: Annotated[str, Field(min_length=1, max_length=200)]
    task: Literal["classification", "regression"]
    classes: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]],
        Field(default_factory=list, max_length=MAX_CLASSES),
    ]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_unique(self.classes, "class")
        if (self.task == "classification") != (len(self.classes) > 1):
            raise ValueError("a classification names two or more classes, a regression none")
        return self

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, see `AlgorithmManifest.argv`."""
        return _argv(self.entrypoint)


class AlgorithmManifest(StrictModel):
    """algorithm.yaml. `image` is the id of the image (the digest of its configuration)."""

    name: Slug
    version: Version
    main: RelativePath
    container: OceanContainer | None = None
    entrypoint: Entrypoint
    image: ImageDigest
    gpus: Annotated[int, Field(ge=0, le=MAX_GPUS)] = 0
    parameters: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "additionalProperties": False}
    )
    outputs: OutputsDeclaration
    scorer: ScorerDeclaration | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_container(cls, value: object) -> object:
        """Say command and image of a `container` where everything else looks for them."""
        container = value.get("container") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(container, dict):
            return value
        if {"entrypoint", "image"} & value.keys():
            raise ValueError("expected entrypoint and image either at the top or in container, got both")
        digest = container.get("checksum") or container.get("image")
        return value | {"entrypoint": container.get("entrypoint"), "image": digest}

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_schema(value, MAX_SCHEMA_DEPTH)
        if count_nodes(value) > MAX_SCHEMA_NODES:
            raise ValueError(f"has more than {MAX_SCHEMA_NODES} parts")
        try:
            canonical_json(value)
        except DocumentError as exc:
            raise ValueError(f"has no canonical form: {exc.path} {exc.problem}") from exc
        try:
            jsonschema.Draft202012Validator.check_schema(value)
        except jsonschema.SchemaError as exc:
            raise ValueError(f"is not a JSON Schema (2020-12): {exc.json_path}") from exc
        return value

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, with `$ALGO` as the main file's path in the container; no shell ever reads it."""
        return _argv(self.entrypoint)


def _argv(entrypoint: str) -> tuple[str, ...]:
    return tuple(part.replace("$ALGO", ALGORITHM_PATH) for part in _split(entrypoint))


def _check_unique(names: list[str], what: str) -> None:
    doubled = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if doubled:
        raise ValueError(f"the {what} {min(doubled)!r} is declared twice")


def count_nodes(value: object) -> int:
    """Return how many values a JSON document holds, itself included."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(count_nodes(part) for part in parts)


def _check_schema(value: object, depth: int) -> None:
    """Refuse what would make a schema reach outside itself, or what a check of a few kilobytes could take hours over.

    References, regular expressions, depth; and the keywords whose cost is not schema times document: comparing every
    two items, and evaluating the same subschemas again at each level.
    """
    if depth == 0:
        raise ValueError(f"is nested deeper than {MAX_SCHEMA_DEPTH}")
    if isinstance(value, dict):
        refused = REFUSED_IN_SCHEMA & value.keys()
        if refused:
            raise ValueError(f"{min(refused)} is not allowed in a parameter schema")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_schema(item, depth - 1)
