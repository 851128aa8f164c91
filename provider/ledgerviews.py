"""What travels of a dataset's privacy ledger; see `provider.ledgerdesk`."""

from __future__ import annotations

from typing import Literal

from policies.mechanisms import Mechanism
from provider.wire import Hex32, WireModel


class SpendingView(WireModel):
    """What one job has reserved or spent; `mine` says that the caller is its consumer, and is false without a login."""

    job_id: Hex32
    state: Literal["reserved", "spent"]
    mine: bool
    epsilon: str
    delta: str
    mechanisms: list[Mechanism]


class LedgerView(WireModel):
    """GET /v1/datasets/{asset_id}/privacy: every spending that counts, in the order in which they were reserved."""

    asset_id: Hex32
    spendings: list[SpendingView]
