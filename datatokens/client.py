"""The typed client of one deployment on any EVM chain: one class, its reads and writes kept in modules of their own."""

from __future__ import annotations

from typing import Self

from datatokens.fees import FeeLimits
from datatokens.gateway import DEFAULT_FEES, DEFAULT_PATIENCE, Gateway
from datatokens.history import LogBook
from datatokens.intent import Review
from datatokens.model import Deployment
from datatokens.patience import Patience
from datatokens.receipts import ReceiptChecks
from datatokens.writes import ProviderWrites


class ChainClient(ProviderWrites, ReceiptChecks):
    """Reads and changes one deployment; see `ChainReader`, `ReceiptChecks` and the writes of each role.

    Before the first use of a contract, the chain id and the code of every contract are checked.
    """

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        deployment: Deployment,
        *,
        patience: Patience = DEFAULT_PATIENCE,
        fees: FeeLimits = DEFAULT_FEES,
        book: LogBook | None = None,
        review: Review | None = None,
    ) -> Self:
        """Return a client; makes no request yet. What is read of old events is kept in `book`.

        Nothing is signed that `review`, where there is one, wasn't shown first.
        """
        gateway = Gateway(rpc_url, chain_id=deployment.chain_id, patience=patience, fees=fees, review=review)
        return cls(gateway, deployment, book)
