"""Where a ledger stands when each job is chosen by what earlier ones released, against dp-accounting's own Rényi accountant."""

from __future__ import annotations

from decimal import Decimal

import dp_accounting
import pytest
from dp_accounting.rdp import RdpAccountant, compute_epsilon
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.mechanisms import Gaussian, Mechanism, SampledGaussian
from provider.privacy.accounting import compose_epsilon
from provider.privacy.calibration import calibrate
from provider.privacy.errors import NotAccountableError
from provider.privacy.filtering import ORDERS, allowed_divergence, filtered_epsilon, stand_at

DELTA = Decimal("0.00001")
BUDGETS = ("0.001", "0.1", "1", "3", "8", "30")


def sampled(noise: str, rate: str, steps: int) -> Mechanism:
    return SampledGaussian(noise_multiplier=noise, sampling_rate=rate, steps=steps)


def epsilon_at(order: int, mechanisms: list[Mechanism]) -> float:
    """Return what dp-accounting finds at one order."""
    accountant = RdpAccountant([order])
    for item in mechanisms:
        event: dp_accounting.DpEvent = dp_accounting.GaussianDpEvent(float(item.noise_multiplier))
        if isinstance(item, SampledGaussian):
            event = dp_accounting.PoissonSampledDpEvent(float(item.sampling_rate), event)
        accountant.compose(event, item.count if isinstance(item, Gaussian) else item.steps)
    return float(accountant.get_epsilon(float(DELTA)))


@pytest.mark.parametrize("order", [2, 4, 63, 1000])
@pytest.mark.parametrize("budget", [1, 8, 30])
def test_the_divergence_that_is_allowed_is_the_one_that_comes_to_the_budget(order: int, budget: int) -> None:
    allowed = allowed_divergence(order, budget, float(DELTA))
    if allowed > 0:
        assert compute_epsilon([order], [allowed], float(DELTA))[0] == pytest.approx(budget, rel=1e-9)


JOBS: list[tuple[Mechanism, ...]] = [
    (sampled("0.9", "0.01", 300),),
    (sampled("1.5", "0.1", 100), Gaussian(noise_multiplier="8")),
    (sampled("4", "1", 10),),
    (Gaussian(noise_multiplier="3", count=4),),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BUDGETS), st.lists(st.sampled_from(JOBS), max_size=8))
def test_jobs_that_are_let_in_one_by_one_stay_within_the_budget_at_one_order_that_no_job_decides(
    budget: str, wanted: list[tuple[Mechanism, ...]]
) -> None:
    admitted: list[tuple[Mechanism, ...]] = []
    for job in wanted:
        if stand_at([*admitted, job], DELTA, Decimal(budget)) <= Decimal(budget):
            admitted.append(job)
    together = [item for job in admitted for item in job]
    assert compose_epsilon(together, DELTA) <= Decimal(budget)
    if len(admitted) > 1:
        order = max(ORDERS, key=lambda order: allowed_divergence(order, float(budget), float(DELTA)) / order)
        assert epsilon_at(order, together) <= float(budget) * (1 + 1e-9)


@pytest.mark.parametrize("budget", BUDGETS[1:])
def test_one_job_may_cost_the_whole_budget_and_then_nothing_more_is_let_in(budget: str) -> None:
    whole = Decimal(budget)
    job = (sampled(calibrate(whole, DELTA, "0.02", 200), "0.02", 200),)
    assert stand_at([job], DELTA, whole) == compose_epsilon(job, DELTA) <= whole
    assert stand_at([job, (Gaussian(noise_multiplier="1000"),)], DELTA, whole) > compose_epsilon(job, DELTA)
    assert stand_at([job, job], DELTA, whole) > whole


@pytest.mark.parametrize("budget", ["1", "8"])
@pytest.mark.parametrize("part", [4, 8])
@pytest.mark.parametrize(("rate", "steps"), [("0.02", 500), ("0.2", 50), ("1", 1)])
def test_up_to_a_fifth_fewer_jobs_fit_than_if_all_had_been_fixed_beforehand(
    budget: str, part: int, rate: str, steps: int
) -> None:
    whole = Decimal(budget)
    job = (sampled(calibrate(whole / part, DELTA, rate, steps), rate, steps),)
    fixed, chosen = (_count_fitting(job, whole, limit) for limit in (None, whole))
    assert 0.8 * fixed <= chosen <= fixed


def _count_fitting(job: tuple[Mechanism, ...], whole: Decimal, limit: Decimal | None) -> int:
    fitting = 0
    while stand_at([job] * (fitting + 1), DELTA, limit) <= whole:
        fitting += 1
    return fitting


def test_without_a_budget_a_ledger_stands_at_what_its_jobs_compose_to() -> None:
    together = [item for job in JOBS for item in job]
    assert stand_at(JOBS, DELTA, None) == compose_epsilon(together, DELTA)
    assert stand_at([], DELTA, Decimal(1)) == 0


def test_half_of_what_a_budget_allows_stands_at_half_of_it() -> None:
    job = (sampled("20", "1", 100),)
    taken = filtered_epsilon(job, DELTA, Decimal(8))
    assert filtered_epsilon(job * 2, DELTA, Decimal(8)) == pytest.approx(2 * taken, abs=Decimal("0.000002"))


def test_a_budget_too_small_for_a_filter_is_refused() -> None:
    with pytest.raises(NotAccountableError, match="too small for several jobs"):
        filtered_epsilon([], Decimal("0." + 59 * "0" + "1"), Decimal("0.001"))
