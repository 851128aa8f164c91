"""Orders as the chain has them: placed by an account, or received on its datasets; and refunds after the deadline."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cli.datasets import get_asset
from cli.errors import InputError, RefusedError
from cli.money import write_amount
from cli.refunding import check_refundable
from cli.submissions import load_submission, mark_done
from cli.times import format_time
from datatokens.model import ONE_DATATOKEN_WEI, OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.context import Session
    from datatokens.model import Asset, Order, OrderPlaced


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One order: as events say where it was placed, and as the state says how it stands.

    `amount` is in human units, `amount_wei` in those of `token`; `transaction` placed it, `refund_transaction` is what was
    sent now. `deadline_s` is unix time.
    """

    order_id: str
    job_id: str
    asset_id: str
    consumer: str
    provider: str
    token: str
    amount: str
    amount_wei: str
    with_datatoken: bool
    state: str
    deadline: str
    deadline_s: int
    refundable: bool
    transaction: str
    refund_transaction: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the order as JSON."""
        return asdict(self)

    def to_words(self) -> dict[str, object]:
        """Return what a person reads."""
        can = "can be refunded now" if self.refundable else self.state
        words: dict[str, object] = {
            "order": f"0x{self.order_id}",
            "job": self.job_id,
            "dataset": self.asset_id,
            "consumer": self.consumer,
            "provider": self.provider,
            "amount": self.amount,
            "status": can,
            "deadline": self.deadline,
            "placed by": self.transaction,
        }
        return words | ({"refunded by": self.refund_transaction} if self.refund_transaction else {})


def list_placed(session: Session, asset_id: str | None = None) -> list[OrderFacts]:
    """Return the orders that the caller placed, on one dataset or on any, oldest first."""
    token_id = None if asset_id is None else get_asset(session, asset_id).token_id
    placed = session.get_chain().list_orders(consumer=session.get_address(), token_id=token_id)
    return _describe(session, placed)


def list_received(session: Session, asset_id: str | None = None) -> list[OrderFacts]:
    """Return the orders on the caller's datasets, or on one of them, oldest first.

    Raises:
        RefusedError: the dataset is somebody else's.
    """
    chain = session.get_chain()
    placed = [
        one for asset in list_owned(session, asset_id) for one in chain.list_orders(token_id=asset.token_id)
    ]
    return _describe(session, sorted(placed, key=lambda one: (one.block_number, one.log_index)))


def list_owned(session: Session, asset_id: str | None = None) -> list[Asset]:
    """Return the assets that the caller owns, or the one that was named.

    Raises:
        RefusedError: the one that was named is somebody else's.
    """
    me = session.get_address().lower()
    if asset_id is None:
        return [asset for asset in session.get_chain().list_assets() if asset.owner.lower() == me]
    asset = get_asset(session, asset_id)
    if asset.owner.lower() != me:
        raise RefusedError(
            f"dataset {asset_id} belongs to {asset.owner}, not to {session.get_address()}",
            code="not-owner",
            remedy="name the owner's key with --as",
        )
    return [asset]


def get_orders(
    session: Session, job_id: str, *, consumer: str | None = None, asset_id: str | None = None
) -> list[OrderFacts]:
    """Return a consumer's orders for one job: one for each dataset.

    Raises:
        InputError: there is none.
    """
    who = consumer or session.get_address()
    token_id = None if asset_id is None else get_asset(session, asset_id).token_id
    placed = session.get_chain().list_orders(consumer=who, token_id=token_id, job_id=bytes.fromhex(job_id))
    if not placed:
        raise InputError(
            f"{who} has no order for job {job_id}",
            code="no-order",
            remedy="name who ordered with --consumer; `sealroom order list` lists yours",
        )
    return _describe(session, placed)


def refund_orders(session: Session, found: Iterable[OrderFacts]) -> list[OrderFacts]:
    """Refund the orders that are open; what the escrow would refuse is told before anything is sent.

    Raises:
        RefusedError: none is open any more, or a deadline has not passed.
    """
    orders = list(found)
    still_open = [one for one in orders if one.state == "open"]
    for one in still_open or orders:
        check_refundable(_get_order(session, one), one.job_id, now=session.get_chain().next_time())
    chain, account = session.get_chain(), session.get_account()
    done = []
    for one in still_open:
        result = chain.refund(bytes.fromhex(one.order_id), sender=account)
        _end_own_job(session, one)
        done.append(replace(one, state="refunded", refundable=False, refund_transaction=result.tx_hash))
    return done


def _end_own_job(session: Session, one: OrderFacts) -> None:
    """Note the end of the saved job that an order paid for, if it is this home's: anybody can order under its id."""
    if not (session.home.jobs / one.job_id).is_dir():
        return
    if load_submission(session.home, one.job_id).consumer.lower() == one.consumer.lower():
        mark_done(session.home, one.job_id)


def _get_order(session: Session, one: OrderFacts) -> Order:
    token_id = get_asset(session, one.asset_id).token_id
    order = session.get_chain().find_order(bytes.fromhex(one.job_id), one.consumer, token_id)
    if order is None:
        raise InputError(f"the order of job {one.job_id} is no longer on the chain", code="no-order")
    return order


def _describe(session: Session, placed: Iterable[OrderPlaced]) -> list[OrderFacts]:
    """Add to each event how its order stands now; one that the state doesn't have was reorganised away, and is left out."""
    chain, now = session.get_chain(), session.get_chain().next_time()
    found = []
    for event in placed:
        order = chain.find_order(event.job_id, event.consumer, event.token_id)
        if order is not None:
            found.append(_facts(session, event, order, now=now))
    return found


def _facts(session: Session, event: OrderPlaced, order: Order, *, now: int) -> OrderFacts:
    chain, asset = session.get_chain(), session.get_chain().get_asset(order.token_id)
    token, paid = chain.get_token(asset.terms.payment_token), order.paid_with_datatoken
    amount = ONE_DATATOKEN_WEI if paid else order.amount_wei
    return OrderFacts(
        order_id=order.order_id.hex(),
        job_id=order.job_id.hex(),
        asset_id=asset.asset_id,
        consumer=order.consumer,
        provider=order.provider,
        token=asset.datatoken if paid else token.address,
        amount="one datatoken" if paid else write_amount(amount, token),
        amount_wei=str(amount),
        with_datatoken=paid,
        state=order.status.name.lower(),
        deadline=format_time(order.deadline),
        deadline_s=order.deadline,
        refundable=order.status is OrderStatus.OPEN and now > order.deadline,
        transaction=event.tx_hash,
    )
