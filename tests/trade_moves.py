"""What people do in a market: each move is made on the real parts and written into the book, or into neither."""

from __future__ import annotations

import base64
import secrets
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

import pytest

from datatokens.allowlist import build_proof, build_root
from datatokens.errors import ContractRefusedError
from datatokens.model import DATASET_KIND, ONE_DATATOKEN_WEI, Asset, AssetTerms, OrderItem
from policies.canonical import canonical_json, digest_of, parse_digest
from provider.release import create_result_key
from provider.wire import (
    AlgorithmUploadBody,
    AlgorithmView,
    DatasetPrepareBody,
    DatasetPrepared,
    DatasetPublishBody,
    DatasetView,
    JobCancelBody,
    JobRequest,
    JobSubmission,
    JobView,
)
from sandbox.bundle import Bundle
from tests.provider_fixtures import CSV, HONEST, POLICY, make_bundle
from tests.trade_book import Book, Fate, Offer
from tests.trade_market import SCIENTISTS, TOKENS, Market, Site, account_of

OFFERS = {
    1: Offer("owner 1", "provider 1", "coin", 5 * 10**18 + 7, 1000, 333),
    2: Offer("owner 1", "provider 2", "cent", 1_999_999, 777, 111),
    3: Offer("owner 2", "provider 1", "coin", 0, 1000, 500),
    4: Offer("owner 2", "provider 2", "coin", 3 * 10**18 + 1, 2500, 1),
    5: Offer("owner 2", "provider 1", "cent", 750_001, 999, 499),
    6: Offer("owner 1", "provider 2", "coin", 10**18 - 1, 0, 9999),
}
FREE, LISTED = 3, 4
LISTED_PEOPLE = ("anna", "ben")
WEALTH = {"coin": 10**6 * 10**18, "cent": 10**6 * 10**6}
DAY_S, HOUR_S = 86_400, 3600
PRICE_CHANGES = 0.15
GIFTS = 0.3
TOO_SHORT_S = 200
"""A deadline that leaves the provider no time to run."""
PURPOSE, OTHER_PURPOSE = "DUO:0000006", "DUO:0000043"


class Plan(Enum):
    """How a job is going to go, and where that must end."""

    HONEST = Fate.RELEASED, "runs"
    SLOW = Fate.RELEASED, "runs for a while"
    FAILING = Fate.FAILED, "ends with an error"
    WITHHELD = Fate.WITHHELD, "writes what may not leave"
    REVOKED = Fate.REFUSED, "its approval is revoked after payment"
    RETIRED = Fate.REFUSED, "its dataset is retired after payment"
    MISUSED = Fate.REFUSED, "has a purpose that the policy doesn't allow"
    LATE = Fate.REFUSED, "has a deadline that leaves no time to run"
    CANCELLED = Fate.CANCELLED, "is cancelled before it runs"
    FORGOTTEN = Fate.NEVER_SENT, "is paid for and never asked for"

    @property
    def fate(self) -> Fate:
        return self.value[0]


SOURCES = {
    Plan.SLOW: "import time; time.sleep(3)\n" + HONEST,
    Plan.FAILING: "raise SystemExit(7)",
    Plan.WITHHELD: "print('nothing')",
}


@dataclass(frozen=True, slots=True)
class Deal:
    """One job that was ordered."""

    plan: Plan
    number: int
    who: str
    job_id: str
    submission: JobSubmission


