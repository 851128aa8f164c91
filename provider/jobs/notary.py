"""Anchors the log and settles orders, in one transaction, until the chain has both.

What is sent is written down first; after a crash the chain is asked what it has, so nothing is anchored or paid twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datatokens.model import AnchorRecord, OrderStatus, TxResult
from provider.chain import Chain
from provider.errors import ProviderError
from provider.identity import ProviderIdentity
from provider.receipts.keys import SigningKeys
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.proof import format_proof
from provider.receipts.tree import inclusion_proof, root_of
from provider.store import Database
from provider.store.records import CheckpointRecord, SettlementRecord

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

BATCH = 50
log = logging.getLogger(__name__)


class ForeignAnchorError(ProviderError):
    """The chain has a root under our account that this log never had: somebody else uses the account, or it was lost."""

    code = "foreign-anchor"


@dataclass(frozen=True, slots=True)
class _Orders:
    ran: list[bytes]
    not_run: list[bytes]
    ids: list[str]


class Notary:
    """The only sender of a provider's transactions."""

    def __init__(
        self,
        identity: ProviderIdentity,
        database: Database,
        chain: Chain,
        *,
        keys: SigningKeys,
        sender: LocalAccount,
    ) -> None:
        self._identity = identity
        self._ledger = database.ledger
        self._jobs = database.jobs
        self._chain = chain
        self._keys = keys
        self._sender = sender

    def turn(self) -> bool:
        """Anchor and settle what is due; True when something was.

        Raises:
            ChainError: the chain can't be reached or refused; the next turn asks it again what it has.
            ForeignAnchorError: the chain and this log disagree; nothing is sent.
        """
        checkpoint = self._due_checkpoint()
        settlements = self._ledger.open_settlements(BATCH)
        if checkpoint is None and not settlements:
            return False
        orders = self._still_open(settlements)
        if checkpoint is not None:
            self._anchor(checkpoint, orders)
        elif orders.ran or orders.not_run:
            self._chain.settle(orders.ran, orders.not_run, sender=self._sender)
        self._ledger.mark_settled(orders.ids)
        return True

    def _due_checkpoint(self) -> CheckpointRecord | None:
        """Return the checkpoint that is not anchored yet, signing a new one when the log has grown."""
        pending = self._ledger.find_checkpoint(anchored=False)
        if pending is not None:
            return pending
        anchored = self._ledger.find_checkpoint(anchored=True)
        size = self._ledger.size()
        if size == (anchored.size if anchored else 0):
            return None
        root = root_of(self._ledger.leaf_hashes(size))
        note = sign_checkpoint(Checkpoint(self._identity.origin, size, root), self._keys)
        self._ledger.add_checkpoint(size, root, note)
        return self._ledger.get_checkpoint(size)

    def _still_open(self, settlements: list[SettlementRecord]) -> _Orders:
        """Leave out orders that somebody finished before us, such as a consumer who took a late refund."""
        orders = _Orders([], [], [settlement.order_id for settlement in settlements])
        for settlement in settlements:
            consumer = self._jobs.get(settlement.job_id).consumer
            order = self._chain.find_order(bytes.fromhex(settlement.job_id), consumer)
            if order is not None and order.status is OrderStatus.OPEN:
                (orders.ran if settlement.ran else orders.not_run).append(order.order_id)
        return orders

    def _anchor(self, checkpoint: CheckpointRecord, orders: _Orders) -> None:
        on_chain = self._chain.get_anchor(self._identity.address)
        if on_chain is None or on_chain.size < checkpoint.size:
            result = self._chain.anchor_and_settle(
                checkpoint.size, checkpoint.root, orders.ran, orders.not_run, sender=self._sender
            )
            self._record(checkpoint, result)
            return
        if (on_chain.size, on_chain.root) != (checkpoint.size, checkpoint.root):
            raise ForeignAnchorError(
                f"the chain has a root of size {on_chain.size} under this account that this log never had"
            )
        # The transaction of an earlier turn was mined, and we were stopped before we could write that down.
        if orders.ran or orders.not_run:
            self._chain.settle(orders.ran, orders.not_run, sender=self._sender)
        self._record(checkpoint, on_chain)

    def _record(self, checkpoint: CheckpointRecord, anchored: TxResult | AnchorRecord) -> None:
        leaves = self._ledger.leaf_hashes(checkpoint.size)
        proofs = {
            index: format_proof(index, inclusion_proof(leaves, index, checkpoint.size), checkpoint.note)
            for index in self._ledger.unproven(checkpoint.size)
        }
        self._ledger.mark_anchored(
            checkpoint.size, tx_hash=anchored.tx_hash, block=anchored.block.number, proofs=proofs
        )
        log.info("anchored %d receipts in %s", checkpoint.size, anchored.tx_hash)
