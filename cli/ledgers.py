"""What of a dataset's privacy is reserved and spent, as its provider tells it and as it adds up here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cli.datasets import get_asset
from cli.errors import InputError
from cli.governing import find_policy
from policies.mechanisms import Mechanism, PrivacyCost
from policies.privacy import PrivacyPolicy
from provider.ledgerviews import LedgerView, SpendingView
from provider.privacy.assessment import Counted
from provider.privacy.filtering import stand_at

if TYPE_CHECKING:
    from cli.context import Session


@dataclass(frozen=True, slots=True)
class Further:
    """What one more job would cost, and what the ledger and its consumer's would stand at then."""

    cost: PrivacyCost
    after: Decimal
    consumer_after: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """A dataset's ledger under its policy. `spent` counts what is reserved; None where the policy names no delta to add at."""

    privacy: PrivacyPolicy
    spendings: tuple[SpendingView, ...]
    spent: Decimal | None
    consumer_spent: Decimal | None
    further: Further | None

    @property
    def left(self) -> Decimal | None:
        """What is left of the budget, never below zero; None without one. By composition more jobs may fit than sums tell."""
        if self.spent is None or self.privacy.budget is None:
            return None
        return max(Decimal(0), Decimal(self.privacy.budget) - self.spent)


def find_counted(session: Session, asset_id: str) -> Counted | None:
    """Return the mechanisms of each job that counts in a dataset's ledger, this account's among them."""
    return _count(_read(session, asset_id))


def read_ledger(session: Session, asset_id: str, job: Path | None = None) -> Ledger:
    """Return a dataset's ledger, added up here, and with the file of a job what that would cost.

    Raises:
        InputError: the policy can't be read, or the job is not for this dataset or costs no privacy.
        NotAccountableError: the provider tells of mechanisms that can't be added up.
    """
    policy = find_policy(session, get_asset(session, asset_id))
    if policy is None:
        raise InputError(f"the policy of dataset {asset_id} can't be read", code="policy-unreadable")
    privacy = policy.privacy
    view = _read(session, asset_id)
    counted = _count(view)
    return Ledger(
        privacy,
        tuple(view.spendings),
        spent=_stand(counted.everybody, privacy.delta, privacy.budget),
        consumer_spent=_stand(counted.consumer, privacy.delta, privacy.consumer_budget),
        further=None if job is None else _foresee(session, asset_id, job),
    )


def _stand(jobs: Sequence[Sequence[Mechanism]], delta: str | None, budget: str | None) -> Decimal | None:
    if delta is None:
        return None
    return stand_at(jobs, Decimal(delta), None if budget is None else Decimal(budget))


def _read(session: Session, asset_id: str) -> LedgerView:
    return session.get_api().get_model(f"/v1/datasets/{asset_id}/privacy", LedgerView, login=True)


def _count(view: LedgerView) -> Counted:
    return Counted(
        tuple(tuple(item.mechanisms) for item in view.spendings),
        tuple(tuple(item.mechanisms) for item in view.spendings if item.mine),
    )


def _foresee(session: Session, asset_id: str, job: Path) -> Further:
    from cli.preflight import foresee_job

    facts = [item.privacy for item in foresee_job(session, job).datasets if item.asset.asset_id == asset_id]
    if not facts:
        raise InputError(f"{job}: the job is not for dataset {asset_id}", code="job-for-other-dataset")
    found = facts[0]
    if found.cost is None or found.after is None or found.consumer_after is None:
        why = found.problem or "its algorithm is no recipe with privacy"
        raise InputError(f"{job}: what the job costs in privacy can't be told: {why}", code="no-privacy-cost")
    return Further(found.cost, found.after, found.consumer_after)
