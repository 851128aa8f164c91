"""algorithm.yaml: what an algorithm is called, how it starts, where it runs, and everything it may hand out.

The model is the whole vocabulary: an unknown key is refused, every list and name is bounded, and at least one output is
declared. Sizes and ranges of outputs are declared here and enforced elsewhere, by the egress gate. Command and image may
be said in Ocean's terms, as a `container`; what may leave is said in ours alone. Of the kind `recipe` an algorithm is no code:
how it starts and what it hands out follow from the recipe.
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal, Self

import jsonschema
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator

from policies.canonical import canonical_json
from policies.documents import StrictModel
from policies.errors import DocumentError
from sandbox.columns import CategoryTarget, NumberTarget, SurvivalTarget
from sandbox.counting import SynthesisRecipe
from sandbox.declaration import OutputsDeclaration, Slug, check_unique
from sandbox.recipe import OVERRIDABLE, Recipe

MAX_ARGUMENTS = 64
MAX_GPUS = 16
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
RECIPE_MAIN = "algorithm.yaml"
RECIPE_DECIDES = frozenset({"main", "entrypoint", "container", "outputs", "gpus", "scorer"})
RECIPE_ENTRYPOINT = "python $ALGO"
RECIPE_SCORING = "python $ALGO --score"
_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Recipe)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$")]
ImageDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
ImageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$")]
ImageTag = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]
RelativePath = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,3}$")
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
        check_unique(self.classes, "class")
        if (self.task == "classification") != (len(self.classes) > 1):
            raise ValueError("a classification names two or more classes, a regression none")
        return self

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, see `AlgorithmManifest.argv`."""
        return _argv(self.entrypoint)


class AlgorithmManifest(StrictModel):
    """algorithm.yaml. `image` is the id of the image (the digest of its configuration).

    A recipe says neither `main` nor `entrypoint` nor `outputs`: they are computed from it.
    """

    kind: Literal["code", "recipe"] = "code"
    recipe: Recipe | None = None
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

    @model_validator(mode="before")
    @classmethod
    def _read_recipe(cls, value: object) -> object:
        """Say what a recipe starts and hands out where everything else looks for it."""
        if not isinstance(value, dict) or value.get("kind") != "recipe":
            return value
        said = RECIPE_DECIDES & value.keys()
        if said:
            raise ValueError(f"a recipe decides on its own what it starts and hands out: remove {min(said)}")
        if not isinstance(value.get("recipe"), dict):
            raise ValueError("expected recipe: what is to be trained, and how")  # noqa: TRY004 - of a document
        started = value | {"main": RECIPE_MAIN, "entrypoint": RECIPE_ENTRYPOINT}
        try:
            recipe = _RECIPE.validate_python(value.get("recipe"))
        except ValidationError:
            return started | {"outputs": None}  # the field's own check says what is wrong, and where
        return started | {"recipe": recipe, "outputs": recipe.outputs(), "scorer": _scorer_of(recipe)}

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if (self.recipe is None) != (self.kind == "code"):
            raise ValueError("recipe belongs to the kind recipe")
        named = self.parameters.get("properties", {})
        closed = self.parameters.get("additionalProperties") is False
        if self.recipe is not None and not (closed and set(named) <= set(OVERRIDABLE)):
            raise ValueError(
                f"the parameters of a recipe are {', '.join(OVERRIDABLE)}, with additionalProperties: false"
            )
        return self

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


def _scorer_of(recipe: Recipe) -> ScorerDeclaration | None:
    """Return how our trainer scores the recipe's weights; None where the privacy tests have no measure of what it says."""
    if isinstance(recipe, SynthesisRecipe) or isinstance(recipe.target, SurvivalTarget):
        return None
    target = recipe.target
    classes = list(target.categories) if isinstance(target, CategoryTarget) else ["false", "true"]
    return ScorerDeclaration(
        entrypoint=RECIPE_SCORING,
        target=target.column,
        task="regression" if isinstance(target, NumberTarget) else "classification",
        classes=[] if isinstance(target, NumberTarget) else classes,
    )


def _argv(entrypoint: str) -> tuple[str, ...]:
    return tuple(part.replace("$ALGO", ALGORITHM_PATH) for part in _split(entrypoint))


def count_nodes(value: object) -> int:
    """Return how many values a JSON document holds, itself included."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(count_nodes(part) for part in parts)


def count_levels(value: object) -> int:
    """Return how deep lists and objects are nested in a JSON document; 0 for a plain value."""
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(count_levels, value.values() if isinstance(value, dict) else value), default=0)


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
