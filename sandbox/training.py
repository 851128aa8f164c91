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
from sandbox.recipe import MAX_STEPS, Recipe, steps_and_rate

ORDERS_FILE = "trainerOrders.json"


class PrivateTraining(StrictModel):
    """DP-SGD as it is to be run: in each of `steps` a unit is taken with probability `sampling_rate`.

    Noise of deviation `noise_multiplier` times the clipping norm is added to each sum. The unit is a row, or all rows with one
    value of a column, of which at most `max_rows` are used. `divisor` is the expected number of units in a batch: a public
    number, and what sums are divided by.
    """

    noise_multiplier: PositiveDecimal
    sampling_rate: PositiveDecimal
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)]
    divisor: PositiveDecimal
    unit: Literal["row"] | ColumnUnit = "row"


class TrainingOrders(StrictModel):
    """All that a trainer needs to know. `private` is there exactly when the recipe has privacy."""

    version: Literal[1] = 1
    recipe: Recipe
    private: PrivateTraining | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.private is None) != (self.recipe.privacy is None):
            raise ValueError(
                "noise belongs to a recipe with privacy, and such a recipe is not trained without it"
            )
        return self

    def document(self) -> dict[str, Any]:
        """Return the orders as JSON."""
        return self.model_dump(mode="json")


def order_private(
    recipe: Recipe, *, units: int, noise_multiplier: str, unit: Literal["row"] | ColumnUnit
) -> TrainingOrders:
    """Return the orders for DP-SGD over data of `units` units with a noise multiplier that the accountant found.

    `recipe` is the job's: see `sandbox.recipe.override`.
    """
    steps, rate = steps_and_rate(recipe, units)
    private = PrivateTraining(
        noise_multiplier=noise_multiplier,
        sampling_rate=rate,
        steps=steps,
        divisor=str(min(recipe.batch_size, units)),
        unit=unit,
    )
    return TrainingOrders(recipe=recipe, private=private)


def mechanisms(orders: TrainingOrders) -> tuple[Mechanism, ...]:
    """Return what these orders do to privacy, for the accountant and the receipt; nothing without privacy."""
    private, evaluation = orders.private, orders.recipe.evaluation
    if private is None:
        return ()
    steps = SampledGaussian(
        noise_multiplier=private.noise_multiplier, sampling_rate=private.sampling_rate, steps=private.steps
    )
    if evaluation is None or evaluation.noise_multiplier is None:
        return (steps,)
    return (steps, Gaussian(noise_multiplier=evaluation.noise_multiplier))
