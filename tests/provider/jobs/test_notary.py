"""Anchoring and settling on a real chain, when the chain forgets and when it refuses. Jobs here are refused: none runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from datatokens.errors import ContractRefusedError
from datatokens.localchain import LocalChain, request
from datatokens.model import Asset, OrderItem, OrderStatus
from datatokens.permits import order_id_of
from policies.canonical import parse_digest
from provider.jobs.clerk import Clerk
from provider.jobs.judge import Judge
from provider.jobs.logkeeping import LogDisagreesError
from provider.jobs.notary import Notary, Pace
from provider.jobs.receipting import Registrar
from provider.logfiles import LogWriter
from provider.receipts.keys import SigningKeys
from provider.settings import ProviderPaths
from provider.store.tables import SettlementRow
from sandbox.bundle import Bundle
from sandbox.engine import DockerEngine
from tests.chain_fixtures import PRICE, travel
from tests.provider_fixtures import Lab, make_bundle

FORBIDDEN = "DUO:0000043"


class StubbornChain:
    """The real chain, whose contract refuses to end the orders named; `meanwhile` happens before the next end of some."""

    def __init__(self, lab: Lab) -> None:
        self._chain = lab.chain
        self.refused: set[bytes] = set()
        self.meanwhile: Callable[[], object] = list

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def settle(self, ran: list[bytes], not_run: list[bytes], **more: Any) -> Any:
        self._check(ran, not_run)
        return self._chain.settle(ran, not_run, **more)

    def anchor_and_settle(
        self, size: int, root: bytes, ran: list[bytes], not_run: list[bytes], **more: Any
    ) -> Any:
        self._check(ran, not_run)
        return self._chain.anchor_and_settle(size, root, ran, not_run, **more)

    def _check(self, ran: list[bytes], not_run: list[bytes]) -> None:
        meanwhile, self.meanwhile = self.meanwhile, list
        meanwhile()
        if self.refused & {*ran, *not_run}:
            raise ContractRefusedError("", {}, "contract: refused")


@dataclass(slots=True)
class Office:
    lab: Lab
    chain: StubbornChain
    clerk: Clerk
    notary: Notary
    asset: Asset
    bundle: Bundle

    def refuse_paid_job(self) -> bytes:
        """Have a paid job refused, and return the id of its order, which is to be refunded."""
        return self.refuse_paid_jobs_on(self.asset)[0]

    def refuse_paid_jobs_on(self, *assets: Asset) -> list[bytes]:
        """Have a job on several datasets refused that was paid, and return the ids of its orders."""
        lab, scientist = self.lab, self.lab.people.scientist
        datasets = [asset.asset_id for asset in assets]
        request = lab.request(self.asset, self.bundle, datasets=datasets, purpose=FORBIDDEN)
        job_id = bytes.fromhex((lab.submit(request).json or {})["job_id"])
        algorithm, deadline = parse_digest(self.bundle.digest), lab.chain.head().time + 3600
        for asset in assets:
            item = OrderItem(asset.token_id, PRICE)
            lab.chain.order(job_id, algorithm, [item], deadline, sender=scientist)
        self.clerk.turn()
        return [order_id_of(job_id, scientist.address, asset.token_id) for asset in assets]

    def record_that_they_ran(self) -> None:
        """Have the orders that wait settled rather than refunded, as if their jobs had run."""
        with self.lab.database.ledger._write() as session:
            session.execute(update(SettlementRow).values(ran=True))

    def statuses(self, order_ids: list[bytes]) -> list[OrderStatus]:
        return [self.lab.chain.order_status(order_id) for order_id in order_ids]

    def add_dataset(self) -> Asset:
        asset = self.lab.add_dataset()
        self.lab.approve(asset, self.bundle)
        return asset

    def anchored(self) -> list[int]:
        return [anchor.size for anchor in self.lab.chain.list_anchors(self.lab.people.provider.address)]


@pytest.fixture
def office(lab: Lab, engine: DockerEngine) -> Office:
    chain: Any = StubbornChain(lab)
    identity, database = lab.services.identity, lab.database
    keys = SigningKeys.generate(lab.chain.chain_id)
    registrar = Registrar(identity, database, keys, clock=lambda: lab.now)
    judge = Judge(identity, database, lab.blobs, chain, engine)
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    lab.approve(asset, bundle)
    clerk = Clerk(database, chain, judge, registrar, clock=lambda: lab.now)
    pace = Pace(lambda: 0, lambda: lab.now)
    folder = ProviderPaths(lab.home).log
    notary = Notary(
        identity, database, chain, keys=keys, sender=lab.people.provider, pace=pace, log_folder=folder
    )
    return Office(lab, chain, clerk, notary, asset, bundle)


def test_anchors_and_refunds_that_the_chain_has_lost_are_sent_again_oldest_first(
    office: Office, anvil: LocalChain
) -> None:
    first = office.refuse_paid_job()
    snapshot = request(anvil.rpc_url, "evm_snapshot")
    office.notary.turn()
    late = office.refuse_paid_job()
    office.notary.turn()
    assert office.anchored() == [1, 2]
    request(anvil.rpc_url, "evm_revert", snapshot)  # as a reorganisation does, or a kill of the local chain
    assert (office.anchored(), office.lab.chain.order_status(first)) == ([], OrderStatus.OPEN)
    assert [office.notary.turn() for _ in range(3)] == [True, True, False]
    assert office.anchored() == [1, 2]
    assert office.lab.chain.order_status(first) is OrderStatus.REFUNDED
    assert office.lab.chain.order_status(late) is OrderStatus.NONE  # the order itself was lost with its block
    newest = office.lab.chain.get_anchor(office.lab.people.provider.address)
    assert newest is not None
    assert office.lab.database.ledger.get_checkpoint(2).tx_hash == newest.tx_hash


def test_while_files_and_database_disagree_nothing_is_signed_or_sent(office: Office) -> None:
    office.refuse_paid_job()
    office.notary.turn()
    folder, late = ProviderPaths(office.lab.home).log, office.refuse_paid_job()
    with LogWriter(folder) as log:
        log.append([b"\x5a" * 32])
    for _ in range(2):
        with pytest.raises(LogDisagreesError):
            office.notary.turn()
    assert office.anchored() == [1]
    assert office.lab.database.ledger.find_checkpoint(anchored=False) is None
    assert office.lab.chain.order_status(late) is OrderStatus.OPEN
    shutil.rmtree(folder)
    assert office.notary.turn() is True
    assert office.anchored() == [1, 2]
    assert office.lab.chain.order_status(late) is OrderStatus.REFUNDED


def test_a_provider_from_before_the_files_has_them_after_its_first_turn(office: Office) -> None:
    office.refuse_paid_job()
    office.notary.turn()
    shutil.rmtree(ProviderPaths(office.lab.home).log)
    office.notary._has_looked = False  # as in a worker that starts
    assert office.notary.turn() is False
    assert office.lab.client.get("/v1/log/tile/entries/000.p/1").status_code == 200


def test_an_order_that_the_contract_refuses_holds_up_no_receipt_and_no_other_order(office: Office) -> None:
    refused, honest = office.refuse_paid_job(), office.refuse_paid_job()
    office.chain.refused = {refused}
    assert [office.notary.turn() for _ in range(2)] == [True, False]
    assert office.anchored() == [2]
    assert office.lab.chain.order_status(honest) is OrderStatus.REFUNDED
    assert office.lab.chain.order_status(refused) is OrderStatus.OPEN


def test_when_the_contract_refuses_one_order_of_a_job_none_of_that_job_is_ended_and_others_are(
    office: Office,
) -> None:
    second = office.add_dataset()
    refused = office.refuse_paid_jobs_on(office.asset, second)
    honest = office.refuse_paid_jobs_on(office.asset, second)
    office.chain.refused = {refused[1]}
    assert [office.notary.turn() for _ in range(2)] == [True, False]
    assert [office.lab.chain.order_status(order_id) for order_id in refused] == [OrderStatus.OPEN] * 2
    assert [office.lab.chain.order_status(order_id) for order_id in honest] == [OrderStatus.REFUNDED] * 2


def test_a_batch_holds_all_orders_of_a_job_or_none(office: Office) -> None:
    second, ledger = office.add_dataset(), office.lab.database.ledger
    jobs = [set(office.refuse_paid_jobs_on(office.asset, second)) for _ in range(2)]
    for limit, whole in ((2, 1), (3, 1), (4, 2), (50, 2)):
        found = ledger.open_settlements(limit)
        by_job = {
            item.job_id: {bytes.fromhex(i.order_id) for i in found if i.job_id == item.job_id}
            for item in found
        }
        assert len(by_job) == whole
        assert all(orders in jobs for orders in by_job.values())


def test_a_refused_order_in_a_later_batch_holds_up_no_other_order(office: Office) -> None:
    refused, honest = office.refuse_paid_job(), office.refuse_paid_job()
    checkpoint = office.notary._due_checkpoint()
    assert checkpoint is not None
    office.lab.chain.anchor(checkpoint.size, checkpoint.root, sender=office.lab.people.provider)
    office.chain.refused = {refused}
    assert [office.notary.turn() for _ in range(2)] == [True, False]
    assert office.lab.chain.order_status(honest) is OrderStatus.REFUNDED


def test_an_anchor_that_a_reorganisation_takes_away_is_sent_again(office: Office, anvil: LocalChain) -> None:
    order = office.refuse_paid_job()
    office.notary.turn()
    assert office.anchored() == [1]
    request(anvil.rpc_url, "anvil_reorg", 1, [])
    assert (office.anchored(), office.lab.chain.order_status(order)) == ([], OrderStatus.OPEN)
    assert [office.notary.turn() for _ in range(2)] == [True, False]
    assert office.anchored() == [1]
    assert office.lab.chain.order_status(order) is OrderStatus.REFUNDED


def test_the_end_of_an_order_that_is_reorganised_away_while_its_anchor_stays_is_sent_again(
    office: Office, anvil: LocalChain
) -> None:
    office.notary._confirmations = 3
    order = office.refuse_paid_job()
    checkpoint = office.notary._due_checkpoint()
    assert checkpoint is not None
    office.lab.chain.anchor(checkpoint.size, checkpoint.root, sender=office.lab.people.provider)
    assert [office.notary.turn() for _ in range(2)] == [True, False]
    assert office.lab.chain.order_status(order) is OrderStatus.REFUNDED
    request(anvil.rpc_url, "anvil_reorg", 1, [])
    assert (office.anchored(), office.lab.chain.order_status(order)) == ([1], OrderStatus.OPEN)
    request(anvil.rpc_url, "anvil_mine", hex(3))
    assert office.notary.turn() is True
    assert office.lab.chain.order_status(order) is OrderStatus.REFUNDED
    request(anvil.rpc_url, "anvil_mine", hex(3))
    assert office.notary.turn() is False
    assert office.lab.database.ledger.unconfirmed_settlements(10**9, 10) == []


def test_when_one_order_of_a_job_was_refunded_and_another_is_to_be_ended_anew_it_is_refunded_too(
    office: Office, anvil: LocalChain
) -> None:
    office.notary._confirmations = 3
    orders = office.refuse_paid_jobs_on(office.asset, office.add_dataset())
    office.record_that_they_ran()
    office.chain.refused = set(orders)  # as when somebody refunds one while ours is on its way
    assert office.notary.turn() is True
    travel(anvil, 3700)
    office.lab.chain.refund(orders[1], sender=office.lab.people.stranger)
    office.chain.refused = set()
    request(anvil.rpc_url, "anvil_mine", hex(3))
    assert office.notary.turn() is True
    assert office.statuses(orders) == [OrderStatus.REFUNDED] * 2
    request(anvil.rpc_url, "anvil_mine", hex(3))
    assert office.notary.turn() is False
    assert office.lab.database.ledger.unconfirmed_settlements(10**9, 10) == []


def test_when_the_chain_has_lost_one_order_of_a_job_that_ran_the_other_is_refunded(
    office: Office, anvil: LocalChain
) -> None:
    orders = office.refuse_paid_jobs_on(office.asset, office.add_dataset())
    office.record_that_they_ran()
    request(anvil.rpc_url, "anvil_reorg", 1, [])
    assert office.statuses(orders) == [OrderStatus.OPEN, OrderStatus.NONE]
    assert office.notary.turn() is True
    assert office.statuses(orders) == [OrderStatus.REFUNDED, OrderStatus.NONE]


@pytest.mark.parametrize("anchored", [False, True])
def test_when_somebody_refunds_one_order_just_before_the_job_is_settled_the_other_is_refunded_too(
    office: Office, anvil: LocalChain, *, anchored: bool
) -> None:
    orders, provider = (
        office.refuse_paid_jobs_on(office.asset, office.add_dataset()),
        office.lab.people.provider,
    )
    office.record_that_they_ran()
    checkpoint = office.notary._due_checkpoint()
    assert checkpoint is not None
    if anchored:
        office.lab.chain.anchor(checkpoint.size, checkpoint.root, sender=provider)
    travel(anvil, 3700)
    office.chain.meanwhile = partial(office.lab.chain.refund, orders[1], sender=office.lab.people.stranger)
    assert [office.notary.turn() for _ in range(2)] == [True, False]
    assert office.statuses(orders) == [OrderStatus.REFUNDED] * 2
    assert office.anchored() == [1]
