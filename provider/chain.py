"""What a provider needs of a chain, as a protocol; `datatokens.client.ChainClient` is the implementation.

Every read raises `ChainUnreachableError` when nobody answers. No method invents an answer: absent is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from datatokens.model import AnchorRecord, Approval, Asset, Block, Order, OrderPlaced, OrderStatus, TxResult

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


class Chain(Protocol):
    """Reads that decide, and the two writes a provider makes."""

    def check(self) -> None:
        """Raise unless the chain id and every contract's code are those of the deployment."""

    def head(self) -> Block:
        """Return the newest block."""

    def get_asset(self, token_id: int) -> Asset:
        """Return an asset; `NoSuchAssetError` when there is none."""

    def find_approval(self, token_id: int, algorithm: bytes, at_block: int | None = None) -> Approval | None:
        """Return the owner's latest word on an algorithm, expired and revoked ones included."""

    def get_block(self, number: int) -> Block:
        """Return the block of that number."""

    def find_order(
        self, job_id: bytes, consumer: str, token_id: int, at_block: int | None = None
    ) -> Order | None:
        """Return the order of `consumer` for a job on an asset, whatever its status, now or at a recent block."""

    def find_order_event(self, job_id: bytes, consumer: str, token_id: int) -> OrderPlaced | None:
        """Return where on the chain that order was placed."""

    def order_status(self, order_id: bytes) -> OrderStatus:
        """Return where an order stands, by its own id."""

    def get_anchor(self, provider: str) -> AnchorRecord | None:
        """Return the newest root that `provider` anchored."""

    def anchored_size(self, provider: str) -> int:
        """Return the size of that root, 0 when there is none."""

    def anchor_and_settle(
        self, size: int, root: bytes, ran: list[bytes], not_run: list[bytes], *, sender: LocalAccount
    ) -> TxResult:
        """Anchor a checkpoint, settle the orders that ran and refund those that didn't, in one transaction."""

    def settle(self, ran: list[bytes], not_run: list[bytes], *, sender: LocalAccount) -> TxResult:
        """Settle and refund without a new checkpoint."""
