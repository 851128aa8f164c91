"""Whether the privacy that receipts say was spent adds up, per dataset, and stayed below its cap.

A receipt states its ledger before and after. For one dataset it begins where the receipt before left it; a job on several
states the ledger that is nearest to its cap, which is at least each of theirs. A mechanism without numbers spends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Protocol

from provider.audit.entries import EntryFacts
from provider.audit.findings import Code, Finding

NO_MECHANISM = "none"
DIGITS = 200
"""More than any sum of decimals in receipts has: each has at most 78 before the point and 30 after."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was spent on one dataset so far, and the cap that the newest receipt stated."""

    spent: Decimal
    cap: Decimal | None


class Ledgers(Protocol):
    """The ledgers of all datasets."""

    def find_ledger(self, asset_id: str) -> Ledger | None:
        """Return a dataset's ledger; None before its first receipt with one."""
        ...

    def set_ledger(self, asset_id: str, ledger: Ledger) -> None:
        """Keep a dataset's ledger."""
        ...


@dataclass(frozen=True, slots=True)
class _Spending:
    """The numbers of one receipt."""

    before: Decimal
    after: Decimal
    cap: Decimal | None
    epsilon: Decimal

    @property
    def spent(self) -> Decimal:
        return self.after - self.before


def check_privacy(index: int, facts: EntryFacts, ledgers: Ledgers) -> list[Finding]:
    """Check what a receipt says was spent against what came before, and write it down; no digit is rounded away."""
    with localcontext(prec=DIGITS):
        return _check(index, facts, ledgers)


def _check(index: int, facts: EntryFacts, ledgers: Ledgers) -> list[Finding]:
    privacy = facts.privacy
    said = [privacy.ledger_before, privacy.ledger_after, privacy.epsilon]
    if privacy.mechanism == NO_MECHANISM and said == [None] * len(said):
        return []
    before, after, epsilon = (None if item is None else Decimal(item) for item in said)
    if before is None or after is None or epsilon is None:
        text = f"the mechanism is {privacy.mechanism!r}, and the receipt lacks what was spent or the ledger"
        return [_found(Code.PRIVACY_SUM_WRONG, text, index, facts)]
    cap = None if privacy.ledger_cap is None else Decimal(privacy.ledger_cap)
    spending = _Spending(before, after, cap, epsilon)
    known = {item.asset_id: ledgers.find_ledger(item.asset_id) for item in facts.datasets}
    found = [*_check_sum(index, facts, spending), *_check_start(index, facts, spending, known)]
    for asset_id, ledger in known.items():
        if ledger is not None and ledger.cap != spending.cap:
            text = f"the cap of dataset {asset_id} went from {ledger.cap} to {spending.cap}"
            found.append(_found(Code.CAP_CHANGED, text, index, facts))
        end = spending.after if len(known) == 1 else (ledger.spent if ledger else Decimal(0)) + spending.spent
        ledgers.set_ledger(asset_id, Ledger(end, spending.cap))
    return found


def _check_sum(index: int, facts: EntryFacts, spending: _Spending) -> Iterator[Finding]:
    cap, accountant = spending.cap, facts.privacy.accountant
    if cap is not None and spending.after > cap:
        text = f"the ledger stands at {spending.after}, past its cap of {cap}"
        yield _found(Code.PRIVACY_OVERSPENT, text, index, facts)
    # An accountant composes: together, jobs cost no more than the sum of each alone, and often less.
    exact = accountant is None and spending.spent != spending.epsilon
    if exact or not 0 <= spending.spent <= spending.epsilon:
        text = f"the job spent {spending.epsilon}, and the ledger went from {spending.before} to {spending.after}"
        yield _found(Code.PRIVACY_SUM_WRONG, text, index, facts)


def _check_start(
    index: int, facts: EntryFacts, spending: _Spending, known: dict[str, Ledger | None]
) -> Iterator[Finding]:
    for asset_id, ledger in known.items():
        left = ledger.spent if ledger else Decimal(0)
        if spending.before < left or (len(known) == 1 and spending.before != left):
            text = f"the ledger of dataset {asset_id} was left at {left}, and this receipt begins at {spending.before}"
            yield _found(Code.PRIVACY_LEDGER_BROKEN, text, index, facts)


def _found(code: Code, text: str, index: int, facts: EntryFacts) -> Finding:
    privacy = facts.privacy
    evidence = {
        "before": str(privacy.ledger_before),
        "after": str(privacy.ledger_after),
        "spent": str(privacy.epsilon),
        "cap": str(privacy.ledger_cap),
    }
    return Finding(code, text, index, facts.job_id, evidence)
