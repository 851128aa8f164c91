"""What trials of a mechanism on two neighbouring datasets say of its privacy: exact lower bounds, never estimates.

A mechanism is (epsilon, delta)-private when P(E | D') <= exp(epsilon) P(E | D) + delta for every event E, both ways round. Trials
bound both probabilities (Clopper and Pearson 1934), and so refute claims (Jagielski et al. 2020, section 4). The event is chosen on
trials that are not counted. Not shown here: that a mechanism is private. No number of trials shows that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import beta

ERROR = 1e-6
"""The greatest probability with which the trials of a mechanism that keeps its claim refute it."""
PILOT_PART = 0.25
PILOT_ERROR = 0.1
MAX_CANDIDATES = 64

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """A claim as a whole: pairs (epsilons[n], deltas[n]) that all hold at once, such as an accountant's curve."""

    epsilons: Numbers
    deltas: Numbers


@dataclass(frozen=True, slots=True)
class Trials:
    """What an attacker made of each release: one score per training, greater where it believes that the canary was there."""

    without: Numbers
    with_canary: Numbers

    def split(self) -> tuple[Trials, Trials]:
        """Return the pilot, on which an event is chosen, and the rest, on which it is counted."""
        first, second = (max(1, int(len(side) * PILOT_PART)) for side in (self.without, self.with_canary))
        pilot = Trials(self.without[:first], self.with_canary[:second])
        return pilot, Trials(self.without[first:], self.with_canary[second:])


@dataclass(frozen=True, slots=True)
class Rates:
    """Bounds of the probability that a score exceeds a threshold, for both datasets, all four at once."""

    without_least: float
    without_most: float
    canary_least: float
    canary_most: float

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """For each event and each way round: the least probability with one dataset, the greatest with the other."""
        return (
            (self.canary_least, self.without_most),
            (1 - self.without_most, 1 - self.canary_least),
            (self.without_least, self.canary_most),
            (1 - self.canary_most, 1 - self.without_least),
        )

    def margin(self, profile: Profile) -> float:
        """Return by how much some pair of the claim is exceeded for certain; not above 0 when the claim stands."""
        growth = np.exp(profile.epsilons)
        return max(float(np.max(more - growth * less - profile.deltas)) for more, less in self.pairs)

    def epsilon(self, delta: float) -> float:
        """Return an epsilon that every mechanism with such rates has or exceeds at that delta; 0 when nothing is shown."""
        shown = (math.log((more - delta) / less) for more, less in self.pairs if more > delta and less > 0)
        return max(0.0, *shown)


def bound_share(hits: int, trials: int, error: float) -> tuple[float, float]:
    """Return bounds of a probability after `hits` of `trials`; each is wrong with at most `error` (Clopper and Pearson)."""
    least = 0.0 if hits == 0 else float(beta.ppf(error, hits, trials - hits + 1))
    most = 1.0 if hits == trials else float(beta.isf(error, hits + 1, trials - hits))
    return least, most


def count_rates(trials: Trials, threshold: float, error: float = ERROR) -> Rates:
    """Return what the trials say of exceeding `threshold`, wrong with at most `error` altogether."""
    without, canary = (
        bound_share(int((side > threshold).sum()), len(side), error / 4)
        for side in (trials.without, trials.with_canary)
    )
    return Rates(*without, *canary)


def audit(trials: Trials, ladder: Sequence[Profile], error: float = ERROR) -> Rates:
    """Count on three quarters of the trials the event that refutes most of `ladder` on the first quarter.

    `ladder`: profiles of one mechanism with ever more noise, so that the claims become ever stricter.
    """
    pilot, counted = trials.split()
    scores = np.unique(np.concatenate([pilot.without, pilot.with_canary]))
    middles = (scores[1:] + scores[:-1]) / 2 if len(scores) > 1 else scores
    places = np.linspace(0, len(middles) - 1, min(len(middles), MAX_CANDIDATES)).astype(int)
    candidates = [float(middles[place]) for place in places]

    def promise(middle: float) -> tuple[int, float]:
        rates = count_rates(pilot, middle, PILOT_ERROR)
        refuted = rung(rates, ladder)
        return refuted, -rates.margin(ladder[max(0, refuted - 1)])

    return count_rates(counted, min(candidates, key=promise), error)


def rung(rates: Rates, ladder: Sequence[Profile]) -> int:
    """Return the number of the first, least strict profile that these rates refute; `len(ladder)` when they refute none.

    Every mechanism of that shape with as much noise or more is refuted (as in Nasr et al. 2023, section 4).
    """
    return bisect_left(range(len(ladder)), x=True, key=lambda number: rates.margin(ladder[number]) > 0)


def gaussian_profile(noise: float, epsilons: Numbers) -> Profile:
    """Return the exact profile of the Gaussian mechanism with that noise multiplier (Balle and Wang 2018, theorem 8)."""
    shift = 1 / noise
    deltas = ndtr(shift / 2 - epsilons / shift) - np.exp(epsilons) * ndtr(-shift / 2 - epsilons / shift)
    return Profile(epsilons, deltas)
