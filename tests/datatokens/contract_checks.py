"""Compares the chain with the books, and reports every difference under the name of an invariant in docs/contracts.md.

What the contracts let through or refuse against the model counts against the invariant whose guard it is.
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from datatokens.permits import order_id_of
from tests.datatokens.contract_driver import PEOPLE, Driver
from tests.datatokens.contract_model import UNIT_S, Books, OrderKey

STATUS = {1: "open", 2: "settled", 3: "refunded"}
GUARDS = {
    "EscrowNotProvider": "only-its-provider-settles",
    "EscrowOrderNotOpen": "an-order-ends-once",
    "EscrowOrderExists": "an-order-is-placed-once",
    "RegistryNotOwner": "only-the-owner-changes-an-asset",
    "ERC721InsufficientApproval": "only-the-owner-changes-an-asset",
    "RegistryAssetRetired": "no-order-without-an-offer",
    "RegistryNotApproved": "no-order-without-an-offer",
    "RegistryApprovalExpired": "no-order-without-an-offer",
    "RegistryNotListed": "no-order-without-an-offer",
    "EscrowPriceAboveMax": "the-price-is-fixed-at-the-order",
    "EscrowDeadlineNotReached": "a-refund-waits-for-the-deadline",
    "EscrowTokenTookFee": "money-in-is-money-out-plus-money-held",
    "EscrowCreditTooSmall": "money-in-is-money-out-plus-money-held",
    "DatatokenCapExceeded": "sales-and-gifts-keep-the-cap",
    "AnchorNotGrowing": "a-log-only-grows",
}


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def expect(invariant_name: str, got: object, wanted: object, about: object = "") -> None:
    """Fail under the name of an invariant."""
    if got != wanted:
        raise AssertionError(f"{invariant_name}: {about}: the chain has {got}, the books {wanted}")


class ContractChecks:
    """What must be so after every step; the machine that trades keeps the books."""

    driver: ClassVar[Driver]
    books: Books
    base: int

    def compare_everything(self) -> None:
        """Compare all orders, money, assets and logs; a wrong order would make the money wrong too."""
        self._compare_orders()
        self._compare_money()
        self._compare_assets()

    def _compare_money(self) -> None:
        accounts = [(token, name) for token in ("plain", "hostile") for name in PEOPLE]
        address = self.driver.address
        calls: list[Any] = [("escrow", "balances", (address(t), self.driver.people[n])) for t, n in accounts]
        calls += [(token, "balanceOf", (address("escrow"),)) for token in ("plain", "hostile")]
        *credit, plain, hostile, called_back = self.driver.read_many([*calls, ("hostile", "successes", ())])
        expect("no-way-back-in", called_back, 0)
        for pair, amount in zip(accounts, credit, strict=True):
            expect("money-in-is-money-out-plus-money-held", amount, self.books.credit[pair], pair)
        open_amounts = self._open_amounts()
        for token, held in (("plain", plain), ("hostile", hostile)):
            found = sum(amount for (name, _), amount in zip(accounts, credit, strict=True) if name == token)
            owed = found + open_amounts[token]
            expect("money-in-is-money-out-plus-money-held", held, self.books.held[token], token)
            if token == "plain":
                expect("money-in-is-money-out-plus-money-held", held, owed, token)
            elif held < owed:
                raise AssertionError(
                    "money-in-is-money-out-plus-money-held: the hostile token is owed and not held"
                )

    def _open_amounts(self) -> dict[str, int]:
        keys = list(self.books.orders)
        found = self.driver.read_many([("escrow", "getOrder", (self._order_id(key),)) for key in keys])
        totals = {"plain": 0, "hostile": 0}
        for key, order in zip(keys, found, strict=True):
            totals[self.books.assets[key[2]].token] += order[0] if STATUS.get(order[3]) == "open" else 0
        return totals

    def _compare_orders(self) -> None:
        keys = list(self.books.orders)
        found = self.driver.read_many([("escrow", "getOrder", (self._order_id(key),)) for key in keys])
        for key, order in zip(keys, found, strict=True):
            wanted, (amount, deadline, number, status, by_token, consumer) = self.books.orders[key], order
            expect("an-order-ends-once", STATUS.get(status), wanted.status, key)
            expect(
                "the-price-is-fixed-at-the-order", (amount, by_token), (wanted.amount, wanted.by_token), key
            )
            terms = (deadline, number, consumer.lower())
            place = (self._time(wanted.deadline), wanted.number, self.driver.people[wanted.consumer].lower())
            expect("an-order-is-placed-once", terms, place, key)

    def _compare_assets(self) -> None:
        for number, wanted in self.books.assets.items():
            token = self._datatoken(number)
            owner, _, retired, root, terms = self.driver.read("registry", "getAsset", number)
            supply = self.driver.read(token, "totalSupply")
            seen = (owner, retired, any(root), terms[5], int.from_bytes(terms[11]))
            holder = self.driver.people[wanted.owner].lower()
            books = (holder, wanted.retired, bool(wanted.listed), wanted.price, wanted.policy)
            expect("only-the-owner-changes-an-asset", seen, books, number)
            expect("one-token-is-one-job", supply, self.books.supply(number), number)
        sizes = self.driver.read_many(
            [("escrow", "getAnchor", (self.driver.people[p],)) for p in PEOPLE[2:4]]
        )
        expect("a-log-only-grows", [head[1] for head in sizes], [self.books.anchors[p] for p in PEOPLE[2:4]])

    def _time(self, unit: int) -> int:
        return self.base + unit * UNIT_S + UNIT_S // 2

    def _order_id(self, key: OrderKey) -> bytes:
        job, consumer, number = key
        return order_id_of(digest(job), self.driver.people[consumer], number)

    def _datatoken(self, number: int) -> str:
        return str(self.driver.read("registry", "datatokenOf", number))
