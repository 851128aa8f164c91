"""Where a ledger stands: what its jobs compose to, and how much of its budget they take when each is chosen by earlier results.

`compose_epsilon` holds for mechanisms that were fixed beforehand. Whoever sees one release before asking for the next chooses
noise and steps by it, and for that a budget needs a filter: at one Rényi order, fixed before the first job, the divergences
of all jobs add up, and no job is let in that takes the sum past what the budget allows for (Feldman and Zrnic 2021,
"Individual privacy accounting via a Rényi filter", theorem 4.3; to epsilon by Canonne et al. 2020, proposition 12). The order
follows from budget and delta alone. A first job is chosen by nobody's results: it may cost the whole budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from policies.mechanisms import Gaussian, Mechanism
from provider.privacy.accounting import EPSILON_STEP, compose_epsilon
from provider.privacy.errors import NotAccountableError

ORDERS = (*range(2, 64), *(round(64 * 1.2**power) for power in range(40)))
"""The orders to choose from: small budgets take large ones."""


def stand_at(jobs: Sequence[Sequence[Mechanism]], delta: Decimal, budget: Decimal | None) -> Decimal:
    """Return the epsilon at `delta` that a ledger with these jobs stands at, rounded up: above `budget` one was too many.

    It is what all mechanisms compose to, or what they take of the budget by the filter, where that is more. With no budget,
    or no more than one job, there is nothing to filter.

    Raises:
        NotAccountableError: there is no finite one, or none that can be computed in bounded time.
    """
    together = [mechanism for job in jobs for mechanism in job]
    composed = compose_epsilon(together, delta)
    if budget is None or len(jobs) <= 1:
        return composed
    return max(composed, filtered_epsilon(together, delta, budget))


def filtered_epsilon(mechanisms: Sequence[Mechanism], delta: Decimal, budget: Decimal) -> Decimal:
    """Return the part of `budget` that these take by the filter, as an epsilon, rounded up.

    Raises:
        NotAccountableError: the budget is too small for a filter at this delta.
    """
    order, room = _find_order(budget, delta)
    part = sum(_divergence(mechanism, order) for mechanism in mechanisms) / room
    return (budget * Decimal(part)).quantize(EPSILON_STEP, ROUND_CEILING)


def allowed_divergence(order: int, budget: float, delta: float) -> float:
    """Return the Rényi divergence of this order that comes to an epsilon of `budget` at `delta`; below 0 where none does."""
    return budget - math.log1p(-1 / order) + math.log(delta * order) / (order - 1)


@lru_cache(maxsize=64)
def _find_order(budget: Decimal, delta: Decimal) -> tuple[int, float]:
    """Return the order at which Gaussian mechanisms fit into the budget most often, and the divergence that is allowed there."""
    room = {order: allowed_divergence(order, float(budget), float(delta)) for order in ORDERS}
    order = max(room, key=lambda order: room[order] / order)
    if room[order] <= 0:
        raise NotAccountableError(f"a budget of {budget} at a delta of {delta} is too small for several jobs")
    return order, room[order]


def _divergence(mechanism: Mechanism, order: int) -> float:
    noise = float(mechanism.noise_multiplier)
    if isinstance(mechanism, Gaussian):
        return mechanism.count * order / (2 * noise**2)
    return mechanism.steps * _of_sampled(noise, float(mechanism.sampling_rate), order)


@lru_cache(maxsize=4096)
def _of_sampled(noise: float, rate: float, order: int) -> float:
    # SciPy comes with it, and takes seconds to import.
    import dp_accounting  # noqa: PLC0415
    from dp_accounting.rdp import RdpAccountant  # noqa: PLC0415

    accountant = RdpAccountant([order])
    accountant.compose(dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)))
    return float(accountant.rdp[0])
