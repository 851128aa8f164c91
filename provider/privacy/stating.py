"""What a receipt says of privacy: the mechanisms that ran, what they cost, and the dataset's ledger as its receipts have it.

The ledger in receipts is made of receipts alone: before is to what the mechanisms of all earlier ones compose, after with
this one's. What is reserved by jobs that have not ended stands in none, and counts against the budget all the same.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from dataclasses import replace

from policies.mechanisms import Mechanism, SampledGaussian
from policies.privacy import ColumnUnit, PrivacyPolicy
from provider.privacy.accounting import accountant_name, compose_epsilon
from provider.privacy.errors import NotAccountableError
from provider.receipts.facts import MechanismFacts, PrivacyFacts, UnitFacts
from provider.receipts.privacy import DP_SGD, NOISY_COUNTS, nothing_spent
from provider.store.records import Settled


def draft_privacy(information_bits: int, policy: PrivacyPolicy | None) -> PrivacyFacts:
    """Return what is known before a job's spending is settled: the terms of the ledger, for `state_privacy` to fill in."""
    nothing = nothing_spent(information_bits)
    if policy is None:
        return nothing
    return replace(nothing, unit=_unit(policy.unit), ledger_cap=policy.budget, ledger_delta=policy.delta)


def state_privacy(draft: PrivacyFacts, settled: Settled | None) -> PrivacyFacts:
    """Return what a receipt says, from its draft and how the job's spending ended.

    Raises:
        NotAccountableError: the ledger has no finite epsilon, neither at the draft's delta nor at the job's own.
    """
    if settled is None:
        return nothing_spent(draft.information_bits)
    cost = settled.cost
    try:
        delta = draft.ledger_delta or cost.delta
        before, after = _ledger(settled, delta)
    except NotAccountableError:
        delta = cost.delta
        before, after = _ledger(settled, delta)
    return replace(
        draft,
        mechanism=_name(cost.mechanisms),
        accountant=accountant_name(),
        mechanisms=tuple(_mechanism(item) for item in cost.mechanisms),
        epsilon=cost.epsilon,
        delta=cost.delta,
        ledger_before=before,
        ledger_after=after,
        ledger_delta=delta,
    )


def _ledger(settled: Settled, delta: str) -> tuple[str, str]:
    at = decimal.Decimal(delta)
    before: Sequence[Mechanism] = settled.before
    after = (*before, *settled.cost.mechanisms)
    return format(compose_epsilon(before, at), "f"), format(compose_epsilon(after, at), "f")


def _name(mechanisms: Sequence[Mechanism]) -> str:
    """Say what was done: steps of training sample units, and counting looks at all."""
    sampled = any(isinstance(item, SampledGaussian) for item in mechanisms)
    return DP_SGD if sampled else NOISY_COUNTS


def _mechanism(item: Mechanism) -> MechanismFacts:
    if isinstance(item, SampledGaussian):
        return MechanismFacts(item.kind, item.noise_multiplier, item.sampling_rate, item.steps, None)
    return MechanismFacts(item.kind, item.noise_multiplier, None, None, item.count)


def _unit(unit: object) -> UnitFacts:
    return UnitFacts(unit.column, unit.max_rows) if isinstance(unit, ColumnUnit) else UnitFacts(None, None)
