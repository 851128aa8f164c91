"""Shows datasets' privacy ledgers: every mechanism that counts, so that whoever asks composes them and need believe no sum."""

from __future__ import annotations

from provider.auth import Access, Guard
from provider.catalogue import Catalogue
from provider.ledgerviews import LedgerView, SpendingView
from provider.store import Database
from provider.store.records import SpendingRecord


class LedgerDesk:
    """Answers about ledgers; changes none."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._store = database.privacy
        self._catalogue = catalogue

    def get(self, guard: Guard, asset_id: str) -> LedgerView:
        """Return a dataset's ledger.

        Raises:
            NotFoundError: this provider has no such dataset.
        """
        guard.check(Access.DATASET_READ)
        self._catalogue.get_record(asset_id)
        caller = (guard.find_caller() or "").lower()
        counting = [item for item in self._store.get_ledger(asset_id).spendings if item.counts]
        return LedgerView(asset_id=asset_id, spendings=[_view(item, caller) for item in counting])


def _view(spending: SpendingRecord, caller: str) -> SpendingView:
    cost = spending.cost
    return SpendingView.model_validate(
        {
            "job_id": spending.job_id,
            "state": spending.state.value,
            "mine": spending.consumer.lower() == caller,
            "epsilon": cost.epsilon,
            "delta": cost.delta,
            "mechanisms": list(cost.mechanisms),
        }
    )
