"""Noise is compared with other accountants, which share nothing with the one that computed it but the mechanism."""

from __future__ import annotations

from decimal import Decimal

import pytest

from policies.mechanisms import Gaussian, Mechanism, SampledGaussian
from provider.privacy.accounting import MIN_NOISE, compose_epsilon
from provider.privacy.calibration import calibrate
from provider.privacy.errors import NotAccountableError, PrivacyError, UnreachableError

DELTA = Decimal("0.00001")
CASES = {
    "a small table in large batches": ("1", "0.2", 300),
    "a table in batches of a tenth": ("3", "0.1", 500),
    "many steps of small batches": ("8", "0.01", 2000),
    "the whole table in each step": ("2", "1", 50),
}


def _trained(noise: str, rate: str, steps: int) -> SampledGaussian:
    return SampledGaussian(noise_multiplier=noise, sampling_rate=rate, steps=steps)


def _dp_accounting(noise: float, rate: float, steps: int) -> float:
    """Return epsilon as the documentation of dp-accounting computes it, on its own grid."""
    import dp_accounting  # noqa: PLC0415
    from dp_accounting import pld  # noqa: PLC0415

    event = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise))
    accountant = pld.PLDAccountant()
    accountant.compose(dp_accounting.SelfComposedDpEvent(event, steps))
    return float(accountant.get_epsilon(float(DELTA)))


@pytest.mark.parametrize("case", CASES)
def test_dp_accounting_agrees_within_one_percent_that_calibrated_noise_gives_the_target(case: str) -> None:
    target, rate, steps = CASES[case]
    noise = calibrate(Decimal(target), DELTA, rate, steps)
    epsilon = _dp_accounting(float(noise), float(rate), steps)
    assert 0.99 * float(target) <= epsilon <= float(target)
    stated = compose_epsilon([_trained(noise, rate, steps)], DELTA)
    assert float(stated) == pytest.approx(epsilon, rel=0.01)


@pytest.mark.parametrize("case", CASES)
def test_one_percent_less_noise_costs_more_than_the_target(case: str) -> None:
    target, rate, steps = CASES[case]
    noise = calibrate(Decimal(target), DELTA, rate, steps)
    assert _dp_accounting(float(noise) * 0.99, float(rate), steps) > float(target)


def test_what_else_the_job_releases_is_paid_with_more_noise_on_the_training() -> None:
    metric = Gaussian(noise_multiplier="5")
    alone = calibrate(Decimal(3), DELTA, "0.1", 500)
    beside = calibrate(Decimal(3), DELTA, "0.1", 500, (metric,))
    assert Decimal(beside) > Decimal(alone)
    both: list[Mechanism] = [_trained(beside, "0.1", 500), metric]
    assert Decimal("2.98") <= compose_epsilon(both, DELTA) <= 3


def test_the_least_noise_is_taken_where_less_would_do() -> None:
    noise = calibrate(Decimal(50), DELTA, "0.001", 1)
    assert Decimal(noise) == MIN_NOISE


@pytest.mark.parametrize(
    ("epsilon", "rate", "steps", "others", "error"),
    [
        pytest.param("101", "0.1", 10, (), NotAccountableError, id="an epsilon that promises nothing"),
        pytest.param("1", "0.1", 10**7, (), NotAccountableError, id="steps that take hours to account"),
        pytest.param("0.001", "1", 10**8, (), UnreachableError, id="noise beyond all bounds"),
        pytest.param(
            *("1", "0.1", 10, (Gaussian(noise_multiplier="1"),), UnreachableError),
            id="an evaluation that costs more than all may",
        ),
    ],
)
def test_what_no_noise_can_give_is_refused(
    epsilon: str, rate: str, steps: int, others: tuple[Mechanism, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        calibrate(Decimal(epsilon), DELTA, rate, steps, others)


@pytest.mark.parametrize("rate", ["0.02", "1"])
@pytest.mark.parametrize("delta", ["0." + 59 * "0" + "1", "0.00001", "0.001", "0.009", "0.9", "1", "2"])
@pytest.mark.parametrize(
    "epsilon", ["0." + 29 * "0" + "1", "0.00002", "0.0002", "0.001", "0.0101", "1000000000"]
)
def test_whatever_a_job_asks_for_is_met_or_refused(epsilon: str, delta: str, rate: str) -> None:
    try:
        noise = calibrate(Decimal(epsilon), Decimal(delta), rate, 7)
    except PrivacyError:
        return
    assert compose_epsilon([_trained(noise, rate, 7)], Decimal(delta)) <= Decimal(epsilon)


def test_the_least_epsilon_that_is_told_is_met_at_a_large_delta() -> None:
    noise = calibrate(Decimal("0.001"), Decimal("0.001"), "0.02", 7)
    assert compose_epsilon([_trained(noise, "0.02", 7)], Decimal("0.001")) <= Decimal("0.001")
