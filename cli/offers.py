"""What the datasets of a job cost its consumer, and the items of the order that pays for them. Signs and sends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.amounts import parse_amount
from cli.consumers import find_proof
from cli.errors import RefusedError
from cli.money import write_amount
from datatokens.model import DATATOKEN_UNITS, ONE_DATATOKEN_WEI, OrderItem

if TYPE_CHECKING:
    from cli.context import Session
    from datatokens.model import Asset, OrderPlaced, Token


@dataclass(frozen=True, slots=True)
class Offer:
    """One dataset of a job: what it is sold for, how it is paid, and its order where it has one."""

    asset: Asset
    token: Token
    placed: OrderPlaced | None = None
    with_datatoken: bool = False
    proof: tuple[bytes, ...] = ()

    @property
    def cost(self) -> int:
        """What was paid for it, or would be now, in units of its token; a datatoken costs none of them."""
        if self.placed is not None:
            return self.placed.amount_wei
        return 0 if self.with_datatoken else self.asset.terms.price_wei


def read_offer(
    session: Session, asset: Asset, *, with_datatoken: bool, placed: OrderPlaced | None = None
) -> Offer:
    """Return what a dataset costs the caller, who may order it.

    Raises:
        RefusedError: it is retired, isn't for this consumer, or is to be paid with a datatoken that isn't there.
    """
    token = session.get_chain().get_token(asset.terms.payment_token)
    if placed is not None:
        return Offer(asset, token, placed)
    if asset.retired:
        raise RefusedError(
            f"dataset {asset.asset_id} is retired: nothing can be ordered", code="asset-retired"
        )
    proof = find_proof(session, asset)
    if with_datatoken:
        _check_datatoken(session, asset)
    return Offer(asset, token, None, with_datatoken, proof)


def choose_items(offers: Sequence[Offer], max_price: str) -> list[OrderItem]:
    """Return what is still to be ordered. Prices may rise meanwhile, but never to more than `max_price` tokens of one kind.

    Raises:
        RefusedError: they cost more now.
        InputError: `max_price` has more decimals than a token.
    """
    costs = _add_up(offers)
    most = {token: parse_amount(max_price, token.decimals) for token in costs}
    for token, cost in costs.items():
        _check_price(cost, most[token], token)
    missing = [offer for offer in offers if offer.placed is None]
    sharers = Counter(offer.token for offer in missing)
    spare = {token: (most[token] - costs[token]) // count for token, count in sharers.items()}
    return [
        OrderItem(offer.asset.token_id, offer.cost + spare[offer.token], offer.with_datatoken, offer.proof)
        for offer in missing
    ]


def write_cost(offers: Sequence[Offer]) -> str:
    """Say what offers cost together, in each token."""
    amounts = [write_amount(cost, token) for token, cost in _add_up_money(offers).items()]
    datatokens = sum(offer.with_datatoken for offer in offers)
    if datatokens:
        amounts.append("one datatoken" if datatokens == 1 else f"{datatokens} datatokens")
    return ", ".join(amounts)


def _add_up_money(offers: Sequence[Offer]) -> dict[Token, int]:
    return _add_up([offer for offer in offers if not offer.with_datatoken])


def _add_up(offers: Sequence[Offer]) -> dict[Token, int]:
    """Return what offers cost, by payment token."""
    costs: Counter[Token] = Counter()
    for offer in offers:
        costs[offer.token] += offer.cost
    return dict(costs)


def _check_price(cost: int, most: int, token: Token) -> None:
    if cost > most:
        raise RefusedError(
            f"price: at most {write_amount(most, token)} was allowed, the job costs {write_amount(cost, token)}",
            code="price-too-high",
            remedy="raise max_price in the job file, or ask the owner",
        )


def _check_datatoken(session: Session, asset: Asset) -> None:
    held = session.get_chain().token_balance(asset.datatoken, session.get_address())
    if held < ONE_DATATOKEN_WEI:
        raise RefusedError(
            f"one datatoken of dataset {asset.asset_id} pays for a job, and this account holds"
            f" {write_amount(held, DATATOKEN_UNITS)}",
            code="no-datatoken",
            remedy=f"`sealroom wallet buy {asset.asset_id}`, or pay with money",
        )
