"""Takes back the price of an order that the provider let pass; needs the saved request and the chain, no provider.

Who may refund is for the escrow to decide; here it is told beforehand, in words and without spending gas, why it won't.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import RefusedError
from cli.submissions import load_submission, mark_done
from cli.times import format_time
from datatokens.model import Order, OrderStatus, TxResult

if TYPE_CHECKING:
    from cli.context import Session


@dataclass(frozen=True, slots=True)
class Refund:
    """What came back: the order as it was, the token it was paid in, and the transaction."""

    order: Order
    payment_token: str
    result: TxResult


def refund_job(session: Session, job_id: str) -> Refund:
    """Refund a saved job's order after its deadline; the price becomes its consumer's credit in the escrow.

    Raises:
        InputError: this home has no such job.
        RefusedError: there is no order, it has ended, or its deadline is not over yet.
    """
    record, chain = load_submission(session.home, job_id), session.get_chain()
    order = chain.find_order(bytes.fromhex(job_id), record.consumer, int(record.token_id))
    if order is None:
        raise RefusedError(
            f"job {job_id} has no order on chain: nothing was paid, nothing comes back", code="no-order"
        )
    check_refundable(order, job_id, now=chain.next_time())
    payment_token = chain.get_asset(order.token_id).terms.payment_token
    result = chain.refund(order.order_id, sender=session.get_account())
    mark_done(session.home, job_id)
    return Refund(order, payment_token, result)


def check_refundable(order: Order, job_id: str, *, now: int) -> None:
    """Check that the escrow will refund an order to whoever asks at unix time `now`.

    Raises:
        RefusedError: it has ended, or its deadline is not over yet.
    """
    _check_open(order, job_id)
    _check_deadline(order, job_id, now=now)


def _check_open(order: Order, job_id: str) -> None:
    if order.status is OrderStatus.SETTLED:
        raise RefusedError(
            f"the order of job {job_id} is settled: the provider says that the job ran, and its price is paid out",
            code="order-settled",
            remedy=f"see its receipt with `sealroom job fetch {job_id}`",
        )
    if order.status is OrderStatus.REFUNDED:
        raise RefusedError(
            f"the order of job {job_id} is refunded already: its price became credit in the escrow",
            code="order-refunded",
            remedy="`sealroom wallet withdraw` takes the credit out",
        )


def _check_deadline(order: Order, job_id: str, *, now: int) -> None:
    if now <= order.deadline:
        raise RefusedError(
            f"the order of job {job_id} can be refunded after {format_time(order.deadline)},"
            f" on chain it is {format_time(now)}",
            code="deadline-not-reached",
            remedy=f"wait until then; `sealroom job cancel {job_id}` asks the provider for it now",
        )
