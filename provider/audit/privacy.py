"""Whether the privacy that receipts say was spent is what their mechanisms cost, adds up, and stayed below its cap.

Everything is composed again, by the accountant that any reader has: what a job spent from its own mechanisms, and where a
dataset's ledger stands from those of all its receipts. A ledger begins where the receipt before left it, at one delta. No lie
can grow within the tolerance from receipt to receipt: each time the whole ledger is composed anew.

Not checked here: that what ran was what the mechanisms say; the seal and the software's digest are what there is for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Protocol

from policies.mechanisms import Mechanism
from provider.audit.entries import EntryFacts
from provider.audit.findings import Code, Finding
from provider.privacy.accounting import compose_epsilon
from provider.privacy.errors import NotAccountableError
from provider.privacy.filtering import filtered_epsilon
from provider.receipts.facts import PrivacyFacts
from provider.receipts.privacy import NO_MECHANISM, read_mechanisms

DIGITS = 200
"""More than any sum of decimals in receipts has: each has at most 78 before the point and 30 after."""
TOLERANCE = Decimal("0.001")
"""The part by which another version of the accountant may come to more or less: a provider may renew its own between receipts."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the newest receipt left a dataset's ledger, at which delta and under which cap, and every mechanism so far."""

    spent: Decimal
    cap: Decimal | None
    delta: str
    mechanisms: tuple[Mechanism, ...]


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
    """The numbers of one receipt, all of which a statement that spent privacy has."""

    epsilon: Decimal
    delta: str
    before: Decimal
    after: Decimal
    cap: Decimal | None
    ledger_delta: str
    mechanisms: tuple[Mechanism, ...]


def check_privacy(index: int, facts: EntryFacts, ledgers: Ledgers) -> list[Finding]:
    """Check what a receipt says was spent against its mechanisms and what came before, and write it down."""
    spending = _read(facts.privacy)
    if spending is None:
        return []
    with localcontext(prec=DIGITS):
        found: list[Finding] = []
        for dataset in facts.datasets:
            known = ledgers.find_ledger(dataset.asset_id)
            found += [
                Finding(code, text, index, facts.job_id, _evidence(facts.privacy))
                for code, text in _judge(spending, known)
            ]
            used = (*(known.mechanisms if known else ()), *spending.mechanisms)
            ledgers.set_ledger(
                dataset.asset_id, Ledger(spending.after, spending.cap, spending.ledger_delta, used)
            )
        return found


def _read(privacy: PrivacyFacts) -> _Spending | None:
    """Return a receipt's numbers; None where nothing was spent, and its statement then has none of them."""
    said = (privacy.epsilon, privacy.delta, privacy.ledger_before, privacy.ledger_after, privacy.ledger_delta)
    if privacy.mechanism == NO_MECHANISM or None in said:
        return None
    epsilon, delta, before, after, ledger_delta = (item or "0" for item in said)
    return _Spending(
        Decimal(epsilon),
        delta,
        Decimal(before),
        Decimal(after),
        None if privacy.ledger_cap is None else Decimal(privacy.ledger_cap),
        ledger_delta,
        read_mechanisms(privacy),
    )


def _judge(spending: _Spending, known: Ledger | None) -> Iterator[tuple[Code, str]]:
    left = known.spent if known else Decimal(0)
    comparable = known is None or known.delta == spending.ledger_delta
    if comparable and abs(spending.before - left) > TOLERANCE * max(spending.before, left):
        yield (
            Code.PRIVACY_LEDGER_BROKEN,
            f"the ledger was left at {left}, and this receipt begins at {spending.before}",
        )
    used = (*(known.mechanisms if known else ()), *spending.mechanisms)
    if spending.cap is not None and spending.after > spending.cap:
        yield Code.PRIVACY_OVERSPENT, f"the ledger stands at {spending.after}, past its cap of {spending.cap}"
    elif spending.cap is not None and known is not None:
        yield from _check_filter(used, spending.ledger_delta, spending.cap)
    if known is not None and known.cap != spending.cap:
        yield Code.CAP_CHANGED, f"the cap went from {known.cap} to {spending.cap}"
    yield from _check_sum("the job spent", spending.epsilon, spending.mechanisms, spending.delta)
    yield from _check_sum("the ledger stands at", spending.after, used, spending.ledger_delta)


def _check_filter(used: Sequence[Mechanism], delta: str, cap: Decimal) -> Iterator[tuple[Code, str]]:
    """Check what several jobs may spend that are each chosen by earlier results: less than what they compose to allows."""
    try:
        taken = filtered_epsilon(used, Decimal(delta), cap)
    except NotAccountableError as exc:
        yield Code.PRIVACY_SUM_WRONG, f"what the mechanisms take of the cap can't be told: {exc}"
        return
    if taken > cap * (1 + TOLERANCE):
        text = f"jobs that are chosen one after the other took {taken} of the ledger's cap of {cap}"
        yield Code.PRIVACY_OVERSPENT, text


def _check_sum(
    what: str, stated: Decimal, mechanisms: Iterable[Mechanism], delta: str
) -> Iterator[tuple[Code, str]]:
    """Compare what is stated with what the mechanisms come to; more may be stated, which harms nobody's privacy."""
    try:
        composed = compose_epsilon(mechanisms, Decimal(delta))
    except NotAccountableError as exc:
        yield Code.PRIVACY_SUM_WRONG, f"what the mechanisms cost can't be told: {exc}"
        return
    if stated * (1 + TOLERANCE) < composed:
        text = f"{what} an epsilon of {stated} at a delta of {delta}, and the mechanisms come to {composed}"
        yield Code.PRIVACY_SUM_WRONG, text


def _evidence(privacy: PrivacyFacts) -> dict[str, str]:
    return {
        "before": str(privacy.ledger_before),
        "after": str(privacy.ledger_after),
        "spent": str(privacy.epsilon),
        "cap": str(privacy.ledger_cap),
    }
