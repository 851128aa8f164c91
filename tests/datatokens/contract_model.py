"""What the contracts must do, as plain Python: each method changes the books, or refuses with the contract's own error.

Time counts in units of `UNIT_S`; whatever is due is due in the middle of one, so that a second never decides.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import IntEnum

ONE_JOB = 10**18
UNIT_S = 1000
ANYONE: frozenset[str] = frozenset()


class RefusedError(Exception):
    """The contract's error that an attempt must end with."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def check(holds: bool, name: str) -> None:  # noqa: FBT001 - a condition and its error
    if not holds:
        raise RefusedError(name)


class Mood(IntEnum):
    """How the hostile token behaves."""

    HONEST = 0
    TAKES_FEE = 1
    CALLS_BACK = 2
    MOVES_NOTHING = 3
    REVERTS = 4
    RETURNS_FALSE = 5


@dataclass(frozen=True, slots=True)
class Asset:
    owner: str
    provider: str
    token: str
    price: int
    provider_bps: int
    community_bps: int
    cap: int
    longest: int
    policy: int = 1
    retired: bool = False
    listed: frozenset[str] = ANYONE


@dataclass(frozen=True, slots=True)
class Order:
    consumer: str
    number: int
    amount: int
    deadline: int
    by_token: bool
    status: str = "open"


@dataclass(frozen=True, slots=True)
class Item:
    """One dataset of an order that is tried."""

    number: int
    most: int
    by_token: bool


OrderKey = tuple[str, str, int]  # job, consumer, asset


