"""Takes back the price of orders that the provider let pass; needs the saved request and the chain, no provider.

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


def refund_job(session: Session, job_id: str) -> list[Refund]:
    """Refund a saved job's open orders, one for each dataset, after their deadline: prices become credit in the escrow.

    Raises:
        InputError: this home has no such job.
        RefusedError: there is no order, all have ended, or a deadline is not over yet.
    """
    record, chain = load_submission(session.home, job_id), session.get_chain()
    job, token_ids = bytes.fromhex(job_id), [int(token_id) for token_id in record.token_ids]
    found = [chain.find_order(job, record.consumer, token_id) for token_id in token_ids]
    orders = [order for order in found if order is not None]
    if not orders:
        raise RefusedError(
            f"job {job_id} has no order on chain: nothing was paid, nothing comes back", code="no-order"
        )
    still_open = [order for order in orders if order.status is OrderStatus.OPEN]
    last = max(still_open or orders, key=lambda order: order.deadline)
    check_refundable(last, job_id, now=chain.next_time())
    done = [_refund(session, order) for order in still_open]
    mark_done(session.home, job_id)
    return done


def check_refundable(order: Order, job_id: str, *, now: int) -> None:
    """Check that the escrow will refund an order to whoever asks at unix time `now`.

    Raises:
        RefusedError: it has ended, or its deadline is not over yet.
    """
    if order.status is not OrderStatus.OPEN:
        raise _ended(order, job_id)
    _check_deadline(order, job_id, now=now)


def _refund(session: Session, order: Order) -> Refund:
    chain = session.get_chain()
    payment_token = chain.get_asset(order.token_id).terms.payment_token
    return Refund(order, payment_token, chain.refund(order.order_id, sender=session.get_account()))


def _ended(order: Order, job_id: str) -> RefusedError:
    if order.status is OrderStatus.SETTLED:
        return RefusedError(
            f"the order of job {job_id} is settled: the provider says that the job ran, and its price is paid out",
            code="order-settled",
            remedy=f"see its receipt with `sealroom job fetch {job_id}`",
        )
    return RefusedError(
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
