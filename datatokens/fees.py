"""What a transaction offers for its gas: EIP-1559 where blocks have a base fee, one price where they have none. Pure."""

from __future__ import annotations

from dataclasses import dataclass

GWEI = 10**9
REPLACEMENT_DIVISOR = 8
"""A replacement offers an eighth more: nodes want a tenth (geth) or an eighth (others)."""


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """The most that is offered for a unit of gas, in wei: as a tip, and in all (None: no limit).

    Without a base fee all of it is a tip: a node that hides the base fee would else name any price, and it would be paid.
    """

    tip_wei: int = 200 * GWEI
    total_wei: int | None = None


@dataclass(frozen=True, slots=True)
class Fees:
    """What is offered for a unit of gas, in wei; `tip_wei` is None on a chain without base fees."""

    most_wei: int
    tip_wei: int | None

    def fields(self) -> dict[str, int]:
        """Return the transaction's fields."""
        if self.tip_wei is None:
            return {"gasPrice": self.most_wei}
        return {"maxFeePerGas": self.most_wei, "maxPriorityFeePerGas": self.tip_wei}


def limits_of(max_tip_gwei: int | None, max_fee_gwei: int | None) -> FeeLimits:
    """Return the limits that were given, in gwei (10^9 wei), and the usual ones for the others."""
    usual = FeeLimits()
    return FeeLimits(
        tip_wei=usual.tip_wei if max_tip_gwei is None else max_tip_gwei * GWEI,
        total_wei=usual.total_wei if max_fee_gwei is None else max_fee_gwei * GWEI,
    )


def suggest_fees(base_fee_wei: int | None, asked_wei: int, limits: FeeLimits) -> Fees:
    """Return what to offer: `asked_wei` is the tip that the node suggests, its gas price where there is no base fee.

    Twice the base fee leaves room for six full blocks, each of which may raise it by an eighth.
    """
    if base_fee_wei is None:
        return Fees(_within(min(asked_wei, limits.tip_wei), limits), None)
    tip = min(asked_wei, limits.tip_wei)
    most = _within(2 * base_fee_wei + tip, limits)
    return Fees(most, min(tip, most))


def raise_fees(offered: Fees, suggested: Fees, limits: FeeLimits) -> Fees | None:
    """Return what a node takes as a replacement of `offered`, at least `suggested`; None when a limit forbids it."""
    most = max(_more(offered.most_wei), suggested.most_wei)
    if limits.total_wei is not None and most > limits.total_wei:
        return None
    if offered.tip_wei is None:
        return Fees(most, None) if most <= limits.tip_wei else None
    tip = max(_more(offered.tip_wei), suggested.tip_wei or 0)
    return Fees(most, tip) if tip <= limits.tip_wei else None


def _more(amount_wei: int) -> int:
    return amount_wei + amount_wei // REPLACEMENT_DIVISOR + 1


def _within(amount_wei: int, limits: FeeLimits) -> int:
    return amount_wei if limits.total_wei is None else min(amount_wei, limits.total_wei)