@dataclass(slots=True)
class Books:
    """Everything that stands on chain."""

    now: int = 0
    mood: Mood = Mood.HONEST
    assets: dict[int, Asset] = field(default_factory=dict)
    approvals: dict[tuple[int, str], tuple[int, bool]] = field(default_factory=dict)  # expiry, given
    orders: dict[OrderKey, Order] = field(default_factory=dict)
    credit: Counter[tuple[str, str]] = field(default_factory=Counter)  # token, account
    held: Counter[str] = field(default_factory=Counter)  # what each token says that the escrow has
    datatokens: Counter[tuple[int, str]] = field(default_factory=Counter)
    anchors: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Books:
        """Return books that can be changed without changing these."""
        fresh = {name: getattr(self, name).copy() for name in ("assets", "approvals", "orders", "credit")}
        more = {name: getattr(self, name).copy() for name in ("held", "datatokens", "anchors")}
        return replace(self, **fresh, **more)

    def register(self, asset: Asset) -> None:
        check(asset.provider_bps + asset.community_bps <= 10_000, "RegistryShareTooLarge")
        self.assets[len(self.assets) + 1] = asset

    def change(self, actor: str, number: int, **fields: object) -> None:
        """Set what only the owner sets."""
        check(self.assets[number].owner == actor, "RegistryNotOwner")
        if "retired" in fields:
            self._check_live(number)
        self.assets[number] = replace(self.assets[number], **fields)  # type: ignore[arg-type] # by the rule that calls

    def give_away(self, actor: str, number: int, to: str) -> None:
        check(self.assets[number].owner == actor, "ERC721InsufficientApproval")
        self.assets[number] = replace(self.assets[number], owner=to)

    def approve(self, actor: str, number: int, algorithm: str, expiry: int) -> None:
        check(self.assets[number].owner == actor, "RegistryNotOwner")
        self._check_live(number)
        check(expiry >= self.now, "RegistryExpiryPast")
        self.approvals[number, algorithm] = (expiry, True)

    def revoke(self, actor: str, number: int, algorithm: str) -> None:
        check(self.assets[number].owner == actor, "RegistryNotOwner")
        expiry, given = self.approvals.get((number, algorithm), (0, False))
        check(given, "RegistryNotApproved")
        self.approvals[number, algorithm] = (expiry, False)

    def mint(self, actor: str, number: int, to: str, amount: int) -> None:
        check(self.assets[number].owner == actor, "RegistryNotOwner")
        self._check_live(number)
        self._issue(number, to, amount)

    def pass_on(self, actor: str, number: int, to: str, amount: int) -> None:
        self._take(number, actor, amount)
        self.datatokens[number, to] += amount

    def deposit(self, actor: str, token: str, amount: int) -> None:
        self._pull(token, amount)
        self.credit[token, actor] += amount

    def withdraw(self, actor: str, token: str, amount: int) -> None:
        check(self.credit[token, actor] >= amount, "EscrowCreditTooSmall")
        mood = self._mood(token)
        self._check_mood(mood)
        self.credit[token, actor] -= amount
        if mood is not Mood.MOVES_NOTHING:
            self.held[token] -= amount

    def buy(self, actor: str, number: int, amount: int, most: int) -> None:
        asset = self._offer(number, actor)
        check(asset.price <= most, "EscrowPriceAboveMax")
        cost = -(-amount * asset.price // ONE_JOB)
        self._charge(actor, asset.token, cost)
        self._share(asset, cost)
        self._issue(number, actor, amount)

    def order(self, actor: str, job: str, algorithm: str, deadline: int, items: list[Item]) -> None:
        for item in items:
            expiry, given = self.approvals.get((item.number, algorithm), (0, False))
            check(given, "RegistryNotApproved")
            check(self.now <= expiry, "RegistryApprovalExpired")
            asset = self._offer(item.number, actor)
            check(item.by_token or asset.price <= item.most, "EscrowPriceAboveMax")
            check(self.now <= deadline <= self.now + asset.longest, "EscrowDeadlineOutOfRange")
            key = (job, actor, item.number)
            check(key not in self.orders, "EscrowOrderExists")
            amount = 0 if item.by_token else asset.price
            self.orders[key] = Order(actor, item.number, amount, deadline, item.by_token)
            if item.by_token:
                self._take(item.number, actor, ONE_JOB)
            else:
                self._charge(actor, asset.token, amount)

    def settle(self, actor: str, key: OrderKey) -> None:
        asset, order = self._open(key)
        check(asset.provider == actor, "EscrowNotProvider")
        self.orders[key] = replace(order, status="settled")
        self._share(asset, order.amount)

    def refund(self, actor: str, key: OrderKey, *, in_batch: bool = False) -> None:
        asset, order = self._open(key)
        if in_batch:
            check(asset.provider == actor, "EscrowNotProvider")
        check(asset.provider == actor or self.now > order.deadline, "EscrowDeadlineNotReached")
        self.orders[key] = replace(order, status="refunded")
        if order.by_token:
            self.datatokens[order.number, order.consumer] += ONE_JOB  # whatever the cap
        else:
            self.credit[asset.token, order.consumer] += order.amount

    def finish(self, actor: str, size: int, ran: list[OrderKey], not_run: list[OrderKey]) -> None:
        check(size > self.anchors[actor], "AnchorNotGrowing")
        self.anchors[actor] = size
        for key in ran:
            self.settle(actor, key)
        for key in not_run:
            self.refund(actor, key, in_batch=True)

    def owed(self, token: str) -> int:
        """Return what the escrow owes in a token: all credit and every open order that money paid."""
        credit = sum(amount for (name, _), amount in self.credit.items() if name == token)
        paid = (o.amount for o in self.orders.values() if o.status == "open")
        tokens = (self.assets[o.number].token for o in self.orders.values() if o.status == "open")
        return credit + sum(amount for amount, name in zip(paid, tokens, strict=True) if name == token)

    def supply(self, number: int) -> int:
        """Return how many units of a datatoken there are."""
        return sum(amount for (item, _), amount in self.datatokens.items() if item == number)

    def _open(self, key: OrderKey) -> tuple[Asset, Order]:
        order = self.orders.get(key)
        if order is None or order.status != "open":
            raise RefusedError("EscrowOrderNotOpen")
        return self.assets[order.number], order

    def _offer(self, number: int, actor: str) -> Asset:
        self._check_live(number)
        asset = self.assets[number]
        check(not asset.listed or actor in asset.listed, "RegistryNotListed")
        return asset

    def _check_live(self, number: int) -> None:
        check(not self.assets[number].retired, "RegistryAssetRetired")

    def _issue(self, number: int, to: str, amount: int) -> None:
        cap = self.assets[number].cap
        check(not cap or self.supply(number) + amount <= cap, "DatatokenCapExceeded")
        self.datatokens[number, to] += amount

    def _take(self, number: int, account: str, amount: int) -> None:
        check(self.datatokens[number, account] >= amount, "ERC20InsufficientBalance")
        self.datatokens[number, account] -= amount

    def _share(self, asset: Asset, amount: int) -> None:
        provider, community = amount * asset.provider_bps // 10_000, amount * asset.community_bps // 10_000
        self.credit[asset.token, asset.provider] += provider
        self.credit[asset.token, "community"] += community
        self.credit[asset.token, asset.owner] += amount - provider - community

    def _charge(self, actor: str, token: str, amount: int) -> None:
        from_credit = min(self.credit[token, actor], amount)
        self.credit[token, actor] -= from_credit
        if amount != from_credit:
            self._pull(token, amount - from_credit)

    def _pull(self, token: str, amount: int) -> None:
        mood = self._mood(token)
        self._check_mood(mood)
        arrived = {Mood.TAKES_FEE: amount - amount // 100, Mood.MOVES_NOTHING: 0}.get(mood, amount)
        check(arrived == amount, "EscrowTokenTookFee")
        self.held[token] += amount

    def _mood(self, token: str) -> Mood:
        return self.mood if token == "hostile" else Mood.HONEST

    def _check_mood(self, mood: Mood) -> None:
        check(mood is not Mood.REVERTS, "HostileTokenRefuses")
        check(mood is not Mood.RETURNS_FALSE, "SafeERC20FailedOperation")
