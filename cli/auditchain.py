"""What an audit asks of a chain: orders read in windows of blocks and kept in the audit's state, the rest when it is met.

Every answer is as of one newest block. What is kept of orders ends where no reorganisation is expected to reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from datatokens.errors import NodeRefusedError, NoSuchAssetError
from datatokens.history import OVERLAP_BLOCKS
from datatokens.model import Approval, AssetEvent, Block, OrderPlaced, OrderStatus, PolicyRecord
from provider.audit.chain import RegisteredDataset
from provider.audit.orders import OrderRecord
from provider.audit.report import AnchorGas
from provider.receipts.trust import Anchor

if TYPE_CHECKING:
    from cli.auditstate import AuditState
    from datatokens.client import ChainClient

MAX_BLOCKS = 4096
"""How many blocks are remembered at once."""
READERS = 8
_MARK = "chain"
_TABLE = """
CREATE TABLE IF NOT EXISTS orders (order_id BLOB PRIMARY KEY, job_id TEXT NOT NULL, token_id TEXT NOT NULL,
    consumer TEXT NOT NULL, provider TEXT NOT NULL, amount_wei TEXT NOT NULL, tx_hash TEXT NOT NULL,
    log_index INTEGER NOT NULL, block INTEGER NOT NULL, deadline INTEGER NOT NULL, status INTEGER NOT NULL,
    ended_block INTEGER NOT NULL, ended_tx TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_by_job ON orders (job_id);
"""
_PLACE = "INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, '')"
_END = "UPDATE orders SET status = ?, ended_block = ?, ended_tx = ? WHERE order_id = ?"


class AuditChain:
    """One provider's side of a chain; implements `ChainFacts`.

    Raises, in every method that reads: ChainUnreachableError when nobody answers.
    """

    def __init__(self, chain: ChainClient, provider: str, state: AuditState) -> None:
        self.head = chain.head()
        self._chain = chain
        self._provider = provider
        self._db = state.db
        self._state = state
        self._db.executescript(_TABLE)
        self._datasets: dict[int, RegisteredDataset | None] = {}
        self._events: dict[int, list[AssetEvent]] = {}
        self._blocks: dict[int, Block | None] = {}

    def read_orders(self) -> None:
        """Read the orders on this provider's datasets, and how they ended, from where the last audit stopped."""
        first = self._resume()
        settled = max(self.head.number - OVERLAP_BLOCKS, -1)
        tokens = [asset.token_id for asset in self._chain.list_assets(self._provider)]
        for last in (settled, self.head.number):
            if last < first:
                continue
            self._state.begin()
            for token_id in tokens:
                placed = self._chain.walk_orders(token_id, first=first, last=last)
                self._db.executemany(_PLACE, (_row(order) for order in placed))
            ends = self._chain.walk_order_ends(first=first, last=last)
            rows = ((end.status, end.block_number, end.tx_hash, end.order_id) for end in ends)
            self._db.executemany(_END, rows)
            if last == settled:
                block = self._chain.get_block(last)
                self._state.set_fact(_MARK, {"block": block.number, "hash": block.hash.hex()})
            self._state.commit()
            first = last + 1

    def list_orders(self, anchored: int) -> Iterator[OrderRecord]:
        """Yield every order on this provider's datasets, by job; of those settled up to block `anchored`, without the time."""
        rows = self._db.execute(
            "SELECT job_id, consumer, token_id, tx_hash, block, deadline, status, ended_block, ended_tx FROM orders"
            " ORDER BY job_id"
        )
        for job_id, consumer, token_id, tx_hash, placed, deadline, status, block, ended_tx in rows:
            ended = self.find_block(block) if status == OrderStatus.REFUNDED or block > anchored else None
            yield OrderRecord(
                job_id=job_id,
                consumer=consumer,
                token_id=int(token_id),
                tx_hash=tx_hash,
                block=placed,
                deadline=deadline,
                status=OrderStatus(status),
                ended_block=block,
                ended_time=ended.time if ended else 0,
                ended_tx=ended_tx,
            )

    def find_order(self, job_id: str, consumer: str, token_id: int) -> OrderPlaced | None:
        """Return the event of a consumer's order for a job on one of this provider's datasets."""
        row = self._db.execute(
            "SELECT order_id, consumer, provider, amount_wei, tx_hash, log_index, block, deadline FROM orders"
            " WHERE job_id = ? AND token_id = ? AND consumer = ? COLLATE NOCASE",
            (job_id, str(token_id), consumer),
        ).fetchone()
        if row is None:
            return None
        order_id, buyer, provider, amount, tx_hash, log_index, block, deadline = row
        return OrderPlaced(
            order_id=order_id,
            job_id=bytes.fromhex(job_id),
            token_id=token_id,
            consumer=buyer,
            provider=provider,
            amount_wei=int(amount),
            tx_hash=tx_hash,
            log_index=log_index,
            block_number=block,
            deadline=deadline,
        )

    def find_dataset(self, token_id: int) -> RegisteredDataset | None:
        """Return a dataset of the registry, with every policy that it had."""
        if token_id not in self._datasets:
            self._datasets[token_id] = self._read_dataset(token_id)
        return self._datasets[token_id]

    def find_approval(self, token_id: int, algorithm: bytes, at_block: int, by: int) -> Approval | None:
        """Return the owner's word on an algorithm as it stood at the end of a block, or at the time `by` if that is later."""
        found: Approval | None = None
        for event in self._list_events(token_id):
            is_later = event.block.number > at_block and event.block.time > by
            if is_later or bytes(event.values.get("algorithm", b"")) != algorithm:
                continue
            if event.name == "AlgorithmApproved":
                found = Approval(algorithm, event.block.time, event.values["expiresAt"], 0)
            elif found is not None:
                found = Approval(algorithm, found.approved_at, found.expires_at, event.block.time)
        return found

    def find_block(self, number: int) -> Block | None:
        """Return a block; None when the chain isn't that long."""
        if number not in self._blocks:
            self._keep({number: self._read_block(number)})
        return self._blocks[number]

    def read_blocks(self, numbers: Iterable[int]) -> None:
        """Read many blocks at once, to be found later."""
        missing = sorted(set(numbers) - self._blocks.keys())
        if not missing:
            return
        with ThreadPoolExecutor(READERS) as pool:
            self._keep(dict(zip(missing, pool.map(self._read_block, missing), strict=True)))

    def list_gas(self, anchors: Sequence[Anchor], *, before: int) -> tuple[AnchorGas, ...]:
        """Return what the transactions of anchors, oldest first, cost, settlements in them included."""
        sizes = [before, *(anchor.size for anchor in anchors)]
        with ThreadPoolExecutor(READERS) as pool:
            costs = list(pool.map(lambda anchor: self._chain.get_result(anchor.tx).gas_used, anchors))
        return tuple(
            AnchorGas(anchor.size, anchor.size - size, anchor.time, gas)
            for anchor, size, gas in zip(anchors, sizes, costs, strict=False)
        )

    def _keep(self, blocks: dict[int, Block | None]) -> None:
        if len(self._blocks) + len(blocks) > MAX_BLOCKS:
            self._blocks.clear()
        self._blocks |= blocks

    def _read_block(self, number: int) -> Block | None:
        if number > self.head.number:
            return None
        try:
            return self._chain.get_block(number)
        except NodeRefusedError:  # it doesn't have the block
            return None

    def _read_dataset(self, token_id: int) -> RegisteredDataset | None:
        try:
            asset = self._chain.get_asset(token_id)
        except NoSuchAssetError:
            return None
        policies = tuple(
            PolicyRecord(bytes(event.values["policyDigest"]), event.block)
            for event in self._list_events(token_id)
            if event.name in ("Registered", "PolicyChanged")
        )
        terms = asset.terms
        return RegisteredDataset(asset.asset_id, terms.commitment, terms.provider, asset.datatoken, policies)

    def _list_events(self, token_id: int) -> list[AssetEvent]:
        if token_id not in self._events:
            self._events[token_id] = self._chain.list_asset_events(token_id)
        return self._events[token_id]

    def _resume(self) -> int:
        """Return the first block to read: after what is kept, if the chain still has the block it ends with."""
        mark = self._state.find_fact(_MARK)
        kept = None if mark is None else self._read_block(mark["block"])
        if mark is not None and kept is not None and kept.hash.hex() == mark["hash"]:
            self._db.execute("DELETE FROM orders WHERE block > ?", (kept.number,))
            reopen = "UPDATE orders SET status = ?, ended_block = 0, ended_tx = '' WHERE ended_block > ?"
            self._db.execute(reopen, (OrderStatus.OPEN, kept.number))
            return kept.number + 1
        self._db.execute("DELETE FROM orders")
        return 0


def _row(order: OrderPlaced) -> tuple[object, ...]:
    return (
        order.order_id,
        order.job_id.hex(),
        str(order.token_id),
        order.consumer,
        order.provider,
        str(order.amount_wei),
        order.tx_hash,
        order.log_index,
        order.block_number,
        order.deadline,
        int(OrderStatus.OPEN),
    )
