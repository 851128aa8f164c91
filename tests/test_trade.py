"""Two owners, three scientists and two providers trade while providers and chain are stopped, and the books balance.

All parts are real: contracts, chain, providers' processes, sealed containers. What must come out is in `trade_book`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from cli.errors import UnreachableError
from cli.evidence import DeploymentEvidence
from cli.trusting import build_trust
from datatokens.client import ChainClient
from datatokens.errors import ChainUnreachableError
from datatokens.model import ONE_DATATOKEN_WEI
from datatokens.permits import order_id_of
from provider.receipts.statement import Statement
from provider.receipts.verify import verify_receipt
from tests.chain_fixtures import HASTY
from tests.trade_market import (
    CONFIRMATIONS,
    PEOPLE,
    PROVIDERS,
    SCIENTISTS,
    STRANGER,
    Market,
    Site,
    account_of,
    wait_for,
)
from tests.trade_moves import HOUR_S, Deal, Plan, Trade

SEED = int(os.environ.get("SEALROOM_TRADE_SEED", "4"))
JOBS = 200
PLANS = {
    Plan.HONEST: 71,
    Plan.FAILING: 10,
    Plan.WITHHELD: 10,
    Plan.REVOKED: 24,
    Plan.MISUSED: 22,
    Plan.LATE: 12,
    Plan.FORGOTTEN: 24,
}
CANCELLED = 20  # while there is no worker that could begin them
RETIRED = 5


@pytest.fixture
def trade(tmp_path: Path, light_image: str) -> Iterator[Trade]:
    print(f"SEALROOM_TRADE_SEED={SEED}")  # noqa: T201 - shown when the test fails
    market = Market.found(tmp_path)
    try:
        market.open(light_image)
        found = Trade(market, light_image, Random(SEED))  # noqa: S311 - a trade that can be repeated
        found.prepare()
        yield found
    finally:
        market.close()


@pytest.mark.timeout(1200)
def test_two_owners_three_scientists_and_two_providers_trade_and_the_books_balance_to_the_last_unit(
    trade: Trade,
) -> None:
    plans = [plan for plan, count in PLANS.items() for _ in range(count)]
    trade.random.shuffle(plans)
    for number, interrupt in enumerate(INTERRUPTIONS):
        trade.play(plans[number :: len(INTERRUPTIONS)])
        interrupt(trade)
    trade.market.wait_until_quiet()  # else what still waits on this dataset is refused too
    trade.send(trade.order(Plan.RETIRED, RETIRED, SCIENTISTS[0]))
    trade.market.wait_until_quiet()
    refund_what_nobody_asked_for(trade)
    assert len(trade.deals) == JOBS
    assert min(trade.ways[way] for way in ("credit", "allowance", "datatoken", "nothing")) > 0
    check_orders(trade)
    check_money(trade)
    check_receipts(trade)


# What happens to providers and chain meanwhile


def kill_a_worker_in_the_middle_of_a_run(trade: Trade) -> None:
    site = trade.market.sites[PROVIDERS[0]]
    deal = trade.place(Plan.SLOW, on=site)
    trade.send(deal)
    trade.market.mine()
    wait_for(lambda: site.is_running(deal.job_id), "the job has not begun")
    site.stack.kill("worker")
    trade.play([Plan.CANCELLED] * (CANCELLED // 4), on=site)
    site.start()


def take_the_chain_away_and_bring_it_back(trade: Trade) -> None:
    market = trade.market
    market.take_chain_away()
    away = ChainClient.connect(market.process.rpc_url, market.chain.deployment, patience=HASTY)
    with pytest.raises(ChainUnreachableError):
        away.head()
    market.bring_chain_back()


def kill_a_whole_provider_before_a_request_reaches_it(trade: Trade) -> None:
    site = trade.market.sites[PROVIDERS[1]]
    site.stack.kill("worker")
    trade.play([Plan.CANCELLED] * (CANCELLED // 4), on=site)
    site.stack.kill("api")
    deal = trade.place(Plan.HONEST, on=site)
    with pytest.raises(UnreachableError):
        trade.send(deal)
    site.start()
    trade.send(deal)
    trade.send(deal)


def reorganise_anchors_and_settlements_away(trade: Trade) -> None:
    """Everybody has to have waited for confirmations: what jobs ran on stays, what followed is gone."""
    market = trade.market
    market.wait_until_quiet()
    for site in market.sites.values():
        trade.play([Plan.HONEST], on=site)
    market.wait_until_quiet()
    market.reorganise(CONFIRMATIONS)
    market.mine()
    market.wait_until_quiet()
    assert any("the chain has lost the anchor" in site.log() for site in market.sites.values())


def kill_each_worker_as_its_anchor_is_mined(trade: Trade) -> None:
    chain = trade.market.chain
    for site in trade.market.sites.values():
        size = chain.anchored_size(site.address)
        trade.play([Plan.HONEST], on=site)
        trade.market.mine()
        wait_for(lambda site=site, size=size: chain.anchored_size(site.address) > size, "nothing is anchored")  # type: ignore[misc]
        site.stack.kill("worker")
    trade.play([Plan.CANCELLED] * (CANCELLED // 2))
    with ThreadPoolExecutor() as pool:
        list(pool.map(Site.start, trade.market.sites.values()))


INTERRUPTIONS: tuple[Callable[[Trade], None], ...] = (
    kill_a_worker_in_the_middle_of_a_run,
    take_the_chain_away_and_bring_it_back,
    kill_a_whole_provider_before_a_request_reaches_it,
    reorganise_anchors_and_settlements_away,
    kill_each_worker_as_its_anchor_is_mined,
    take_the_chain_away_and_bring_it_back,
)


# How it must end


def refund_what_nobody_asked_for(trade: Trade) -> None:
    """After the deadline a stranger gives back what was paid for requests that never came."""
    trade.market.travel(HOUR_S + 1)
    for deal in trade.deals:
        if deal.plan is Plan.FORGOTTEN:
            trade.market.chain.refund(order_id(trade, deal), sender=account_of(STRANGER))


def order_id(trade: Trade, deal: Deal) -> bytes:
    token_id = trade.assets[deal.number].token_id
    return order_id_of(bytes.fromhex(deal.job_id), account_of(deal.who).address, token_id)


def check_orders(trade: Trade) -> None:
    """Every order has ended as it had to, and none is open."""
    wrong = []
    for deal in trade.deals:
        found, expected = trade.market.chain.order_status(order_id(trade, deal)), deal.plan.fate.order_status
        if found is not expected:
            wrong.append(f"{tell(trade, deal)}: expected {expected.name}, is {found.name}")
    assert not wrong, report(wrong)


def tell(trade: Trade, deal: Deal) -> str:
    """Return what a job was to be, and what its provider says that it became."""
    job = trade.site(deal.number).database.jobs.find(deal.job_id)
    became = f"{job.state} ({job.code}) at attempt {job.attempt}" if job else "not known to its provider"
    return f"job {deal.job_id}, which {deal.plan.value[1]}, {became}"


def check_money(trade: Trade) -> None:
    """Nothing was made or lost, the escrow holds what it owes and then nothing, and everybody has what is theirs."""
    market, book, escrow = trade.market, trade.book, trade.market.chain.deployment.escrow
    people = {who: account_of(who).address for who in PEOPLE}
    wrong = []
    for name, token in market.tokens.items():
        owed = sum(market.chain.escrow_balance(token, address) for address in people.values())
        wrong += differs(f"the escrow's {name}", owed, market.chain.token_balance(token, escrow))
        for who in PEOPLE:
            trade.take_credit(token, who)
        wrong += differs(f"the escrow's {name}, all withdrawn", 0, market.chain.token_balance(token, escrow))
        owned = {who: market.chain.token_balance(token, address) for who, address in people.items()}
        wrong += differs(f"all {name}", book.minted[name], sum(owned.values()))
        for who in PEOPLE:
            wrong += differs(f"the {name} of {who}", book.money[name, who], owned[who])
    for number, asset in trade.assets.items():
        for who in SCIENTISTS:
            found = market.chain.token_balance(asset.datatoken, people[who])
            wrong += differs(
                f"datatokens {number} of {who}", book.datatokens[number, who] * ONE_DATATOKEN_WEI, found
            )
    assert not wrong, report(wrong)


def check_receipts(trade: Trade) -> None:
    """Every job has one receipt, which verifies, says how the job ended, and stands in a log that is anchored whole."""
    for site in trade.market.sites.values():
        chain, trust = trade.market.chain, build_trust(trade.market.chain, site.address)
        indices = []
        for deal in trade.deals:
            if trade.site(deal.number) is not site or deal.plan is Plan.FORGOTTEN:
                continue
            receipt, proof = (
                site.client(deal.who).get_bytes(f"/v1/jobs/{deal.job_id}/{part}")
                for part in ("receipt", "proof")
            )
            statement = verify_receipt(receipt, proof, trust, {}, DeploymentEvidence(chain)).statement
            check_statement(deal, statement, trade.book.orders[deal.job_id].amount)
            indices.append(statement.facts.log.index)
        size = site.database.ledger.size()
        assert sorted(indices) == list(range(size))
        assert chain.anchored_size(site.address) == size == len(site.jobs())


def check_statement(deal: Deal, statement: Statement, amount: int) -> None:
    facts = statement.facts
    assert facts.job.attempt >= (2 if deal.plan is Plan.SLOW else deal.plan.fate.is_paid)
    assert (facts.job.id, facts.job.consumer) == (deal.job_id, account_of(deal.who).address.lower())
    assert facts.egress.outcome == deal.plan.fate.value
    assert (facts.run is not None) is deal.plan.fate.is_paid
    amounts = [order.amount_wei for order in facts.job.orders]
    assert amounts == [amount] if amounts else not deal.plan.fate.is_paid


def differs(what: str, expected: int, found: int) -> list[str]:
    return (
        [] if expected == found else [f"{what}: expected {expected}, found {found} ({found - expected:+d})"]
    )


def report(wrong: list[str]) -> str:
    return "\n".join([f"SEALROOM_TRADE_SEED={SEED}:", *wrong])
