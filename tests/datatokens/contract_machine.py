"""Several people trade at random on real contracts, and after every step the chain must be what the model's books say.

Everything is drawn so that most steps go well, and somebody who may not tries now and then.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from datatokens.allowlist import build_proof, build_root
from tests.datatokens.contract_checks import GUARDS, ContractChecks, digest, expect
from tests.datatokens.contract_driver import PEOPLE
from tests.datatokens.contract_model import (
    ANYONE,
    ONE_JOB,
    UNIT_S,
    Asset,
    Books,
    Item,
    Mood,
    OrderKey,
    RefusedError,
)

people = st.sampled_from(PEOPLE)
owners, providers = st.sampled_from(PEOPLE[:2]), st.sampled_from(PEOPLE[2:4])
consumers = st.sampled_from(PEOPLE[4:7])
anyone = st.one_of(owners, providers, consumers)
tokens = st.sampled_from(["plain", "plain", "hostile"])
amounts = st.sampled_from([0, 1, 7, 99, 100, 1000, 12_345])
prices = st.sampled_from([0, 1, 333, 1000, 99_999])
algorithms, jobs = st.sampled_from(["rest", "tree"]), st.sampled_from([f"job {n}" for n in range(6)])
units = st.sampled_from([1, ONE_JOB // 3, ONE_JOB, 2 * ONE_JOB])
pick = st.integers(0, 99)
moods = st.sampled_from([Mood.HONEST, *Mood])
luck = st.integers(0, 5)  # at 0 somebody tries who may not
LISTS = (ANYONE, frozenset({"anna"}), frozenset({"anna", "ben", "owner 2"}))
CHANGES: tuple[object, ...] = ("price", "price", "price", 2, 3, *LISTS, ANYONE, "retire")
CALLS_BACK: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("withdraw", ("plain", 0)),
    ("deposit", ("plain", 0)),
    ("settleMany", ([], [])),
)


class ContractMachine(ContractChecks, RuleBasedStateMachine):
    """Trades on `driver`, which whoever runs the machine sets; each run begins where the last one began."""

    outcomes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = self.driver.rpc("evm_snapshot")
        self.base = self.driver.now() + UNIT_S
        self.driver.mine_at(self.base)
        self.books = Books()
        self.changed = True

    def teardown(self) -> None:
        try:
            self._everybody_goes_home()
        finally:
            if self.driver.rpc("evm_revert", self.snapshot) is not True:
                raise RuntimeError("the chain did not go back")

    @initialize(
        price=prices,
        share=st.sampled_from([0, 1000, 3333]),
        cap=st.sampled_from([0, 2 * ONE_JOB]),
        mood=moods,
        over=st.booleans(),
        listed=st.sampled_from(LISTS),
    )
    def open_for_business(
        self,
        price: int,
        share: int,
        cap: int,
        mood: Mood,
        over: bool,  # noqa: FBT001 - drawn
        listed: frozenset[str],
    ) -> None:
        self._register("owner 1", Asset("owner 1", "provider 1", "plain", price, share, 1, cap, 3))
        self._register("owner 2", Asset("owner 2", "provider 2", "hostile", 1000, 1000, 0, 2 * ONE_JOB, 3))
        for n in (0, 1):
            self.approve(n, "rest", 30, 1, "anna")
            self.give_datatokens(n, "anna", 2 * ONE_JOB, 1, "anna")
        self.deposit("ben", "plain", 12_345)
        self.the_hostile_token_turns(mood, 0)
        self._list("owner 1", 1, listed)
        if over:
            self.change(1, "retire", 0, 1, "anna")

    # Owners

    @precondition(lambda self: len(self.books.assets) < 4)
    @rule(
        owner=owners,
        provider=providers,
        token=tokens,
        price=prices,
        shares=st.sampled_from([(0, 0), (1000, 250), (3333, 6667), (10_000, 0), (9000, 1001)]),
        cap=st.sampled_from([0, 0, ONE_JOB, 3 * ONE_JOB]),
    )
    def register(
        self, owner: str, provider: str, token: str, price: int, shares: tuple[int, int], cap: int
    ) -> None:
        self._register(owner, Asset(owner, provider, token, price, *shares, cap, 3))

    @rule(n=pick, algorithm=algorithms, ahead=st.sampled_from([-1, 0, 2, 9]), luck=luck, intruder=anyone)
    def approve(self, n: int, algorithm: str, ahead: int, luck: int, intruder: str) -> None:
        number, expiry = self._asset(n), self.books.now + ahead
        who = self._owner(number, luck, intruder)
        call = ("registry", "approveAlgorithm", number, digest(algorithm), self._time(expiry))
        self._try(who, "approve", (who, number, algorithm, expiry), *call)

    @rule(n=pick, algorithm=algorithms, luck=luck, intruder=anyone)
    def revoke(self, n: int, algorithm: str, luck: int, intruder: str) -> None:
        number = self._asset(n)
        who = self._owner(number, luck, intruder)
        call = ("registry", "revokeAlgorithm", number, digest(algorithm))
        self._try(who, "revoke", (who, number, algorithm), *call)

    @rule(n=pick, what=st.sampled_from(CHANGES), price=prices, luck=luck, intruder=anyone)
    def change(self, n: int, what: object, price: int, luck: int, intruder: str) -> None:
        number = self._asset(n)
        who = self._owner(number, luck, intruder)
        if what == "retire":
            self._change(who, number, "retire", retired=True)
        elif isinstance(what, int):
            self._change(who, number, "setPolicy", what.to_bytes(32), policy=what)
        elif isinstance(what, frozenset):
            self._list(who, number, what)
        else:
            self._change(who, number, "setPrice", price, price=price)

    @rule(n=pick, to=owners, luck=luck, intruder=anyone)
    def give_the_asset_away(self, n: int, to: str, luck: int, intruder: str) -> None:
        number, accounts = self._asset(n), self.driver.people
        who, holder = self._owner(number, luck, intruder), accounts[self.books.assets[number].owner]
        self._try(
            who, "give_away", (who, number, to), "registry", "transferFrom", holder, accounts[to], number
        )

    @rule(n=pick, to=consumers, amount=units, luck=luck, intruder=anyone)
    def give_datatokens(self, n: int, to: str, amount: int, luck: int, intruder: str) -> None:
        number = self._asset(n)
        who = self._owner(number, luck, intruder)
        call = ("registry", "mintDatatoken", number, self.driver.people[to], amount)
        self._try(who, "mint", (who, number, to, amount), *call)

    # Consumers

    @rule(who=consumers, to=consumers, n=pick, amount=units)
    def pass_datatokens_on(self, who: str, to: str, n: int, amount: int) -> None:
        number = self._asset(n)
        call = (self._datatoken(number), "transfer", self.driver.people[to], amount)
        self._try(who, "pass_on", (who, number, to, amount), *call)

    @rule(who=consumers, token=tokens, amount=amounts)
    def deposit(self, who: str, token: str, amount: int) -> None:
        self._try(
            who, "deposit", (who, token, amount), "escrow", "deposit", self.driver.address(token), amount
        )

    @rule(who=people, token=tokens, amount=amounts)
    def withdraw(self, who: str, token: str, amount: int) -> None:
        self._try(
            who, "withdraw", (who, token, amount), "escrow", "withdraw", self.driver.address(token), amount
        )

    @rule(who=consumers, n=pick, amount=units, most=prices)
    def buy(self, who: str, n: int, amount: int, most: int) -> None:
        number = self._asset(n)
        call = ("escrow", "buy", number, amount, most, self._proof(number, who))
        self._try(who, "buy", (who, number, amount, most), *call)

    @rule(
        who=consumers,
        job=jobs,
        algorithm=algorithms,
        ahead=st.sampled_from([-1, 0, 1, 3, 4]),
        wanted=st.lists(st.tuples(pick, prices, st.booleans()), min_size=1, max_size=3),
    )
    def order(
        self, who: str, job: str, algorithm: str, ahead: int, wanted: list[tuple[int, int, bool]]
    ) -> None:
        self._order(
            who, job, algorithm, ahead, [Item(self._asset(n), most, token) for n, most, token in wanted]
        )

    @rule(who=consumers, n=pick, by_token=st.booleans(), ahead=st.integers(0, 2), both=st.booleans())
    def order_in_good_faith(self, who: str, n: int, by_token: bool, ahead: int, both: bool) -> None:  # noqa: FBT001 - drawn
        on_offer = [number for number in self.books.assets if self._is_offered(number, who)] or [
            self._asset(n)
        ]
        chosen = on_offer[:2] if both else [on_offer[n % len(on_offer)]]
        items = [Item(i, self.books.assets[i].price, by_token and self._has_token(i, who)) for i in chosen]
        self._order(who, f"job {len(self.books.orders)}", "rest", ahead, items)

    # Endings

    @precondition(lambda self: self.books.orders)
    @rule(n=pick, luck=luck, intruder=anyone)
    def settle(self, n: int, luck: int, intruder: str) -> None:
        key = self._key(n)
        who = self.books.assets[key[2]].provider if luck > 1 else intruder
        self._try(who, "settle", (who, key), "escrow", "settle", self._order_id(key))

    @precondition(lambda self: self.books.orders)
    @rule(who=anyone, n=pick)
    def refund(self, who: str, n: int) -> None:
        key = self._key(n)
        self._try(who, "refund", (who, key), "escrow", "refund", self._order_id(key))

    @precondition(lambda self: self.books.orders)
    @rule(
        who=providers,
        size=st.integers(0, 30),
        ran=st.lists(pick, max_size=3),
        not_run=st.lists(pick, max_size=2),
    )
    def anchor_and_settle(self, who: str, size: int, ran: list[int], not_run: list[int]) -> None:
        keys = [self._key(n) for n in ran], [self._key(n) for n in not_run]
        ids = [[self._order_id(key) for key in side] for side in keys]
        args = (size, digest(f"root {size}"), *ids)
        self._try(who, "finish", (who, size, *keys), "escrow", "anchorAndSettle", *args)

    @precondition(lambda self: any(order.status == "open" for order in self.books.orders.values()))
    @rule(n=pick, ran=st.booleans(), anchored=st.booleans())
    def end_as_its_provider(self, n: int, ran: bool, anchored: bool) -> None:  # noqa: FBT001 - drawn
        still = [key for key, order in self.books.orders.items() if order.status == "open"]
        key = still[n % len(still)]
        provider = self.books.assets[key[2]].provider
        if anchored:
            sides = ([key], []) if ran else ([], [key])
            size = self.books.anchors[provider] + 1
            ids = [[self._order_id(item) for item in side] for side in sides]
            args = (size, digest(f"root {size}"), *ids)
            self._try(provider, "finish", (provider, size, *sides), "escrow", "anchorAndSettle", *args)
        else:
            name = "settle" if ran else "refund"
            self._try(provider, name, (provider, key), "escrow", name, self._order_id(key))

    # The world

    @rule(steps=st.integers(1, 4))
    def time_passes(self, steps: int) -> None:
        self.books.now += steps
        self.driver.mine_at(self.base + self.books.now * UNIT_S)

    @rule(mood=moods, n=pick)
    def the_hostile_token_turns(self, mood: Mood, n: int) -> None:
        function, args = CALLS_BACK[n % len(CALLS_BACK)]
        data = self.driver.encode(
            "escrow", function, *(self.driver.address(a) if isinstance(a, str) else a for a in args)
        )
        self.driver.do("ben", "hostile", "become", int(mood), self.driver.address("escrow"), data)
        self.books.mood = mood

    # Invariants

    @invariant()
    def the_chain_is_what_the_books_say(self) -> None:
        if self.changed:
            self.compare_everything()
            self.changed = False

    def _everybody_goes_home(self) -> None:
        """Nothing is stuck: every order can end and every unit leave, whatever happened before."""
        self.driver.do("ben", "hostile", "become", 0, self.driver.address("escrow"), b"")
        self.books.mood = Mood.HONEST
        self.time_passes(20)
        for key, order in list(self.books.orders.items()):
            if order.status == "open":
                self._try("community", "refund", ("community", key), "escrow", "refund", self._order_id(key))
                expect("nothing-is-stuck", self.books.orders[key].status, "refunded", key)
        for (token, name), amount in list(self.books.credit.items()):
            self._try(
                name,
                "withdraw",
                (name, token, amount),
                "escrow",
                "withdraw",
                self.driver.address(token),
                amount,
            )
        expect("nothing-is-stuck", self.driver.read("plain", "balanceOf", self.driver.address("escrow")), 0)
        expect("nothing-is-stuck", sum(self.books.credit.values()), 0)

    # Parts

    def _register(self, owner: str, asset: Asset) -> None:
        at, who = self.driver.address, self.driver.people
        community = who["community"] if asset.community_bps else "0x" + "00" * 20
        head = (
            1,
            asset.longest * UNIT_S + UNIT_S // 2,
            asset.provider_bps,
            asset.community_bps,
            who[asset.provider],
        )
        terms = (
            *head,
            asset.price,
            at(asset.token),
            community,
            asset.cap,
            digest("c"),
            digest("m"),
            (1).to_bytes(32),
            "u",
        )
        self._try(owner, "register", (asset,), "registry", "register", terms)

    def _change(self, who: str, number: int, function: str, *args: object, **fields: object) -> None:
        self._try(who, "change", (who, number), "registry", function, number, *args, fields=fields)

    def _order(self, who: str, job: str, algorithm: str, ahead: int, items: list[Item]) -> None:
        deadline = self.books.now + ahead
        rows = [(item.number, item.most, item.by_token, self._proof(item.number, who)) for item in items]
        terms = (digest(job), digest(algorithm), self._time(deadline), rows)
        self._try(who, "order", (who, job, algorithm, deadline, items), "escrow", "order", terms)

    def _try(
        self,
        who: str,
        meaning: str,
        facts: tuple[Any, ...],
        target: str,
        function: str,
        *args: object,
        fields: Any = None,
    ) -> None:
        """Do the same in the books and on chain: both go well, or both refuse with the same error."""
        after = self.books.copy()
        try:
            getattr(after, meaning)(*facts, **(fields or {}))
            wanted = None
        except RefusedError as exc:
            wanted = exc.name
        failure = self.driver.attempt(who, target, function, *args)
        got = failure.name if failure else None
        expect(
            GUARDS.get(wanted or got or "", "the-chain-does-what-the-books-do"),
            got,
            wanted,
            (function, facts),
        )
        self.outcomes[wanted or meaning] += 1
        if wanted is None:
            self.books, self.changed = after, True

    def _asset(self, n: int) -> int:
        return n % len(self.books.assets) + 1

    def _list(self, who: str, number: int, listed: frozenset[str]) -> None:
        root = build_root(self.driver.people[name] for name in listed) if listed else bytes(32)
        self._change(who, number, "setConsumers", root, listed=listed)

    def _owner(self, number: int, luck: int, intruder: str) -> str:
        return self.books.assets[number].owner if luck else intruder

    def _is_offered(self, number: int, who: str) -> bool:
        asset = self.books.assets[number]
        expiry, given = self.books.approvals.get((number, "rest"), (0, False))
        return (
            given
            and expiry >= self.books.now
            and not asset.retired
            and (not asset.listed or who in asset.listed)
        )

    def _has_token(self, number: int, who: str) -> bool:
        return self.books.datatokens[number, who] >= ONE_JOB

    def _key(self, n: int) -> OrderKey:
        keys = list(self.books.orders)
        return keys[n % len(keys)]

    def _proof(self, number: int, who: str) -> tuple[bytes, ...]:
        listed = self.books.assets[number].listed
        accounts = [self.driver.people[name] for name in listed]
        return build_proof(accounts, self.driver.people[who]) if who in listed else ()
