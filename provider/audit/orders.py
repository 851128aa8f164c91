"""Whether every order that the provider ended has its receipt, and none was left lying: the chain's list against the log's."""

from __future__ import annotations

from dataclasses import dataclass

from datatokens.model import OrderStatus
from provider.audit.anchors import LATE_S
from provider.audit.findings import Code, Finding


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order on a dataset of this provider and how it stands; `ended_*` say where, 0 while it is open."""

    job_id: str
    consumer: str
    token_id: int
    tx_hash: str
    block: int
    deadline: int
    status: OrderStatus
    ended_block: int = 0
    ended_time: int = 0
    ended_tx: str = ""

    @property
    def refunded_by_provider(self) -> bool:
        """Whether nobody but the provider can have refunded it: until the deadline nobody else may."""
        return self.status is OrderStatus.REFUNDED and self.ended_time <= self.deadline

    @property
    def refunded_late(self) -> bool:
        """Whether anybody can have refunded it."""
        return self.status is OrderStatus.REFUNDED and self.ended_time > self.deadline


@dataclass(frozen=True, slots=True)
class ReceiptedJob:
    """What the log says of a job: where, for whom, and whether its run was owed for, or can have been."""

    index: int
    consumer: str
    is_owed: bool
    may_be_owed: bool


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far the log and the chain were seen: the block of the newest anchor that the log reaches, and the time now.

    `is_newest` says that the chain has no newer anchor.
    """

    block: int
    time: int
    is_newest: bool

    def may_miss(self, order: OrderRecord) -> bool:
        """Tell whether an order ended so late that its receipt need not be in the log that was seen."""
        if order.ended_block <= self.block:
            return False
        return not self.is_newest or self.time <= order.ended_time + LATE_S


def check_silence(unanswered: int, block: int) -> list[Finding]:
    """Judge how many orders of known consumers, placed after the newest anchor in `block`, were left past their deadline.

    A stranger can order and send the provider nothing. Then nothing was to be answered, and the chain doesn't tell.
    """
    if not unanswered:
        return []
    text = f"nothing was anchored since block {block}, and {unanswered} orders placed since are past their deadline"
    return [Finding(Code.ANCHORING_STOPPED, text, evidence={"newest anchor in block": str(block)})]


def check_order(
    order: OrderRecord, job: ReceiptedJob | None, horizon: Horizon, *, late_refund: bool
) -> Finding | None:
    """Judge one order by the receipt of its job; `late_refund` says that anyone refunded one that its consumer placed for it.

    A provider settles with the anchor that covers the receipt, or later. So what ended after the newest anchor that the
    log reaches is not judged yet, for as long as a receipt may wait for its anchor.
    """
    if order.status is not OrderStatus.OPEN and horizon.may_miss(order):
        return None
    answered = job is not None and job.consumer.lower() == order.consumer.lower()
    if job is None or not answered:
        return _without_receipt(order, horizon)
    if order.status is OrderStatus.SETTLED and not job.may_be_owed:
        text = "an order was settled, and its receipt says that the job didn't run"
        return _found(Code.SETTLED_WITHOUT_RUN, text, order, job.index)
    if order.refunded_by_provider and job.is_owed and not late_refund:
        text = "the provider refunded an order, and its receipt says that the job ran"
        return _found(Code.REFUNDED_THOUGH_RAN, text, order, job.index)
    return None


def _without_receipt(order: OrderRecord, horizon: Horizon) -> Finding | None:
    if order.status is OrderStatus.SETTLED:
        return _found(Code.SETTLED_WITHOUT_RECEIPT, "an order was settled, and the log has no receipt", order)
    if order.refunded_by_provider:
        text = "the provider refunded an order, and the log has no receipt"
        return _found(Code.REFUNDED_WITHOUT_RECEIPT, text, order)
    if order.status is OrderStatus.OPEN and order.deadline < horizon.time:
        text = "an order is past its deadline, and the provider neither ran nor refunded it, if it was ever sent the request"
        return _found(Code.ORDER_UNANSWERED, text, order)
    return None


def _found(code: Code, text: str, order: OrderRecord, index: int | None = None) -> Finding:
    evidence = {
        "ordered in": order.tx_hash,
        "consumer": order.consumer,
        "dataset number": str(order.token_id),
    }
    if order.ended_tx:
        evidence["ended in"] = order.ended_tx
    return Finding(code, text, index, order.job_id, evidence)
