"""A training recipe: what our own trainer is to do with a dataset, said without code.

Everything that it hands out follows from it alone: tensor names and shapes from features, target and layers; metrics from
target and evaluation. No value is ever taken from the data but through training itself. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from policies.documents import StrictModel, validate_document
from policies.mechanisms import Delta, PositiveDecimal
from policies.schema import DatasetSchema
from sandbox.columns import (
    MAX_FEATURES,
    BooleanTarget,
    CategoryFeature,
    CategoryTarget,
    Feature,
    ImageFeature,
    NumberTarget,
    SurvivalTarget,
    Target,
)
from sandbox.counting import SynthesisRecipe
from sandbox.declaration import (
    MAX_TENSORS,
    MetricDeclaration,
    MetricsDeclaration,
    OutputsDeclaration,
    TensorDeclaration,
    WeightsDeclaration,
)
from sandbox.layers import MAX_LAYERS, Fraction, Layer, Stage, lay_out

MAX_EPOCHS = 100_000
MAX_BATCH = 2**20
MAX_STEPS = 10**7
MAX_INTERVALS = 256
MAX_LOSS = 10
METRIC_DIGITS = 4
RATE_DIGITS = 18
OVERRIDABLE = ("batch_size", "clipping_norm", "epochs", "epsilon", "learning_rate", "seed")
"""What a job's parameters may say otherwise, where the manifest's schema names it."""
CLIPPING_NORMS = (Decimal("0.0001"), Decimal(10_000))
"""What a unit's gradient may be clipped to: what single precision tells apart from nothing, and from infinity."""
IN_PRIVACY = frozenset({"clipping_norm", "epsilon"})


def _as_text(value: object) -> object:
    """Take a whole number for the text of one: `epsilon: 3` says what `epsilon: "3"` does."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Amount = Annotated[PositiveDecimal, BeforeValidator(_as_text)]


class SimpleLoss(StrictModel):
    """A loss without settings. `cox` is the partial likelihood (Cox 1972; ties as Breslow 1974)."""

    kind: Literal["cross-entropy", "squared-error", "absolute-error", "huber", "cox"]


class DiscreteHazard(StrictModel):
    """Survival in `intervals` of equal length over the target's bounds, a hazard for each (Gensheimer and Narasimhan 2019)."""

    kind: Literal["discrete-hazard"]
    intervals: Annotated[int, Field(ge=2, le=MAX_INTERVALS)] = 20


Loss = Annotated[SimpleLoss | DiscreteHazard, Field(discriminator="kind")]


class Sgd(StrictModel):
    """Gradient descent, with momentum (Polyak 1964) when it is given."""

    kind: Literal["sgd"]
    momentum: Fraction | None = None


class Adam(StrictModel):
    """Adam (Kingma and Ba 2015)."""

    kind: Literal["adam"]
    beta1: Fraction = "0.9"
    beta2: Fraction = "0.999"


Optimizer = Annotated[Sgd | Adam, Field(discriminator="kind")]


class RecipePrivacy(StrictModel):
    """The (epsilon, delta) that the whole job may cost, and the norm to which one unit's gradient is clipped.

    Without `delta` the policy's is meant.
    """

    epsilon: Amount
    delta: Delta | None = None
    clipping_norm: Amount = "1"

    @field_validator("clipping_norm")
    @classmethod
    def _check_norm(cls, value: str) -> str:
        least, most = CLIPPING_NORMS
        if not least <= Decimal(value) <= most:
            raise ValueError(f"expected a norm from {least} to {most}, got {value}")
        return value


class Evaluation(StrictModel):
    """Metrics on units that are held out: each with probability `hold_out`, chosen anew in every run.

    With privacy they leave with noise of deviation `noise_multiplier` on a sum of sensitivity 1, which is a mechanism of its
    own in the job's cost; without privacy there is none.
    """

    hold_out: Fraction
    noise_multiplier: Amount | None = None


