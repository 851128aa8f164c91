"""Lower bounds of epsilon are bounds: they refute what is false and not what is true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from bench.privacy_bounds import (
    ERROR,
    Rates,
    Trials,
    audit,
    bound_share,
    count_rates,
    gaussian_profile,
    rung,
)

EPSILONS = np.linspace(0, 8, 161)
NOISES = np.geomspace(0.1, 10, 93)
LADDER = [gaussian_profile(float(noise), EPSILONS) for noise in NOISES]
CLAIM = gaussian_profile(1.0, EPSILONS)


def normal_trials(shift: float, trials: int, seed: int) -> Trials:
    """Return scores of a Gaussian mechanism whose noise is 1 / shift of the sensitivity."""
    rng = np.random.default_rng(seed)
    return Trials(rng.normal(size=trials), shift + rng.normal(size=trials))


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (3, 10), (10, 10), (250, 1000)])
def test_a_share_is_bounded_where_the_binomial_says_so(hits: int, trials: int) -> None:
    least, most = bound_share(hits, trials, 0.01)
    assert least == 0 or binom.sf(hits - 1, trials, least) == pytest.approx(0.01)
    assert most == 1 or binom.cdf(hits, trials, most) == pytest.approx(0.01)


@pytest.mark.parametrize("hits", [(7, 3), (3, 7)], ids=["there more often", "there less often"])
def test_epsilon_is_bounded_whichever_dataset_the_event_speaks_for(hits: tuple[int, int]) -> None:
    without, canary = (np.r_[np.zeros(10 - count), np.ones(count)].repeat(1000) for count in hits)
    epsilon = count_rates(Trials(without, canary), 0.5).epsilon(1e-5)
    assert 0.6 < epsilon < math.log(7 / 3)


def test_trials_that_tell_nothing_apart_show_nothing() -> None:
    same = Trials(np.zeros(1000), np.zeros(1000))
    assert count_rates(same, 0.5).epsilon(1e-5) == 0
    assert audit(same, LADDER).margin(CLAIM) <= 0


def test_what_is_always_told_apart_is_limited_by_the_number_of_trials_alone() -> None:
    parted = Trials(np.zeros(1000), np.ones(1000))
    most = 1 - (ERROR / 4) ** (1 / 1000)
    assert count_rates(parted, 0.5).epsilon(0) == pytest.approx(math.log((1 - most) / most))


@pytest.mark.parametrize("noise", [0.3, 1.0, 4.0])
def test_the_profile_of_normal_noise_is_that_of_the_best_event(noise: float) -> None:
    profile, shift = gaussian_profile(noise, EPSILONS), 1 / noise
    best = EPSILONS / shift + shift / 2
    assert profile.deltas == pytest.approx(
        norm.sf(best - shift) - np.exp(EPSILONS) * norm.sf(best), abs=1e-12
    )


def test_a_true_claim_is_not_refuted_by_forty_audits() -> None:
    audits = [audit(normal_trials(1.0, 500, seed), LADDER) for seed in range(40)]
    assert max(rates.margin(CLAIM) for rates in audits) <= 0


@pytest.mark.parametrize("seed", range(5))
def test_half_the_noise_that_is_claimed_is_refuted(seed: int) -> None:
    assert audit(normal_trials(2.0, 800, seed), LADDER).margin(CLAIM) > 0


def test_the_noise_that_trials_leave_room_for_is_more_than_there_is_and_not_by_much() -> None:
    refuted = rung(audit(normal_trials(1.0, 20_000, 0), LADDER), LADDER)
    assert 1.0 < NOISES[refuted] < 1.3


def test_rates_that_refute_nothing_refute_no_rung() -> None:
    assert rung(Rates(0.0, 1.0, 0.0, 1.0), LADDER) == len(LADDER)


def test_the_event_is_chosen_on_trials_that_are_not_counted() -> None:
    pilot, counted = Trials(np.arange(8.0), np.arange(12.0)).split()
    assert (pilot.without.tolist(), counted.without.tolist()) == ([0, 1], [2, 3, 4, 5, 6, 7])
    assert (len(pilot.with_canary), len(counted.with_canary)) == (3, 9)
