"""Orders that are new, and orders that a reorganisation takes away: real chain, real reorganisations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.evidence import DeploymentEvidence
from datatokens.client import ChainClient
from datatokens.localchain import LocalChain, request
from datatokens.model import LOCAL_CHAIN_ID, OrderStatus
from provider.jobs.states import State
from provider.settings import Settings
from tests.hospital_fixtures import Hospital

CONFIRMATIONS = 3


@pytest.fixture
def careful(hospital: Hospital) -> Hospital:
    """A hospital that believes in what has three blocks on it."""
    hospital.judge._confirmations = hospital.notary._confirmations = CONFIRMATIONS
    return hospital


def mine(anvil: LocalChain, blocks: int) -> None:
    request(anvil.rpc_url, "anvil_mine", hex(blocks))


def reorganise(anvil: LocalChain, depth: int) -> None:
    """Replace the last blocks by as many empty ones."""
    request(anvil.rpc_url, "anvil_reorg", depth, [])


def test_an_order_counts_once_three_blocks_stand_on_it(careful: Hospital, anvil: LocalChain) -> None:
    asset, bundle = careful.accepted()
    job_id = careful.submit(asset, bundle)
    careful.pay(asset, bundle, job_id)
    for blocks in (0, 1, 1):
        mine(anvil, blocks)
        careful.clerk.turn()
        assert (careful.job(job_id).state, careful.job(job_id).code) == (
            State.WAITING,
            "awaiting-confirmations",
        )
    assert "waiting for confirmations" in careful.job(job_id).message
    mine(anvil, 1)
    careful.clerk.turn()
    assert (careful.job(job_id).state, careful.job(job_id).code) == (State.QUEUED, "order-accepted")


def test_a_receipt_names_a_confirmed_block_on_which_order_and_approval_stand(
    careful: Hospital, anvil: LocalChain
) -> None:
    asset, bundle = careful.accepted()
    job_id = careful.submit(asset, bundle)
    careful.pay(asset, bundle, job_id)
    mine(anvil, CONFIRMATIONS)
    head = careful.lab.chain.head()
    careful.work()
    assert careful.job(job_id).state is State.RELEASED
    statement = careful.statement(job_id)
    assert statement.facts.not_before.number == head.number - CONFIRMATIONS
    evidence = DeploymentEvidence(careful.lab.chain)
    assert evidence.orders_match(statement)
    assert evidence.approvals_match(statement)


def test_a_job_on_two_datasets_waits_until_the_newest_of_its_orders_is_confirmed(
    careful: Hospital, anvil: LocalChain
) -> None:
    (first, bundle), second = careful.accepted(), careful.lab.add_dataset()
    careful.lab.approve(second, bundle)
    job_id = careful.submit(first, bundle, datasets=[first.asset_id, second.asset_id])
    careful.pay(first, bundle, job_id)
    mine(anvil, CONFIRMATIONS)
    careful.clerk.turn()
    assert careful.job(job_id).code == "awaiting-order"
    careful.pay(second, bundle, job_id)
    careful.clerk.turn()
    assert careful.job(job_id).code == "awaiting-confirmations"
    mine(anvil, CONFIRMATIONS)
    careful.clerk.turn()
    assert careful.job(job_id).state is State.QUEUED
    reorganise(anvil, CONFIRMATIONS + 1)  # the second order is gone
    careful.runner.turn()
    job = careful.job(job_id)
    assert (job.state, job.code, job.orders) == (State.WAITING, "awaiting-order", ())


def test_an_approval_that_is_newer_than_the_confirmed_block_has_to_wait(
    careful: Hospital, anvil: LocalChain
) -> None:
    asset, bundle = careful.accepted()
    job_id = careful.submit(asset, bundle)
    careful.pay(asset, bundle, job_id)
    algorithm = bytes.fromhex(bundle.digest.removeprefix("sha256:"))
    careful.lab.chain.revoke(asset.token_id, algorithm, sender=careful.lab.people.owner)
    mine(anvil, CONFIRMATIONS)
    careful.lab.approve(asset, bundle)
    careful.clerk.turn()
    assert careful.job(job_id).code == "awaiting-confirmations"
    mine(anvil, CONFIRMATIONS)
    careful.clerk.turn()
    assert careful.job(job_id).state is State.QUEUED


@pytest.mark.parametrize("confirmations", [0, CONFIRMATIONS])
def test_an_order_that_is_reorganised_away_before_its_run_runs_nothing_until_it_is_there_again(
    careful: Hospital, anvil: LocalChain, confirmations: int
) -> None:
    careful.judge._confirmations = confirmations
    asset, bundle = careful.accepted()
    job_id = careful.submit(asset, bundle)
    mine(anvil, CONFIRMATIONS)
    careful.pay(asset, bundle, job_id)
    mine(anvil, confirmations)
    careful.clerk.turn()
    assert careful.job(job_id).state is State.QUEUED
    reorganise(anvil, confirmations + 1)
    assert careful.order_status(job_id) is OrderStatus.NONE
    careful.runner.turn()
    job = careful.job(job_id)
    assert (job.state, job.code, job.attempt, job.orders) == (State.WAITING, "awaiting-order", 0, ())
    assert careful.lab.database.ledger.size() == 0
    careful.pay(asset, bundle, job_id)
    mine(anvil, confirmations)
    careful.work()
    assert careful.job(job_id).state is State.RELEASED


def test_jobs_wait_for_a_node_that_is_on_another_chain_and_say_so(
    hospital: Hospital, anvil: LocalChain
) -> None:
    asset, bundle = hospital.accepted()
    waiting, queued = hospital.submit(asset, bundle), hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, queued)
    hospital.clerk.turn()
    elsewhere = ChainClient.connect(anvil.rpc_url, replace(hospital.lab.chain.deployment, chain_id=1))
    hospital.judge._chain = hospital.clerk._chain = elsewhere
    hospital.clerk.turn()
    assert hospital.runner.turn() is False
    assert hospital.job(waiting).code == hospital.job(queued).code == "wrong-chain"
    assert (hospital.lab.client.get("/v1/health").json or {})["chain"] == "wrong"
    hospital.judge._chain = hospital.clerk._chain = hospital.lab.chain
    hospital.work()
    assert hospital.job(queued).state is State.RELEASED


@pytest.mark.parametrize(
    ("setting", "chain_id", "expected"),
    [(None, LOCAL_CHAIN_ID, 0), (None, 1, 3), (7, LOCAL_CHAIN_ID, 7), (0, 1, 0)],
)
def test_a_local_chain_needs_no_confirmations_and_others_three_unless_the_operator_says_so(
    setting: int | None, chain_id: int, expected: int
) -> None:
    settings = Settings(port=1, rpc_url="http://127.0.0.1:1", data_root="/", confirmations=setting)
    assert settings.confirmations_on(chain_id) == expected