class TrainingRecipe(StrictModel):
    """One model and how it is trained.

    After `layers` there is always one more, linear, to as many numbers as target and loss need; none before it makes a
    linear model. `average_last` releases the mean of the iterates of that last part of the steps instead of the last one
    (Polyak and Juditsky 1992), which costs no privacy. `seed` decides how the model begins and, without privacy, the order
    of rows; never noise or sampling.
    """

    task: Literal["classification", "regression", "survival"]
    features: Annotated[tuple[Feature, ...], Field(strict=False, min_length=1, max_length=MAX_FEATURES)]
    target: Target
    layers: Annotated[tuple[Layer, ...], Field(strict=False, max_length=MAX_LAYERS)] = ()
    loss: Loss
    optimizer: Optimizer
    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
    batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH)]
    learning_rate: Amount
    weight_decay: Amount | None = None
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    average_last: Fraction | Literal["1"] | None = None
    privacy: RecipePrivacy | None = None
    evaluation: Evaluation | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_columns(self)
        _check_task(self)
        _check_privacy(self)
        if sum(len(stage.tensors) for stage in self.stages()) + len(self.features) > MAX_TENSORS:
            raise ValueError(f"makes more than {MAX_TENSORS} tensors")
        return self

    @property
    def feature_width(self) -> int:
        """How many numbers the model gets of one row."""
        return sum(feature.width for feature in self.features)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one row as the model gets it: an image's, or flat."""
        first = self.features[0]
        return first.shape if isinstance(first, ImageFeature) else (self.feature_width,)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        read = (column for feature in self.features for column in feature.columns)
        return (*read, *self.target.columns)

    @property
    def model_outputs(self) -> int:
        """How many numbers the model says of one row: one for two classes, else one for each class or interval."""
        if isinstance(self.loss, DiscreteHazard):
            return self.loss.intervals
        if isinstance(self.target, CategoryTarget) and self.target.classes > 2:  # noqa: PLR2004 - two need one number
            return self.target.classes
        return 1

    def stages(self) -> tuple[Stage, ...]:
        """Return the layers in their places, the last one included."""
        return lay_out(self.layers, self.input_shape, self.model_outputs)

    def outputs(self) -> OutputsDeclaration:
        """Return everything that leaves: each tensor's name and shape, each metric's range."""
        embeddings = [
            (f"feature{number}.weight", (len(feature.categories) + 1, feature.embedding))
            for number, feature in enumerate(self.features, 1)
            if isinstance(feature, CategoryFeature) and feature.embedding is not None
        ]
        tensors = [*embeddings, *(tensor for stage in self.stages() for tensor in stage.tensors)]
        declared = [TensorDeclaration(name=name, dtype="F32", shape=list(shape)) for name, shape in tensors]
        metrics = [self._metric()] if self.evaluation is not None else []
        return OutputsDeclaration(
            weights=WeightsDeclaration(tensors=declared),
            metrics=MetricsDeclaration(values=metrics) if metrics else None,
        )

    def find_problem(self, schema: DatasetSchema) -> str | None:
        """Return in words why the recipe is not for data of this schema; None when every column is as the schema has it."""
        found = (part.find_problem(schema) for part in (*self.features, self.target))
        return next((problem for problem in found if problem is not None), None)

    def _metric(self) -> MetricDeclaration:
        """Return the one metric: accuracy, mean absolute error in the target's unit, or survival's mean loss or concordance."""
        if isinstance(self.target, NumberTarget):
            span = format(Decimal(self.target.max) - Decimal(self.target.min), "f")
            return MetricDeclaration(name="mean_absolute_error", min=0, max=span, digits=METRIC_DIGITS)
        if isinstance(self.target, SurvivalTarget):
            if self.privacy is None:
                return MetricDeclaration(name="concordance", min=0, max=1, digits=METRIC_DIGITS)
            return MetricDeclaration(name="mean_loss", min=0, max=MAX_LOSS, digits=METRIC_DIGITS)
        return MetricDeclaration(name="accuracy", min=0, max=1, digits=METRIC_DIGITS)


