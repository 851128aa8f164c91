"""Privacy as receipts state it, and the mechanisms behind it."""

from __future__ import annotations

from policies.mechanisms import PrivacyCost, SampledGaussian
from provider.receipts.facts import MechanismFacts, PrivacyFacts, UnitFacts

ROWS = UnitFacts(None, None)


def spent(before: str, after: str, epsilon: str, *, cap: str | None = "8", noise: str = "20") -> PrivacyFacts:
    """Return what a receipt says of a job that spent privacy; true numbers only where the caller's are."""
    return PrivacyFacts(
        mechanism="dp-sgd",
        accountant="dp-accounting/0.6.0 PLD",
        unit=ROWS,
        mechanisms=(MechanismFacts("sampled-gaussian", noise, "0.1", 500, None),),
        epsilon=epsilon,
        delta="0.00001",
        ledger_before=before,
        ledger_after=after,
        ledger_cap=cap,
        ledger_delta="0.00001",
        information_bits=192,
    )


def cost(epsilon: str = "3", noise: str = "20", steps: int = 500) -> PrivacyCost:
    """Return a cost of one mechanism; `epsilon` is what its caller says."""
    trained = SampledGaussian(noise_multiplier=noise, sampling_rate="0.1", steps=steps)
    return PrivacyCost(epsilon=epsilon, delta="0.00001", mechanisms=(trained,))
