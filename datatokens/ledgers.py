"""What happened to assets and their orders over time, from events: every node keeps them, and the state bears them out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datatokens.gateway import checksum
from datatokens.model import AssetEvent, OrderEnd, OrderPlaced, OrderStatus, Sale
from datatokens.reads import order_placed
from datatokens.timeline import PolicyTimeline

ASSET_EVENTS = (
    "Registered",
    "PolicyChanged",
    "PriceChanged",
    "ConsumersChanged",
    "AlgorithmApproved",
    "AlgorithmRevoked",
    "Transfer",
    "Retired",
)


class Ledgers(PolicyTimeline):
    """The history of assets, orders and sales."""

    def list_asset_events(self, token_id: int) -> list[AssetEvent]:
        """Return what an asset's owners did with it, oldest first: terms, approvals, allow-lists, hand-overs."""
        found = [
            (log["blockNumber"], log["logIndex"], name, log)
            for name in ASSET_EVENTS
            for log in self._logs(self._registry, name, {"tokenId": token_id})
        ]
        return [self._asset_event(name, log) for _, _, name, log in sorted(found, key=lambda item: item[:2])]

    def list_orders(
        self, *, consumer: str | None = None, token_id: int | None = None, job_id: bytes | None = None
    ) -> list[OrderPlaced]:
        """Return the orders ever placed by an account, on an asset, for a job, as far as named; oldest first."""
        account = None if consumer is None else checksum(consumer)
        wanted = {"consumer": account, "tokenId": token_id, "jobId": job_id}
        filters = {name: value for name, value in wanted.items() if value is not None}
        return [order_placed(log) for log in self._logs(self._escrow, "OrderPlaced", filters)]

    def walk_orders(self, token_id: int, *, first: int, last: int) -> Iterator[OrderPlaced]:
        """Yield the orders on an asset between two blocks, oldest first, however many there are: in flat memory."""
        for log in self._walk("OrderPlaced", {"tokenId": token_id}, first, last):
            yield order_placed(log)

    def walk_order_ends(self, *, first: int, last: int) -> Iterator[OrderEnd]:
        """Yield the ends of anybody's orders between two blocks, those settled first: in flat memory."""
        for event, status in (("OrderSettled", OrderStatus.SETTLED), ("OrderRefunded", OrderStatus.REFUNDED)):
            for log in self._walk(event, {}, first, last):
                tx_hash = "0x" + bytes(log["transactionHash"]).hex()
                yield OrderEnd(bytes(log["args"]["orderId"]), status, tx_hash, log["blockNumber"])

    def _walk(self, event: str, filters: dict[str, object], first: int, last: int) -> Iterator[Any]:
        begin = max(first, self._deployment.block)
        for logs in self._gateway.logs_ahead(self._escrow, event, filters=filters, first=begin, last=last):
            for log in logs:
                yield self._gateway.decode(self._escrow, event, log)

    def list_earnings(self, owner: str) -> dict[bytes, int]:
        """Return what an account had as the owner's part of each settled order, by order id."""
        logs = self._logs(self._escrow, "OrderSettled", {"owner": checksum(owner)})
        return {bytes(log["args"]["orderId"]): log["args"]["ownerAmount"] for log in logs}

    def list_sales(self, token_id: int) -> list[Sale]:
        """Return the sales of an asset's datatokens, oldest first."""
        logs = self._logs(self._escrow, "DatatokensSold", {"tokenId": token_id})
        return [
            Sale(log["args"]["buyer"], log["args"]["amount"], log["args"]["cost"], log["blockNumber"])
            for log in logs
        ]

    def _asset_event(self, name: str, log: Any) -> AssetEvent:  # noqa: ANN401 - web3's decoded log
        return AssetEvent(
            name=name,
            block=self._gateway.block(bytes(log["blockHash"])),
            tx_hash="0x" + bytes(log["transactionHash"]).hex(),
            values={key: value for key, value in log["args"].items() if key != "tokenId"},
        )
