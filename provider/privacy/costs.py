"""What a recipe costs on a dataset: its mechanisms with the noise that its epsilon needs, from public facts alone."""

from __future__ import annotations

from decimal import Decimal

from policies.mechanisms import Gaussian, Mechanism, PrivacyCost, SampledGaussian
from policies.privacy import PrivacyPolicy
from provider.privacy.accounting import EPSILON_STEP, compose_epsilon
from provider.privacy.calibration import calibrate
from sandbox.recipe import Recipe, steps_and_rate


def cost_of(recipe: Recipe, policy: PrivacyPolicy, units: int) -> PrivacyCost | None:
    """Return what training by `recipe` on `units` units costs; None when it asks for no privacy, or no delta is named.

    The first mechanism is the training. Units that are held out for evaluation may be others in each run, so both count.
    `epsilon` is what the mechanisms compose to, a little below what the recipe asks for; `delta` is the recipe's, else the
    policy's. Not checked here: that the policy allows either.

    Raises:
        PrivacyError: no noise within bounds gives the epsilon asked for, or it can't be computed in bounded time.
    """
    asked = recipe.privacy
    if asked is None:
        return None
    text = asked.delta or policy.delta
    if text is None:
        return None
    delta, others = Decimal(text), _evaluation(recipe)
    steps, rate = steps_and_rate(recipe, units)
    noise = calibrate(Decimal(asked.epsilon), delta, rate, steps, others)
    trained = SampledGaussian(noise_multiplier=noise, sampling_rate=rate, steps=steps)
    mechanisms = (trained, *others)
    epsilon = max(EPSILON_STEP, compose_epsilon(mechanisms, delta))
    return PrivacyCost(epsilon=format(epsilon, "f"), delta=text, mechanisms=mechanisms)


def _evaluation(recipe: Recipe) -> tuple[Mechanism, ...]:
    evaluation = recipe.evaluation
    if evaluation is None or evaluation.noise_multiplier is None:
        return ()
    return (Gaussian(noise_multiplier=evaluation.noise_multiplier),)
