from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.mechanisms import MIN_DELTA, Gaussian, Mechanism, SampledGaussian
from provider.privacy.accounting import EPSILON_STEP, compose_epsilon
from provider.privacy.errors import NotAccountableError

DELTA = Decimal("0.00001")


def _trained(noise: str = "2", rate: str = "0.1", steps: int = 100) -> SampledGaussian:
    return SampledGaussian(noise_multiplier=noise, sampling_rate=rate, steps=steps)


def _gaussian_epsilon(noise: float, delta: float) -> float:
    """Return the exact epsilon of one Gaussian mechanism (Balle and Wang 2018, theorem 8), by bisection."""
    from scipy.optimize import brentq  # noqa: PLC0415
    from scipy.stats import norm  # noqa: PLC0415

    def excess(epsilon: float) -> float:
        left = norm.cdf(0.5 / noise - epsilon * noise)
        right = norm.cdf(-0.5 / noise - epsilon * noise)
        return float(left - 2.718281828459045**epsilon * right - delta)

    return float(brentq(excess, 0, 100))


def test_nothing_costs_nothing() -> None:
    assert compose_epsilon([], DELTA) == 0


@pytest.mark.parametrize("noise", ["0.8", "3", "40"])
def test_a_gaussian_costs_what_its_closed_form_says_and_never_less(noise: str) -> None:
    exact = _gaussian_epsilon(float(noise), float(DELTA))
    stated = compose_epsilon([Gaussian(noise_multiplier=noise)], DELTA)
    assert exact <= float(stated) <= exact * 1.01


def test_releasing_a_number_four_times_costs_as_releasing_it_once_with_half_the_noise() -> None:
    four = compose_epsilon([Gaussian(noise_multiplier="6", count=4)], DELTA)
    assert four == compose_epsilon([Gaussian(noise_multiplier="3")], DELTA)


def test_taking_everyone_in_each_step_is_no_sampling() -> None:
    whole = compose_epsilon([_trained(rate="1", noise="20", steps=16)], DELTA)
    assert whole == compose_epsilon([Gaussian(noise_multiplier="5")], DELTA)


def test_an_opacus_accountant_of_another_kind_never_says_less_than_one_percent_below() -> None:
    from opacus.accountants import PRVAccountant  # noqa: PLC0415

    prv = PRVAccountant()
    prv.history = [(1.2, 0.05, 400)]
    other = prv.get_epsilon(float(DELTA), eps_error=0.005)
    stated = float(compose_epsilon([_trained(noise="1.2", rate="0.05", steps=400)], DELTA))
    assert other * 0.99 <= stated <= other * 1.01


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                _trained(),
                _trained(noise="3", rate="0.2", steps=50),
                Gaussian(noise_multiplier="9"),
                Gaussian(noise_multiplier="30", count=7),
            ]
        ),
        min_size=1,
        max_size=6,
    )
)
def test_jobs_together_cost_no_more_than_their_sum_no_less_than_the_dearest_and_the_same_in_any_order(
    mechanisms: list[Mechanism],
) -> None:
    alone = [compose_epsilon([item], DELTA) for item in mechanisms]
    together = compose_epsilon(mechanisms, DELTA)
    assert max(alone) * Decimal("0.997") <= together <= sum(alone) * Decimal("1.003") + EPSILON_STEP
    assert together == compose_epsilon(mechanisms[::-1], DELTA)


def test_a_smaller_delta_costs_more() -> None:
    assert compose_epsilon([_trained()], DELTA / 1000) > compose_epsilon([_trained()], DELTA)


@pytest.mark.parametrize(
    "mechanism",
    [
        pytest.param(_trained(steps=10**6 + 1), id="steps that take too long"),
        pytest.param(_trained(noise="0.01"), id="hardly any noise"),
    ],
)
def test_what_can_not_be_accounted_in_bounded_time_is_refused(mechanism: Mechanism) -> None:
    with pytest.raises(NotAccountableError):
        compose_epsilon([mechanism], DELTA)


@pytest.mark.parametrize(("noise", "steps"), [("2", 10), ("50", 10_000), ("100", 100_000), ("2000", 10**6)])
def test_the_smallest_delta_that_may_be_asked_for_costs_no_less_than_the_truth(
    noise: str, steps: int
) -> None:
    almost_all = _trained(noise=noise, rate="0.9999999999", steps=steps)
    exact = _gaussian_epsilon(float(noise) / steps**0.5, float(MIN_DELTA))
    assert exact <= float(compose_epsilon([almost_all], MIN_DELTA)) <= exact * 1.01


def test_a_delta_below_what_the_computation_resolves_is_refused() -> None:
    with pytest.raises(NotAccountableError):
        compose_epsilon([_trained()], Decimal("0.0000000000000000000000001"))
