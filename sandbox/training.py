"""What the host tells the trainer beside the data: the recipe as this job has it, and what privacy asks of it.

Staged as one file beside the parameters, below /data/inputs, where neither a bundle nor a dataset can put a file of its own.
The noise is computed by the host from public facts; the trainer computes none of these numbers and believes nobody else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from policies.documents import StrictModel
from policies.mechanisms import Gaussian, Mechanism, PositiveDecimal, SampledGaussian
from policies.privacy import ColumnUnit
from sandbox.counting import SynthesisRecipe
from sandbox.recipe import MAX_STEPS, Recipe, TrainingRecipe, steps_and_rate

ORDERS_FILE = "trainerOrders.json"


class PrivateTraining(StrictModel):
    """DP-SGD as it is to be run: in each of `steps` a unit is taken with probability `sampling_rate`.

    Noise of deviation `noise_multiplier` times the clipping norm is added to each sum. The unit is a row, or all rows with one
    value of a column, of which at most `max_rows` are used. `divisor` is the number of units in a batch that the public
    count of them lets expect, and what sums are divided by.
    """

    noise_multiplier: PositiveDecimal
    sampling_rate: PositiveDecimal
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)]
    divisor: PositiveDecimal
    unit: Literal["row"] | ColumnUnit = "row"


class Histogram(StrictModel):
    """The columns that are counted together, and the cells along each; the last cell is for what is missing or unknown."""

    columns: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=2)]
    shape: Annotated[tuple[int, ...], Field(strict=False, min_length=1, max_length=2)]


class PrivateCounting(StrictModel):
    """Histograms as they are to be counted: `noise_multiplier` times the most rows of one unit is each count's deviation."""

    noise_multiplier: PositiveDecimal
    histograms: Annotated[tuple[Histogram, ...], Field(strict=False, min_length=1)]
    unit: Literal["row"] | ColumnUnit = "row"


class TrainingOrders(StrictModel):
    """All that a trainer needs to know. `private` is there exactly when the recipe has privacy, and of the recipe's kind."""

    version: Literal[1] = 1
    recipe: Recipe
    private: PrivateTraining | PrivateCounting | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.private is None) != (self.recipe.privacy is None):
            raise ValueError(
                "noise belongs to a recipe with privacy, and such a recipe is not trained without it"
            )
        if isinstance(self.recipe, SynthesisRecipe) != isinstance(self.private, PrivateCounting):
            raise ValueError("histograms belong to the task synthesis, and steps to the others")
        return self

    def document(self) -> dict[str, Any]:
        """Return the orders as JSON."""
        return self.model_dump(mode="json")


def order_private(
    recipe: Recipe, *, units: int, noise_multiplier: str, unit: Literal["row"] | ColumnUnit
) -> TrainingOrders:
    """Return the orders for DP-SGD over data of `units` units, or for counting, with a noise multiplier that the accountant found.

    `recipe` is the job's: see `sandbox.recipe.override`.
    """
    if isinstance(recipe, SynthesisRecipe):
        return TrainingOrders(recipe=recipe, private=_order_counting(recipe, noise_multiplier, unit))
    steps, rate = steps_and_rate(recipe, units)
    private = PrivateTraining(
        noise_multiplier=noise_multiplier,
        sampling_rate=rate,
        steps=steps,
        divisor=str(min(recipe.batch_size, units)),
        unit=unit,
    )
    return TrainingOrders(recipe=recipe, private=private)


def _order_counting(
    recipe: SynthesisRecipe, noise_multiplier: str, unit: Literal["row"] | ColumnUnit
) -> PrivateCounting:
    histograms = tuple(Histogram(columns=names, shape=recipe.shape_of(names)) for names in recipe.histograms)
    return PrivateCounting(noise_multiplier=noise_multiplier, histograms=histograms, unit=unit)


def mechanisms(orders: TrainingOrders) -> tuple[Mechanism, ...]:
    """Return what these orders do to privacy, for the accountant and the receipt; nothing without privacy."""
    recipe, private = orders.recipe, orders.private
    if isinstance(private, PrivateCounting):
        return (Gaussian(noise_multiplier=private.noise_multiplier, count=len(private.histograms)),)
    evaluation = recipe.evaluation if isinstance(recipe, TrainingRecipe) else None
    if private is None:
        return ()
    steps = SampledGaussian(
        noise_multiplier=private.noise_multiplier, sampling_rate=private.sampling_rate, steps=private.steps
    )
    if evaluation is None or evaluation.noise_multiplier is None:
        return (steps,)
    return (steps, Gaussian(noise_multiplier=evaluation.noise_multiplier))
