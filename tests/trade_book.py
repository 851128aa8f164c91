"""What everybody must own when a trade is over, in plain Python: kept from what should happen, never from the chain.

Money counts the same in a wallet and as credit, so that nothing here depends on when a provider settles.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from datatokens.model import OrderStatus

WHOLE_BPS = 10_000


class Fate(StrEnum):
    """What becomes of a job, and so of its order."""

    RELEASED = "released"
    FAILED = "failed"
    WITHHELD = "withheld"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    NEVER_SENT = "never sent"

    @property
    def is_paid(self) -> bool:
        """Tell whether the algorithm had its fair chance."""
        return self in (Fate.RELEASED, Fate.FAILED, Fate.WITHHELD)

    @property
    def order_status(self) -> OrderStatus:
        return OrderStatus.SETTLED if self.is_paid else OrderStatus.REFUNDED


@dataclass(slots=True)
class Offer:
    """A dataset as it is sold now; people and tokens by name."""

    owner: str
    provider: str
    token: str
    price: int
    provider_bps: int
    community_bps: int


@dataclass(frozen=True, slots=True)
class Sold:
    """One order: who pays what if the job runs, and whether a datatoken has paid already."""

    offer: int
    buyer: str
    amount: int
    by_datatoken: bool


@dataclass(slots=True)
class Book:
    """Everything that is owned, by name."""

    offers: dict[int, Offer] = field(default_factory=dict)
    money: Counter[tuple[str, str]] = field(default_factory=Counter)  # token, person
    minted: Counter[str] = field(default_factory=Counter)
    datatokens: Counter[tuple[int, str]] = field(default_factory=Counter)  # offer, person
    orders: dict[str, Sold] = field(default_factory=dict)  # by job

    def mint(self, token: str, person: str, amount: int) -> None:
        self.minted[token] += amount
        self.money[token, person] += amount

    def give(self, number: int, person: str, count: int) -> None:
        """An owner gives datatokens away."""
        self.datatokens[number, person] += count

    def buy(self, number: int, buyer: str, count: int) -> None:
        """Datatokens are paid for at once, at the price of the moment, and shared like the price of a job."""
        cost = count * self.offers[number].price
        self.money[self.offers[number].token, buyer] -= cost
        self._share(self.offers[number], cost)
        self.datatokens[number, buyer] += count

    def order(self, job_id: str, number: int, buyer: str, *, by_datatoken: bool) -> None:
        """The price is that of the moment; it is nobody's until the order ends."""
        offer = self.offers[number]
        sold = Sold(number, buyer, 0 if by_datatoken else offer.price, by_datatoken)
        self.orders[job_id] = sold
        self.money[offer.token, buyer] -= sold.amount
        self.datatokens[number, buyer] -= by_datatoken

    def end(self, job_id: str, fate: Fate) -> None:
        """Share the price among those who earned it, or give back what was paid."""
        sold = self.orders[job_id]
        offer = self.offers[sold.offer]
        if fate.is_paid:
            self._share(offer, sold.amount)
            return
        self.money[offer.token, sold.buyer] += sold.amount
        self.datatokens[sold.offer, sold.buyer] += sold.by_datatoken

    def _share(self, offer: Offer, amount: int) -> None:
        """Round shares down; the owner has the rest."""
        provider = amount * offer.provider_bps // WHOLE_BPS
        community = amount * offer.community_bps // WHOLE_BPS
        self.money[offer.token, offer.provider] += provider
        self.money[offer.token, "community"] += community
        self.money[offer.token, offer.owner] += amount - provider - community