Recipe = Annotated[TrainingRecipe | SynthesisRecipe, Field(discriminator="task")]
"""What a bundle's `recipe` may be, told apart by `task`."""


RecipeT = TypeVar("RecipeT", bound=TrainingRecipe | SynthesisRecipe)


def override(recipe: RecipeT, parameters: Mapping[str, Any]) -> RecipeT:
    """Return the recipe with what a job's parameters say otherwise.

    Raises:
        DocumentError: a parameter that no recipe takes, or a value that doesn't hold.
    """
    value = recipe.model_dump(mode="json")
    for name, given in parameters.items():
        if name in IN_PRIVACY and recipe.privacy is not None:
            value["privacy"][name] = given
        else:
            value[name if name in OVERRIDABLE else f"parameter {name}"] = given
    return validate_document(value, type(recipe), document="parameters")


def fits_schema(recipe: Recipe, schema: DatasetSchema) -> str | None:
    """Return in words why the recipe is not for data of this schema; None when every column is as the schema has it."""
    return recipe.find_problem(schema)


def training_units(recipe: TrainingRecipe, units: int) -> int:
    """Return how many of `units` are expected to be trained on: all that are not held out, at least one."""
    held_out = Decimal(recipe.evaluation.hold_out) if recipe.evaluation is not None else Decimal(0)
    return max(1, int(units * (1 - held_out)))


def steps_and_rate(recipe: TrainingRecipe, units: int) -> tuple[int, str]:
    """Return the steps of DP-SGD, and the probability (decimal text) with which each takes a unit.

    A batch has `batch_size` units on average, and as many steps are made as `epochs` passes over the data would be, when
    there are `units` of them: a public count, of rows where nobody told that of units.
    """
    rate = min(Decimal(1), Decimal(recipe.batch_size) / training_units(recipe, units))
    rounded = rate.quantize(Decimal(1).scaleb(-RATE_DIGITS), ROUND_DOWN)
    steps = int((recipe.epochs / rounded).to_integral_value(ROUND_HALF_EVEN))
    return min(MAX_STEPS, max(1, steps)), format(rounded.normalize(), "f")


def _check_columns(recipe: TrainingRecipe) -> None:
    if len(set(recipe.columns)) < len(recipe.columns):
        raise ValueError("a column stands twice among features and target")
    if len(recipe.features) > 1 and any(isinstance(feature, ImageFeature) for feature in recipe.features):
        raise ValueError("an image must be the only feature")


TASKS: dict[str, tuple[tuple[type, ...], frozenset[str]]] = {
    "classification": ((CategoryTarget, BooleanTarget), frozenset({"cross-entropy"})),
    "regression": ((NumberTarget,), frozenset({"squared-error", "absolute-error", "huber"})),
    "survival": ((SurvivalTarget,), frozenset({"cox", "discrete-hazard"})),
}
"""The targets and losses of each task."""


def _check_task(recipe: TrainingRecipe) -> None:
    targets, losses = TASKS[recipe.task]
    if not isinstance(recipe.target, targets):
        raise ValueError(  # noqa: TRY004 - of a document, not of a call
            f"{recipe.task} can't have a target of the kind {recipe.target.kind}"
        )
    if recipe.loss.kind not in losses:
        raise ValueError(f"{recipe.task} needs a loss of: {', '.join(sorted(losses))}")


def _check_privacy(recipe: TrainingRecipe) -> None:
    if recipe.privacy is not None and recipe.loss.kind == "cox":
        raise ValueError(
            "the loss cox compares rows with each other, so no row has a gradient of its own that could be clipped: "
            "with privacy use discrete-hazard"
        )
    if recipe.evaluation is not None:
        has_noise = recipe.evaluation.noise_multiplier is not None
        if has_noise != (recipe.privacy is not None):
            raise ValueError("evaluation: noise_multiplier belongs to privacy, which needs it")
