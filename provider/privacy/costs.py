"""What a recipe costs on a dataset, and what its trainer is told: both follow from recipe, policy and a public count alone."""

from __future__ import annotations

from decimal import Decimal

from policies.mechanisms import Gaussian, Mechanism, PrivacyCost
from policies.privacy import PrivacyPolicy
from provider.privacy.accounting import EPSILON_STEP, compose_epsilon
from provider.privacy.calibration import calibrate
from sandbox.counting import SynthesisRecipe
from sandbox.recipe import Recipe, TrainingRecipe, steps_and_rate
from sandbox.training import TrainingOrders, mechanisms, order_private

EVERYBODY = "1"
"""The sampling rate of what looks at all units."""


def cost_of(recipe: Recipe, policy: PrivacyPolicy, units: int) -> PrivacyCost | None:
    """Return what training by `recipe` on `units` units costs; None when it asks for no privacy, or no delta is named.

    The first mechanism is the training. Units that are held out for evaluation may be others in each run, so both count.
    `epsilon` is what the mechanisms compose to, a little below what the recipe asks for; `delta` is the recipe's, else the
    policy's. Not checked here: that the policy allows either.

    Raises:
        PrivacyError: no noise within bounds gives the epsilon asked for, or it can't be computed in bounded time.
    """
    asked = recipe.privacy
    delta = asked.delta or policy.delta if asked is not None else None
    if asked is None or delta is None:
        return None
    noise = _find_noise(recipe, Decimal(asked.epsilon), Decimal(delta), units)
    used = mechanisms(order_private(recipe, units=units, noise_multiplier=noise, unit=policy.unit))
    epsilon = max(EPSILON_STEP, compose_epsilon(used, Decimal(delta)))
    return PrivacyCost(epsilon=format(epsilon, "f"), delta=delta, mechanisms=used)


def orders_for(recipe: Recipe, policy: PrivacyPolicy, units: int, cost: PrivacyCost) -> TrainingOrders | None:
    """Return what to tell the trainer so that the job costs exactly `cost`; None when it would cost something else."""
    noise = cost.mechanisms[0].noise_multiplier
    orders = order_private(recipe, units=units, noise_multiplier=noise, unit=policy.unit)
    return orders if mechanisms(orders) == cost.mechanisms else None


def _find_noise(recipe: Recipe, epsilon: Decimal, delta: Decimal, units: int) -> str:
    """Return the noise multiplier of the training's steps; or of each histogram, which all are of every unit."""
    if isinstance(recipe, SynthesisRecipe):
        return calibrate(epsilon, delta, EVERYBODY, len(recipe.histograms))
    steps, rate = steps_and_rate(recipe, units)
    return calibrate(epsilon, delta, rate, steps, _evaluation(recipe))


def _evaluation(recipe: TrainingRecipe) -> tuple[Mechanism, ...]:
    evaluation = recipe.evaluation
    if evaluation is None or evaluation.noise_multiplier is None:
        return ()
    return (Gaussian(noise_multiplier=evaluation.noise_multiplier),)
