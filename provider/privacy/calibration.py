"""How much noise brings a job's cost down to what it may cost; what comes out is rounded up, never down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from policies.mechanisms import Mechanism, SampledGaussian
from provider.privacy.accounting import EPSILON_STEP, MIN_NOISE, compose_epsilon
from provider.privacy.errors import NotAccountableError, UnreachableError

NOISE_STEP = Decimal("0.000001")
MAX_NOISE = Decimal(100_000)
MIN_EPSILON, MAX_EPSILON = Decimal("0.001"), Decimal(100)
"""Less can't be met to within `SLACK` in steps of `EPSILON_STEP`; more promises nothing."""
SLACK = Decimal("0.004")
"""A calibrated epsilon is at most this part below its target."""
MAX_TURNS = 80
MARGIN = 0.05  # of a bracket's width: so near its ends no turn goes, or it would hardly get narrower


def calibrate(
    epsilon: Decimal, delta: Decimal, sampling_rate: str, steps: int, others: tuple[Mechanism, ...] = ()
) -> str:
    """Return the noise multiplier with which `steps` of DP-SGD, and `others`, cost at most `epsilon` at `delta`.

    Decimal text, rounded up. They cost at most `SLACK` less, unless the least noise does, which is `MIN_NOISE`.

    Raises:
        UnreachableError: no noise up to `MAX_NOISE` does.
        NotAccountableError: `epsilon` is not from `MIN_EPSILON` to `MAX_EPSILON`, `delta` is not below 1, or there are too
            many steps.
    """
    if not MIN_EPSILON <= epsilon <= MAX_EPSILON:
        raise NotAccountableError(
            f"an epsilon of {epsilon} is not from {MIN_EPSILON} to {MAX_EPSILON}: less can't be told, more promises nothing"
        )
    if delta >= 1:
        raise NotAccountableError(f"a delta of {delta} is not below 1, and promises nothing")
    return _calibrate(epsilon, delta, sampling_rate, steps, others)


@lru_cache(maxsize=1024)
def _calibrate(
    epsilon: Decimal, delta: Decimal, sampling_rate: str, steps: int, others: tuple[Mechanism, ...]
) -> str:
    if compose_epsilon(others, delta) > epsilon:
        raise UnreachableError(f"what else the job releases costs more than an epsilon of {epsilon} alone")
    search = _Search(math.log(epsilon * (1 - SLACK / 2)))
    noise = _first_noise(float(epsilon), float(delta), float(sampling_rate), steps)
    for _ in range(MAX_TURNS):
        trained = SampledGaussian(noise_multiplier=noise, sampling_rate=sampling_rate, steps=steps)
        cost = compose_epsilon((trained, *others), delta)
        if cost <= epsilon and (cost >= epsilon * (1 - SLACK) or Decimal(noise) == MIN_NOISE):
            return noise
        if cost > epsilon and Decimal(noise) == MAX_NOISE:
            break
        noise = search.turn(noise, cost, affordable=cost <= epsilon)
    raise UnreachableError(
        f"no noise multiplier up to {MAX_NOISE} costs as little as an epsilon of {epsilon}"
    )


def _first_noise(epsilon: float, delta: float, rate: float, steps: int) -> str:
    """Return about what is needed: the deviation of the sum of all steps' losses (Abadi et al. 2016, theorem 1)."""
    return _as_noise(max(0.5, rate * math.sqrt(2 * steps * math.log(1 / delta)) / epsilon))


def _as_noise(noise: float) -> str:
    within = min(MAX_NOISE, max(MIN_NOISE, Decimal(noise)))
    return format(within.quantize(NOISE_STEP, ROUND_CEILING).normalize(), "f")


@dataclass(slots=True)
class _Search:
    """False position between the least noise that was affordable and the most that was not, in logarithms of both."""

    aim: float
    low: tuple[float, float] | None = None
    high: tuple[float, float] | None = None

    def turn(self, noise: str, cost: Decimal, *, affordable: bool) -> str:
        """Take what a noise multiplier costs, and return the next to try."""
        point = math.log(Decimal(noise)), math.log(max(cost, EPSILON_STEP))
        if affordable:
            self.high = point
        else:
            self.low = point
        return _as_noise(math.exp(self._next(point)))

    def _next(self, point: tuple[float, float]) -> float:
        if self.low is None or self.high is None:
            # Twice the way: cost falls at least as fast as noise rises, but for what the other mechanisms cost.
            distance = point[1] - self.aim
            return point[0] + math.copysign(max(0.05, abs(distance)), distance)
        (low, dear), (high, cheap) = self.low, self.high
        part = (dear - self.aim) / (dear - cheap) if dear > cheap else 0.5
        return low + (high - low) * min(1 - MARGIN, max(MARGIN, part))