@dataclass(slots=True)
class Trade:
    """One seeded trade."""

    market: Market
    image: str
    random: Random
    book: Book = field(default_factory=Book)
    assets: dict[int, Asset] = field(default_factory=dict)
    deals: list[Deal] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)
    hand: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Datatokens that nobody has paid with yet; those that come back do so when their provider gets to it."""
    keys: dict[str, str] = field(default_factory=dict)

    # Before the trade

    def prepare(self) -> None:
        """Everybody gets money, datasets are offered, and the algorithms are approved on each."""
        for who in SCIENTISTS:
            self.keys[who] = base64.b64encode(create_result_key().public).decode()
            for token in TOKENS:
                self.market.mint(token, who, WEALTH[token])
                self.book.mint(token, who, WEALTH[token])
        sources = (HONEST, *SOURCES.values())
        for site in self.market.sites.values():
            for source in sources:
                self.upload(site, make_bundle(source, image=self.image))
        for number, offer in OFFERS.items():
            self.offer(number, offer)
            for source in sources:
                self.approve(number, make_bundle(source, image=self.image))

    def upload(self, site: Site, bundle: Bundle) -> None:
        files = {path: base64.b64encode(data).decode() for path, data in bundle.files.items()}
        site.client("anna").act("algorithm.upload", AlgorithmUploadBody(files=files), AlgorithmView)

    def approve(self, number: int, bundle: Bundle) -> None:
        chain = self.market.chain
        expires, owner = chain.head().time + DAY_S, account_of(self.book.offers[number].owner)
        chain.approve(self.assets[number].token_id, parse_digest(bundle.digest), expires, sender=owner)

    def offer(self, number: int, offer: Offer) -> None:
        site, chain = self.market.sites[offer.provider], self.market.chain
        (site.stack.home / "data" / f"{number}.csv").write_text(CSV + f"{number},1\n")
        prepared = site.client(offer.owner).act(
            "dataset.prepare",
            DatasetPrepareBody(path=f"{number}.csv", name=f"Ward {number}", policy=POLICY),
            DatasetPrepared,
        )
        terms = AssetTerms(
            kind=DATASET_KIND,
            commitment=parse_digest(prepared.commitment),
            metadata_digest=parse_digest(prepared.metadata_digest),
            policy_digest=parse_digest(prepared.policy_digest),
            uri=prepared.uri,
            price_wei=offer.price,
            payment_token=self.market.tokens[offer.token],
            provider=site.address,
            provider_share_bps=offer.provider_bps,
            max_deadline_s=DAY_S,
            community=account_of("community").address,
            community_share_bps=offer.community_bps,
        )
        asset, _ = chain.register(terms, sender=account_of(offer.owner))
        body = DatasetPublishBody(token_id=str(asset.token_id))
        site.client(offer.owner).act("dataset.publish", body, DatasetView)
        if number == LISTED:
            chain.set_consumers(asset.token_id, build_root(listed()), sender=account_of(offer.owner))
        self.assets[number], self.book.offers[number] = asset, replace(offer)

    # One job

    def play(self, plans: Iterable[Plan], *, on: Site | None = None) -> None:
        """Let one job after the other be ordered and asked for, at one provider or at both."""
        for plan in plans:
            self.send(self.place(plan, on=on))

    def place(self, plan: Plan, *, on: Site | None = None) -> Deal:
        """Have somebody order a job on some dataset; how it must end stands in the book from now on."""
        number = self.random.choice([n for n in self.book.offers if on is None or self.site(n) is on])
        who = self.random.choice(LISTED_PEOPLE if number == LISTED else SCIENTISTS)
        if self.random.random() < PRICE_CHANGES:
            self.change_price(number, who)
        return self.order(plan, number, who)

    def order(self, plan: Plan, number: int, who: str) -> Deal:
        bundle = make_bundle(SOURCES.get(plan, HONEST), image=self.image)
        if plan is Plan.REVOKED:
            bundle = self.bring_another(number)
        submission = self.sign(number, who, bundle, OTHER_PURPOSE if plan is Plan.MISUSED else PURPOSE)
        job_id = self.pay(number, who, submission, TOO_SHORT_S if plan is Plan.LATE else HOUR_S)
        self.book.end(job_id, plan.fate)
        self.deals.append(Deal(plan, number, who, job_id, submission))
        if plan is Plan.REVOKED:
            self.revoke(number, bundle)
        if plan is Plan.RETIRED:
            self.retire(number)
        return self.deals[-1]

    def bring_another(self, number: int) -> Bundle:
        """Have an algorithm approved that no other job uses, so that its revocation stops none."""
        bundle = make_bundle(f"# {len(self.deals)}\n{HONEST}", image=self.image)
        self.upload(self.site(number), bundle)
        self.approve(number, bundle)
        return bundle

    def send(self, deal: Deal) -> None:
        """Send the request of a job that was ordered; sending it again changes nothing."""
        if deal.plan is Plan.FORGOTTEN:
            return
        client = self.site(deal.number).client(deal.who)
        assert client.submit_job(deal.submission).job_id == deal.job_id
        if deal.plan is Plan.CANCELLED:
            client.act("job.cancel", JobCancelBody(job_id=deal.job_id), JobView)

    def site(self, number: int) -> Site:
        return self.market.sites[self.book.offers[number].provider]

    def revoke(self, number: int, bundle: Bundle) -> None:
        owner, token_id = account_of(self.book.offers[number].owner), self.assets[number].token_id
        self.market.chain.revoke(token_id, parse_digest(bundle.digest), sender=owner)

    def sign(self, number: int, who: str, bundle: Bundle, purpose: str) -> JobSubmission:
        request = JobRequest(
            datasets=[self.assets[number].asset_id],
            algorithm=bundle.digest,
            parameters=digest_of(canonical_json({})),
            purpose=purpose,
            provider=self.site(number).address,
            result_key=self.keys[who],
            nonce=secrets.token_hex(32),
            expiry=int(time.time()) + HOUR_S,
        )
        return self.site(number).client(who).sign_request(request, {})

    def pay(self, number: int, who: str, submission: JobSubmission, lifetime_s: int) -> str:
        """Order and pay in one of the ways there are, and write it down."""
        price = self.book.offers[number].price
        way = self.random.choice(("credit", "allowance", "datatoken")) if price else "nothing"
        if way == "credit":
            self.market.chain.deposit(self.token(number), price, sender=account_of(who))
        elif way == "allowance":
            self.take_credit(self.token(number), who)
        elif way == "datatoken":
            self.get_datatoken(number, who)
        request = submission.request
        job_id: str = request.job_id(self.site(number).client(who).domain)
        self.market.chain.order(
            bytes.fromhex(job_id),
            parse_digest(request.algorithm),
            [self.item(number, who, with_datatoken=way == "datatoken")],
            self.market.chain.next_time() + lifetime_s,
            sender=account_of(who),
        )
        self.book.order(job_id, number, who, by_datatoken=way == "datatoken")
        self.ways[way] += 1
        return job_id

    def item(
        self, number: int, who: str, *, with_datatoken: bool = False, most: int | None = None
    ) -> OrderItem:
        most = self.book.offers[number].price if most is None else most
        proof = build_proof(listed(), account_of(who).address) if number == LISTED else ()
        return OrderItem(self.assets[number].token_id, most, with_datatoken, proof)

    def token(self, number: int) -> str:
        return self.market.tokens[self.book.offers[number].token]

    def take_credit(self, token: str, who: str) -> None:
        credit = self.market.chain.escrow_balance(token, account_of(who).address)
        if credit:
            self.market.chain.withdraw(token, credit, sender=account_of(who))

    def get_datatoken(self, number: int, who: str) -> None:
        """Take a datatoken to pay with: one that is left, one bought with more to come, or a gift of the owner."""
        if not self.hand[number, who]:
            self.hand[number, who] = self.random.randint(1, 3)
            self.fill_hand(number, who, self.hand[number, who])
        self.hand[number, who] -= 1

    def fill_hand(self, number: int, who: str, count: int) -> None:
        item, chain = self.item(number, who), self.market.chain
        amount_wei = count * ONE_DATATOKEN_WEI
        if self.random.random() < GIFTS:
            owner, to = account_of(self.book.offers[number].owner), account_of(who).address
            chain.mint_datatoken(item.token_id, to, amount_wei, sender=owner)
            self.book.give(number, who, count)
            return
        chain.buy(item.token_id, amount_wei, item.max_price_wei, sender=account_of(who), proof=item.proof)
        self.book.buy(number, who, count)

    # What owners do meanwhile

    def change_price(self, number: int, who: str) -> None:
        """Change a price; who allows less than the new one gets nothing and pays nothing."""
        offer = self.book.offers[number]
        if number == FREE:
            return
        before, offer.price = offer.price, self.random.randint(1, 2 * OFFERS[number].price)
        self.market.chain.set_price(self.assets[number].token_id, offer.price, sender=account_of(offer.owner))
        if before < offer.price:
            self.expect_refusal(who, "EscrowPriceAboveMax", self.item(number, who, most=before))

    def retire(self, number: int) -> None:
        """Retire a dataset: it takes no more orders."""
        owner = account_of(self.book.offers[number].owner)
        self.market.chain.retire(self.assets[number].token_id, sender=owner)
        self.expect_refusal(SCIENTISTS[0], "RegistryAssetRetired", self.item(number, SCIENTISTS[0]))

    def expect_refusal(self, who: str, name: str, item: OrderItem) -> None:
        algorithm = parse_digest(make_bundle(image=self.image).digest)
        deadline = self.market.chain.next_time() + HOUR_S
        with pytest.raises(ContractRefusedError) as caught:
            self.market.chain.order(
                secrets.token_bytes(32), algorithm, [item], deadline, sender=account_of(who)
            )
        assert caught.value.name == name


def listed() -> list[str]:
    return [account_of(who).address for who in LISTED_PEOPLE]
