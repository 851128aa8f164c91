"""Anchors the log and settles orders, in one transaction, until the chain has both.

What is sent is written down first; after a crash the chain is asked what it has, so nothing is anchored or paid twice.
What the chain has lost again (a reorganisation, a local chain that was killed) is sent again. An order that the contract
refuses holds up no receipt and no other order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datatokens.errors import ContractRefusedError
from datatokens.model import AnchorRecord, OrderStatus, TxResult
from provider.chain import Chain
from provider.errors import ProviderError
from provider.identity import ProviderIdentity
from provider.jobs.logkeeping import LogKeeper
from provider.receipts.keys import SigningKeys
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.proof import format_proof
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
class Pace:
    """How often receipts without an order are anchored: at most once an interval. Paid ones are anchored at once."""

    load_interval_s: Callable[[], int]
    clock: Callable[[], int]


@dataclass(frozen=True, slots=True)
class _JobOrders:
    """The orders of one job that are open: all of them are settled, or all refunded."""

    order_ids: list[bytes]
    ran: bool


@dataclass(frozen=True, slots=True)
class _Orders:
    settlements: list[SettlementRecord]
    jobs: list[_JobOrders]

    @property
    def ran(self) -> list[bytes]:
        return [order_id for job in self.jobs if job.ran for order_id in job.order_ids]

    @property
    def not_run(self) -> list[bytes]:
        return [order_id for job in self.jobs if not job.ran for order_id in job.order_ids]


@dataclass(frozen=True, slots=True)
class _Lost:
    checkpoint: CheckpointRecord
    settlements: list[SettlementRecord]


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
        pace: Pace,
        log_folder: Path,
        confirmations: int = 0,
    ) -> None:
        """Look again at what was sent once `confirmations` blocks stand on it; `log_folder` has the log's files."""
        self._confirmations = confirmations
        self._identity = identity
        self._ledger = database.ledger
        self._jobs = database.jobs
        self._chain = chain
        self._keys = keys
        self._sender = sender
        self._pace = pace
        self._log = LogKeeper(database.ledger, log_folder)
        self._has_looked = False
        self._sent: int | None = None

    def turn(self) -> bool:
        """Anchor and settle what is due; True when something was.

        Raises:
            ChainError: the chain can't be reached or refused; the next turn asks it again what it has.
            ForeignAnchorError: the chain and this log disagree; nothing is sent.
            LogDisagreesError: the log's files and the database disagree; nothing is signed or sent.
        """
        self._look_at_log()
        self._reopen_lost()
        lost = self._find_lost()
        settlements = lost.settlements if lost else self._ledger.open_settlements(BATCH)
        if not lost and not settlements and self._is_too_soon():
            return False
        checkpoint = lost.checkpoint if lost else self._due_checkpoint()
        if checkpoint is None and not settlements:
            return False
        self._sent = self._pace.clock()
        orders = self._still_open(settlements)
        if checkpoint is not None:
            self._anchor(checkpoint, orders)
        else:
            self._settle(orders)
        self._ledger.mark_settled(
            [settlement.order_id for settlement in settlements],
            block=self._chain.head().number if self._confirmations else None,
        )
        return True

    def _look_at_log(self) -> None:
        """Once, before anything else: make files that were lost, so that what is anchored can be read from them."""
        if not self._has_looked:
            self._log.update()
            self._has_looked = True

    def _reopen_lost(self) -> None:
        """Look again at orders whose end has been on chain long enough, and end anew those that are open again."""
        if not self._confirmations:
            return
        confirmed = self._chain.head().number - self._confirmations
        for group in _by_job(self._ledger.unconfirmed_settlements(confirmed, BATCH)):
            order_ids = [settlement.order_id for settlement in group]
            if self._open_of(group).order_ids:
                log.warning(
                    "the chain has lost the end of job %s's orders: it is sent again", group[0].job_id
                )
                self._ledger.reopen_settlements(order_ids)
            else:
                self._ledger.mark_settled(order_ids, block=None)

    def _is_too_soon(self) -> bool:
        """Tell whether receipts that nobody paid for must wait: a stranger's refused jobs may not burn our gas."""
        return self._sent is not None and self._pace.clock() < self._sent + self._pace.load_interval_s()

    def _find_lost(self) -> _Lost | None:
        """Return the oldest checkpoint that the chain had and has no longer, with the orders that it settled."""
        newest = self._ledger.find_checkpoint(anchored=True)
        if newest is None:
            return None
        size = self._chain.anchored_size(self._identity.address)
        checkpoint = self._ledger.find_checkpoint_after(size) if size < newest.size else None
        if checkpoint is None:
            return None
        log.warning("the chain has lost the anchor of %d receipts: it is sent again", checkpoint.size)
        return _Lost(checkpoint, self._ledger.settlements_between(size, checkpoint.size))

    def _due_checkpoint(self) -> CheckpointRecord | None:
        """Return the checkpoint that is not anchored yet, signing a new one when the log has grown."""
        pending = self._ledger.find_checkpoint(anchored=False)
        if pending is not None:
            return pending
        anchored = self._ledger.find_checkpoint(anchored=True)
        size = self._ledger.size()
        if size == (anchored.size if anchored else 0):
            return None
        root = self._log.update(size)
        note = sign_checkpoint(Checkpoint(self._identity.origin, size, root), self._keys)
        self._ledger.add_checkpoint(size, root, note)
        return self._ledger.get_checkpoint(size)

    def _still_open(self, settlements: list[SettlementRecord]) -> _Orders:
        """Leave out orders that somebody finished before us, such as a consumer who took a late refund.

        Nothing leaves of a job of which one order was refunded or lost, so its other orders are refunded too.
        """
        return _Orders(settlements, [self._open_of(group) for group in _by_job(settlements)])

    def _open_of(self, settlements: list[SettlementRecord]) -> _JobOrders:
        order_ids = [bytes.fromhex(settlement.order_id) for settlement in settlements]
        status = {order_id: self._chain.order_status(order_id) for order_id in order_ids}
        ran = settlements[0].ran and {OrderStatus.OPEN, OrderStatus.SETTLED}.issuperset(status.values())
        return _JobOrders([item for item, seen in status.items() if seen is OrderStatus.OPEN], ran)

    def _anchor(self, checkpoint: CheckpointRecord, orders: _Orders) -> None:
        on_chain = self._chain.get_anchor(self._identity.address)
        if on_chain is None or on_chain.size < checkpoint.size:
            self._record(checkpoint, self._send(checkpoint, orders))
            return
        if (on_chain.size, on_chain.root) != (checkpoint.size, checkpoint.root):
            raise ForeignAnchorError(
                f"the chain has a root of size {on_chain.size} under this account that this log never had"
            )
        # The transaction of an earlier turn was mined, and we were stopped before we could write that down.
        self._settle(orders)
        self._record(checkpoint, on_chain)

    def _send(self, checkpoint: CheckpointRecord, orders: _Orders) -> TxResult:
        """Anchor and settle in one transaction; when the contract refuses an order, anchor without any, then settle."""
        size, root = checkpoint.size, checkpoint.root
        try:
            return self._chain.anchor_and_settle(size, root, orders.ran, orders.not_run, sender=self._sender)
        except ContractRefusedError:
            if not (orders.ran or orders.not_run):
                raise
        result = self._chain.anchor_and_settle(size, root, [], [], sender=self._sender)
        self._settle(orders)
        return result

    def _settle(self, orders: _Orders) -> None:
        """Settle a batch; when the contract refuses it, job by job, leaving out those that it refuses alone."""
        if not (orders.ran or orders.not_run):
            return
        try:
            self._chain.settle(orders.ran, orders.not_run, sender=self._sender)
        except ContractRefusedError:
            for job in self._still_open(orders.settlements).jobs:
                self._settle_alone(job)

    def _settle_alone(self, job: _JobOrders) -> None:
        if not job.order_ids:
            return
        ran, not_run = (job.order_ids, []) if job.ran else ([], job.order_ids)
        try:
            self._chain.settle(ran, not_run, sender=self._sender)
        except ContractRefusedError as exc:
            names = ", ".join("0x" + order_id.hex() for order_id in job.order_ids)
            log.error("order %s can't be ended, and is left as it is: %s", names, exc)  # noqa: TRY400 - the cause is the contract's word

    def _record(self, checkpoint: CheckpointRecord, anchored: TxResult | AnchorRecord) -> None:
        found = self._log.prove(self._ledger.unproven(checkpoint.size), checkpoint.size)
        proofs = {index: format_proof(index, proof, checkpoint.note) for index, proof in found.items()}
        self._ledger.mark_anchored(
            checkpoint.size, tx_hash=anchored.tx_hash, block=anchored.block.number, proofs=proofs
        )
        log.info("anchored %d receipts in %s", checkpoint.size, anchored.tx_hash)


def _by_job(settlements: list[SettlementRecord]) -> list[list[SettlementRecord]]:
    """Return the orders of each job together: how one of them stands decides how the others end."""
    groups: dict[str, list[SettlementRecord]] = {}
    for settlement in settlements:
        groups.setdefault(settlement.job_id, []).append(settlement)
    return list(groups.values())
