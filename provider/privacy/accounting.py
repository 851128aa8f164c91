"""The accountant: what mechanisms cost together. Reads no data and adds no noise.

Privacy loss distributions of dp-accounting (Koskela et al. 2020; discretised upwards by Doroshenko et al. 2022, "connect the
dots"), where one unit is added or removed. Every epsilon is an upper bound, rounded up.

- Gaussian mechanisms compose exactly into one (Dong et al. 2022, corollary 3.3); equal sampled ones into one with all steps.
- The grid follows the deviation of one step's loss. What takes more than `MAX_STEPS` different steps is refused.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from policies.mechanisms import Gaussian, Mechanism
from provider.privacy.errors import NotAccountableError

if TYPE_CHECKING:
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

EPSILON_STEP = Decimal("0.000001")
MAX_STEPS = 10**6
MIN_NOISE = Decimal("0.2")
"""Less noise is no protection, and its losses take memory without bound."""
MIN_WHOLE_NOISE = 0.1
"""The same for what looks at every unit, all of it together: an epsilon of about 90."""
MAX_VARIANCE = 2500.0
"""Of the loss of all mechanisms together: an epsilon past a thousand promises nothing, and takes memory to tell."""
GRIDS = (1e-3, 3e-4, 1e-4)
POINTS_PER_DEVIATION = 8

Part = tuple[float, float, int]
"""Noise multiplier, sampling rate, steps."""


def accountant_name() -> str:
    """Return the accountant's name and version, as receipts state it."""
    return f"dp-accounting/{version('dp-accounting')} PLD"


def compose_epsilon(mechanisms: Iterable[Mechanism], delta: Decimal) -> Decimal:
    """Return the epsilon at `delta` of all mechanisms together, rounded up; 0 for none.

    Raises:
        NotAccountableError: there is no finite one, or none that can be computed in bounded time.
    """
    parts = _merge(mechanisms)
    if not parts:
        return Decimal(0)
    return Decimal(_compose(parts, float(delta))).quantize(EPSILON_STEP, ROUND_CEILING)


def _merge(mechanisms: Iterable[Mechanism]) -> tuple[Part, ...]:
    precision = 0.0
    sampled: Counter[tuple[float, float]] = Counter()
    for item in mechanisms:
        noise = float(item.noise_multiplier)
        if isinstance(item, Gaussian):
            precision += item.count / noise**2
        elif float(item.sampling_rate) >= 1:
            precision += item.steps / noise**2
        else:
            sampled[noise, float(item.sampling_rate)] += item.steps
    whole = [(1 / math.sqrt(precision), 1.0, 1)] if precision else []
    return tuple(sorted([*whole, *((*key, steps) for key, steps in sampled.items())]))


@lru_cache(maxsize=4096)
def _compose(parts: tuple[Part, ...], delta: float) -> float:
    if sum(steps * _variance(noise, rate) for noise, rate, steps in parts) > MAX_VARIANCE:
        raise NotAccountableError("the mechanisms together have an epsilon past a thousand")
    grid = min(_grid(noise, rate) for noise, rate, _ in parts)
    total, *rest = (_distribution(part, grid) for part in parts)
    for item in rest:
        total = total.compose(item)
    epsilon = float(total.get_epsilon_for_delta(delta))
    if not math.isfinite(epsilon):
        raise NotAccountableError(f"at a delta of {delta} there is no finite epsilon")
    return epsilon


def _grid(noise: float, rate: float) -> float:
    """Return the widest grid that has points enough within the deviation of one step's loss."""
    deviation = math.sqrt(_variance(noise, rate))
    return next((grid for grid in GRIDS if grid * POINTS_PER_DEVIATION <= deviation), GRIDS[-1])


def _variance(noise: float, rate: float) -> float:
    """Return about the variance of one step's loss: by Bu et al. 2020 ("Deep learning with Gaussian differential privacy").

    With little noise the loss is large and rare, and no larger than without sampling.
    """
    exponent = min(noise**-2, 100)
    return exponent if rate >= 1 else min(rate**2 * math.expm1(exponent), rate * (exponent + exponent**2))


@lru_cache(maxsize=256)
def _distribution(part: Part, grid: float) -> PrivacyLossDistribution:
    # SciPy comes with it, and takes seconds to import.
    from dp_accounting.pld import privacy_loss_distribution as pld  # noqa: PLC0415

    noise, rate, steps = part
    if steps > MAX_STEPS or noise < (MIN_WHOLE_NOISE if rate >= 1 else MIN_NOISE):
        raise NotAccountableError(f"{steps} steps with a noise multiplier of {noise} can't be accounted")
    one = pld.from_gaussian_mechanism(noise, sampling_prob=rate, value_discretization_interval=grid)
    return one.self_compose(steps)
