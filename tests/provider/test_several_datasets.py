"""One job on the data of two owners: real chain, real containers, real receipts."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.evidence import DeploymentEvidence
from datatokens.ethkeys import LocalAccount
from datatokens.localchain import LocalChain
from datatokens.model import Asset, OrderItem, OrderStatus
from policies.canonical import parse_digest
from policies.model import Policy
from provider.jobs.states import State
from provider.receipts.facts import ReceiptFacts
from provider.release import create_result_key, open_release
from provider.rounding import TIME_STEP_S
from sandbox.bundle import Bundle
from tests.chain_fixtures import PRICE, travel
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import CSV, POLICY, new_account

BOTH = """\
import json, os, pathlib, struct
tables = [pathlib.Path(f"/data/inputs/{asset}/0").read_text() for asset in json.loads(os.environ["DIDS"])]
print("rows of", len(tables))
counts = [len(table.splitlines()) for table in tables]
head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
out = pathlib.Path("/data/outputs")
out.joinpath("model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + struct.pack("<2f", *counts))
out.joinpath("metrics.json").write_text(json.dumps({"loss": 0.5}))
"""
CLINIC_CSV = "age,outcome\n" + "".join(f"{30 + n},{n % 2}\n" for n in range(11))
STRICT = POLICY.replace("time_s: 20", "time_s: 15").replace("pids: 64", "pids: 99")
SETTLED, REFUNDED, OPEN, NONE = (
    OrderStatus.SETTLED,
    OrderStatus.REFUNDED,
    OrderStatus.OPEN,
    OrderStatus.NONE,
)


@dataclass(slots=True)
class Clinics:
    """Two owners with one dataset each at one hospital, and an algorithm that reads both."""

    hospital: Hospital
    owners: tuple[LocalAccount, LocalAccount]
    assets: list[Asset]
    bundle: Bundle

    @property
    def scientist(self) -> LocalAccount:
        return self.hospital.lab.people.scientist

    def submit(self, **changes: Any) -> str:
        datasets = [asset.asset_id for asset in self.assets]
        return self.hospital.submit(self.assets[0], self.bundle, datasets=datasets, **changes)

    def pay(self, job_id: str, *assets: Asset) -> str:
        """Order a job on all its datasets, or on some, in one transaction; return it."""
        chain = self.hospital.lab.chain
        items = [OrderItem(asset.token_id, PRICE) for asset in assets or self.assets]
        algorithm, deadline = parse_digest(self.bundle.digest), chain.head().time + 3600
        return chain.order(bytes.fromhex(job_id), algorithm, items, deadline, sender=self.scientist).tx_hash

    def queue(self, **changes: Any) -> str:
        job_id = self.submit(**changes)
        self.pay(job_id)
        self.hospital.clerk.turn()
        assert self.hospital.job(job_id).state is State.QUEUED
        return job_id

    def orders(self, job_id: str) -> list[OrderStatus]:
        """Return how the orders of a job stand, in the order of its datasets."""
        chain, job = self.hospital.lab.chain, bytes.fromhex(job_id)
        found = [chain.find_order(job, self.scientist.address, asset.token_id) for asset in self.assets]
        return [order.status if order else NONE for order in found]

    def refund(self, job_id: str, asset: Asset) -> None:
        """Have somebody who has nothing to do with it refund one order, as the chain allows after the deadline."""
        chain = self.hospital.lab.chain
        order = chain.find_order(bytes.fromhex(job_id), self.scientist.address, asset.token_id)
        assert order is not None
        chain.refund(order.order_id, sender=self.owners[1])

    def ended(self, job_id: str) -> tuple[State, str]:
        job = self.hospital.job(job_id)
        return job.state, job.code

    def facts(self, job_id: str) -> ReceiptFacts:
        return self.hospital.statement(job_id).facts

    def credit(self, who: LocalAccount) -> int:
        chain = self.hospital.lab.chain
        return chain.escrow_balance(chain.deployment.payment_token or "", who.address)


def open_clinics(
    hospital: Hospital,
    *,
    first: str = POLICY,
    second: str = POLICY,
    source: str = BOTH,
    one_owner: bool = False,
) -> Clinics:
    lab, bundle = hospital.lab, hospital.bundle(source)
    owners = (lab.people.owner, lab.people.owner if one_owner else lab.people.stranger)
    lab.settings = lab.settings.model_copy(update={"owners": tuple(owner.address for owner in owners)})
    (Path(lab.settings.data_root) / "clinic.csv").write_text(CLINIC_CSV)
    assets = [
        lab.add_dataset(policy=first, owner=owners[0]),
        lab.add_dataset(policy=second, path="clinic.csv", owner=owners[1]),
    ]
    lab.upload(bundle)
    for asset, owner in zip(assets, owners, strict=True):
        lab.approve(asset, bundle, owner=owner)
    return Clinics(hospital, owners, assets, bundle)


@pytest.fixture
def clinics(hospital: Hospital) -> Clinics:
    return open_clinics(hospital)


# The way of an honest job


def test_a_job_on_the_data_of_two_owners_runs_once_is_paid_to_both_and_receipted_with_both(
    hospital: Hospital,
) -> None:
    clinics, key = open_clinics(hospital, second=STRICT), create_result_key()
    credit = [clinics.credit(owner) for owner in clinics.owners]
    job_id = clinics.submit(result_key=base64.b64encode(key.public).decode())
    transaction = clinics.pay(job_id)
    hospital.clerk.turn()
    hospital.runner.turn()
    assert clinics.orders(job_id) == [OPEN, OPEN]
    head = hospital.lab.chain.head().number
    hospital.notary.turn()
    assert hospital.lab.chain.head().number == head + 1  # one transaction anchors, and ends both
    assert clinics.ended(job_id) == (State.RELEASED, "released")
    files = open_release(
        hospital.lab.read(clinics.scientist, f"/v1/jobs/{job_id}/release").data, key.private, job_id
    )
    rows = [len(table.splitlines()) for table in (CSV, CLINIC_CSV)]
    assert list(struct.unpack("<2f", files["model.safetensors"][-8:])) == rows
    assert clinics.orders(job_id) == [SETTLED, SETTLED]
    assert [clinics.credit(owner) for owner in clinics.owners] == [
        before + PRICE * 9 // 10 for before in credit
    ]
    statement = hospital.verify(job_id, files)
    facts, ids = statement.facts, [asset.asset_id for asset in clinics.assets]
    assert [dataset.asset_id for dataset in facts.inputs.datasets] == ids
    assert [order.tx_hash for order in facts.job.orders] == [transaction] * 2
    assert [order.token_id for order in facts.job.orders] == [asset.token_id for asset in clinics.assets]
    assert {rule.asset_id for rule in facts.policy.rules} == set(ids)
    assert facts.sandbox is not None
    assert (facts.sandbox.limits["time_s"], facts.sandbox.limits["pids"]) == ("15", "64")
    evidence = DeploymentEvidence(hospital.lab.chain)
    assert evidence.orders_match(statement)
    assert evidence.approvals_match(statement)
    view = hospital.lab.read(clinics.scientist, f"/v1/jobs/{job_id}").json or {}
    assert view["order_tx"] == transaction


# Nothing runs that one of them doesn't allow


def test_a_policy_of_two_that_denies_refuses_the_job_before_money_moves_and_the_receipt_says_whose(
    hospital: Hospital,
) -> None:
    clinics = open_clinics(hospital, second=POLICY.replace("DUO:0000006", "DUO:0000011"))
    job_id = clinics.submit()
    hospital.clerk.turn()
    assert hospital.job(job_id).message == "refused by rule purpose-allowed"
    hospital.notary.turn()
    facts = hospital.verify(job_id, {}).facts
    denied = [rule for rule in facts.policy.rules if rule.verdict == "deny"]
    assert [(rule.name, rule.asset_id) for rule in denied] == [
        ("purpose-allowed", clinics.assets[1].asset_id)
    ]
    assert facts.job.orders == ()
    assert clinics.orders(job_id) == [NONE, NONE]


def test_a_job_waits_until_every_owner_has_approved_its_algorithm(clinics: Clinics) -> None:
    lab, (_, second) = clinics.hospital.lab, clinics.assets
    lab.chain.revoke(second.token_id, parse_digest(clinics.bundle.digest), sender=clinics.owners[1])
    third = lab.add_dataset(path="clinic.csv", owner=clinics.owners[1])
    clinics.assets = [clinics.assets[0], third]
    job_id = clinics.submit()
    clinics.hospital.clerk.turn()
    assert clinics.ended(job_id) == (State.WAITING, "awaiting-approval")
    lab.approve(third, clinics.bundle, owner=clinics.owners[1])
    clinics.hospital.clerk.turn()
    assert clinics.ended(job_id) == (State.WAITING, "awaiting-order")


@pytest.mark.parametrize("which", [0, 1])
def test_hole_7_an_approval_of_two_that_is_revoked_after_payment_refunds_both(
    clinics: Clinics, which: int
) -> None:
    job_id, asset = clinics.queue(), clinics.assets[which]
    algorithm = parse_digest(clinics.bundle.digest)
    clinics.hospital.lab.chain.revoke(asset.token_id, algorithm, sender=clinics.owners[which])
    clinics.hospital.runner.turn()
    clinics.hospital.notary.turn()
    assert clinics.hospital.job(job_id).message == "refused by rule algorithm-approved"
    assert clinics.orders(job_id) == [REFUNDED, REFUNDED]
    facts = clinics.facts(job_id)
    assert {rule.asset_id for rule in facts.policy.rules if rule.verdict == "deny"} == {asset.asset_id}
    assert len(facts.job.orders) == 2


@pytest.mark.parametrize("changed", ["wards.csv", "clinic.csv"])
def test_data_of_one_of_two_that_changed_is_not_used_and_both_are_refunded(
    clinics: Clinics, changed: str
) -> None:
    job_id = clinics.queue()
    (Path(clinics.hospital.lab.settings.data_root) / changed).write_text("age,outcome\n1,1\n")
    clinics.hospital.runner.turn()
    clinics.hospital.notary.turn()
    assert clinics.ended(job_id) == (State.FAILED, "dataset-changed")
    assert clinics.orders(job_id) == [REFUNDED, REFUNDED]


# Money: all of a job's orders, or none


def test_hole_4_a_job_of_which_one_dataset_is_ordered_waits_for_the_other(clinics: Clinics) -> None:
    job_id = clinics.submit()
    for asset in clinics.assets:
        assert clinics.ended(job_id)[0] is State.WAITING
        clinics.pay(job_id, asset)
        clinics.hospital.work()
    assert clinics.ended(job_id) == (State.RELEASED, "released")
    assert len({order.tx_hash for order in clinics.facts(job_id).job.orders}) == 2


def test_a_job_that_stays_half_paid_until_it_expires_is_refused_and_refunded(clinics: Clinics) -> None:
    job_id = clinics.submit()
    clinics.pay(job_id, clinics.assets[1])
    clinics.hospital.lab.clock[0] += 3601
    clinics.hospital.work()
    assert clinics.hospital.job(job_id).message == "refused by rule request-current"
    assert clinics.orders(job_id) == [NONE, REFUNDED]
    assert clinics.facts(job_id).job.orders == ()


@pytest.mark.parametrize("which", [0, 1])
def test_a_stranger_who_refunds_one_order_after_the_deadline_stops_the_job_and_the_other_comes_back(
    clinics: Clinics, anvil: LocalChain, which: int
) -> None:
    job_id = clinics.queue(expiry=clinics.hospital.lab.now + 86_400)
    travel(anvil, 3700)
    clinics.refund(job_id, clinics.assets[which])
    clinics.hospital.runner.turn()
    clinics.hospital.notary.turn()
    assert clinics.ended(job_id) == (State.REFUSED, "order-used")
    assert clinics.orders(job_id) == [REFUNDED, REFUNDED]


def test_when_a_stranger_refunds_one_order_after_the_run_nothing_leaves_and_nothing_is_paid(
    clinics: Clinics, anvil: LocalChain
) -> None:
    credit = [clinics.credit(owner) for owner in clinics.owners]
    job_id = clinics.queue(expiry=clinics.hospital.lab.now + 86_400)
    clinics.hospital.runner.turn()
    assert clinics.ended(job_id) == (State.RELEASED, "released")
    travel(anvil, 3700)
    clinics.refund(job_id, clinics.assets[1])
    clinics.hospital.notary.turn()
    assert clinics.orders(job_id) == [REFUNDED, REFUNDED]
    assert [clinics.credit(owner) for owner in clinics.owners] == credit
    answer = clinics.hospital.lab.read(clinics.scientist, f"/v1/jobs/{job_id}/release")
    assert (answer.json or {})["code"] == "not-settled"


# Who sees what


def test_both_owners_and_the_consumer_see_the_job_and_nobody_else(clinics: Clinics) -> None:
    lab, job_id = clinics.hospital.lab, clinics.submit()
    for who in (clinics.scientist, *clinics.owners):
        assert lab.read(who, f"/v1/jobs/{job_id}").status_code == 200
        assert [job["job_id"] for job in (lab.read(who, "/v1/jobs").json or {})["jobs"]] == [job_id]
    stranger = new_account()
    assert lab.read(stranger, f"/v1/jobs/{job_id}").status_code == 404
    assert (lab.read(stranger, "/v1/jobs").json or {})["jobs"] == []


@pytest.mark.parametrize("which", [0, 1])
def test_an_owner_of_one_of_two_datasets_cancels_the_job_and_both_are_refunded(
    clinics: Clinics, which: int
) -> None:
    job_id = clinics.queue()
    answer = clinics.hospital.lab.act(clinics.owners[which], "job.cancel", {"job_id": job_id})
    assert answer.status_code == 200
    clinics.hospital.work()
    assert clinics.ended(job_id) == (State.CANCELLED, "cancelled")
    assert clinics.orders(job_id) == [REFUNDED, REFUNDED]


def test_an_owner_of_one_of_two_datasets_sees_times_as_round_as_the_public(clinics: Clinics) -> None:
    lab = clinics.hospital.lab
    lab.clock[0] += 3 - lab.now % TIME_STEP_S
    job_id = clinics.submit()
    for owner in clinics.owners:
        (listed,) = (lab.read(owner, "/v1/jobs").json or {})["jobs"]
        for view in (lab.read(owner, f"/v1/jobs/{job_id}").json or {}, listed):
            assert all(step["time"] % TIME_STEP_S == 0 for step in view["timeline"])
            assert view["submitted"] % TIME_STEP_S == 0


LOG_OPEN = "logs: consumer\n"


def logs_of(clinics: Clinics, job_id: str) -> str:
    run = clinics.facts(job_id).run
    assert run is not None
    return run.logs


@pytest.mark.parametrize(("second", "word"), [("", "nobody"), (LOG_OPEN, "consumer")])
def test_a_log_that_may_hold_rows_of_both_is_read_by_all_where_both_policies_open_it_else_by_none(
    hospital: Hospital, second: str, word: str
) -> None:
    clinics = open_clinics(hospital, first=POLICY + LOG_OPEN, second=POLICY + second)
    job_id = clinics.queue()
    hospital.runner.turn()
    hospital.notary.turn()
    for who in (*clinics.owners, clinics.scientist):
        answer = hospital.lab.read(who, f"/v1/jobs/{job_id}/log")
        assert (answer.data == b"rows of 2\n") == (word == "consumer")
        assert answer.status_code == (200 if word == "consumer" else 404)
    assert logs_of(clinics, job_id) == word
    assert (hospital.job(job_id).log_blob is None) == (word == "nobody")


def test_a_log_of_one_owner_s_data_is_read_by_that_owner_until_one_dataset_has_another(
    hospital: Hospital,
) -> None:
    clinics = open_clinics(hospital, one_owner=True)
    job_id, chain, owner = clinics.queue(), hospital.lab.chain, clinics.owners[0]
    hospital.runner.turn()
    assert logs_of(clinics, job_id) == "owner"
    assert hospital.lab.read(owner, f"/v1/jobs/{job_id}/log").data == b"rows of 2\n"
    buyer = hospital.lab.people.stranger
    chain._gateway.send(
        chain._registry,
        "transferFrom",
        owner.address,
        buyer.address,
        clinics.assets[1].token_id,
        sender=owner,
    )
    for who in (owner, buyer):
        assert hospital.lab.read(who, f"/v1/jobs/{job_id}/log").status_code == 404


# What a job runs in


def test_a_warm_container_is_for_the_state_of_all_datasets(clinics: Clinics) -> None:
    launcher, judge = clinics.hospital.runner._launcher, clinics.hospital.judge
    job = clinics.hospital.job(clinics.submit())

    def recipe() -> Any:
        evaluation = judge.evaluate(job, now=clinics.hospital.lab.now)
        policy, bundle = evaluation.policy, evaluation.bundle
        assert isinstance(policy, Policy)
        assert bundle is not None
        return launcher._recipe(launcher.plan(job, evaluation, policy, bundle, clinics.hospital.lab.home))

    seen = [recipe()]
    for name in ("wards.csv", "clinic.csv"):
        path = Path(clinics.hospital.lab.settings.data_root) / name
        path.write_text(path.read_text())
        seen.append(recipe())
    assert seen[0].dataset_ids == tuple(asset.asset_id for asset in clinics.assets)
    assert len({item.contents for item in seen}) == 3
