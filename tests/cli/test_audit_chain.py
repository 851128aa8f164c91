"""What an audit reads of a real chain: orders once, in windows; what a reorganisation took; datasets, policies, approvals, blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.auditchain import AuditChain
from cli.auditstate import AuditState, open_state
from datatokens.client import ChainClient
from datatokens.localchain import LocalChain, request
from datatokens.model import Asset, OrderStatus
from tests.chain_fixtures import ALGORITHM, JOB, PRICE, People, place_order, travel

OTHER_JOB = b"\x0c" * 32


@pytest.fixture
def state(tmp_path: Path) -> Iterator[AuditState]:
    with closing(open_state(tmp_path / "audit.sqlite")) as opened:
        yield opened


class Counting:
    """A chain client that tells from which block orders were read."""

    def __init__(self, chain: ChainClient) -> None:
        self._chain = chain
        self.firsts: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def walk_orders(self, token_id: int, *, first: int, last: int) -> Any:
        self.firsts.append(first)
        return self._chain.walk_orders(token_id, first=first, last=last)


def read(chain: Any, people: People, state: AuditState) -> AuditChain:
    found = AuditChain(chain, people.provider.address, state)
    found.read_orders()
    return found


def test_orders_are_found_with_how_they_ended(
    chain: ChainClient, people: People, asset: Asset, state: AuditState
) -> None:
    order = place_order(chain, asset, people.scientist)
    late = place_order(chain, asset, people.stranger, job_id=OTHER_JOB)
    chain.settle([order.order_id], [late.order_id], sender=people.provider)
    found = read(chain, people, state)
    settled, refunded = sorted(found.list_orders(0), key=lambda item: item.status)
    assert (settled.job_id, settled.status) == (JOB.hex(), OrderStatus.SETTLED)
    assert (refunded.job_id, refunded.refunded_by_provider) == (OTHER_JOB.hex(), True)
    assert refunded.ended_time == chain.get_block(refunded.ended_block).time
    placed = found.find_order(JOB.hex(), people.scientist.address.lower(), asset.token_id)
    assert placed == chain.find_order_event(JOB, people.scientist.address, asset.token_id)
    assert found.find_order(JOB.hex(), people.stranger.address, asset.token_id) is None


def test_old_orders_are_read_once_and_recent_ones_each_time(
    chain: ChainClient, people: People, asset: Asset, state: AuditState, anvil: LocalChain
) -> None:
    order = place_order(chain, asset, people.scientist)
    request(anvil.rpc_url, "anvil_mine", hex(70))
    counting = Counting(chain)
    read(counting, people, state)
    place_order(chain, asset, people.scientist, job_id=OTHER_JOB)
    chain.settle([order.order_id], [], sender=people.provider)
    again = read(counting, people, state)
    assert counting.firsts[0] == 0
    assert min(counting.firsts[2:]) == chain.head().number - 2 - 64 + 1
    assert {item.job_id: item.status for item in again.list_orders(0)} == {
        JOB.hex(): OrderStatus.SETTLED,
        OTHER_JOB.hex(): OrderStatus.OPEN,
    }


def test_what_a_reorganisation_took_is_forgotten(
    chain: ChainClient, people: People, asset: Asset, state: AuditState, anvil: LocalChain
) -> None:
    order = place_order(chain, asset, people.scientist)
    request(anvil.rpc_url, "anvil_mine", hex(70))
    read(chain, people, state)
    snapshot = request(anvil.rpc_url, "evm_snapshot")
    place_order(chain, asset, people.scientist, job_id=OTHER_JOB)
    chain.settle([order.order_id], [], sender=people.provider)
    assert len(list(read(chain, people, state).list_orders(0))) == 2
    request(anvil.rpc_url, "evm_revert", snapshot)
    (left,) = read(chain, people, state).list_orders(0)
    assert (left.job_id, left.status, left.ended_block) == (JOB.hex(), OrderStatus.OPEN, 0)


def test_a_deeper_reorganisation_has_all_orders_read_anew(
    chain: ChainClient, people: People, asset: Asset, state: AuditState, anvil: LocalChain
) -> None:
    snapshot = request(anvil.rpc_url, "evm_snapshot")
    place_order(chain, asset, people.scientist)
    request(anvil.rpc_url, "anvil_mine", hex(70))
    assert len(list(read(chain, people, state).list_orders(0))) == 1
    request(anvil.rpc_url, "evm_revert", snapshot)
    travel(anvil, 5)
    request(anvil.rpc_url, "anvil_mine", hex(80))
    assert list(read(chain, people, state).list_orders(0)) == []


def test_datasets_policies_approvals_and_blocks_are_told_as_they_stood(
    chain: ChainClient, people: People, asset: Asset, state: AuditState
) -> None:
    before = chain.head()
    chain.set_policy(asset.token_id, b"\xe1" * 32, sender=people.owner)
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)
    found = read(chain, people, state)
    dataset = found.find_dataset(asset.token_id)
    assert dataset is not None
    assert (dataset.asset_id, dataset.commitment) == (asset.asset_id, asset.terms.commitment)
    assert [record.digest for record in dataset.policies] == [b"\xe0" * 32, b"\xe1" * 32]
    assert found.find_dataset(99) is None
    for number in (before.number, chain.head().number, 0):
        told = found.find_approval(asset.token_id, ALGORITHM, number, 0)
        assert told == (chain.find_approval(asset.token_id, ALGORITHM, number) if number else None)
    assert found.find_approval(asset.token_id, b"\xa9" * 32, before.number, 0) is None
    found.read_blocks([before.number, before.number, before.number + 1])
    assert found.find_block(before.number) == before
    assert found.find_block(chain.head().number + 1) is None


def test_a_dataset_of_another_provider_is_told_with_its_provider(
    chain: ChainClient, people: People, asset: Asset, state: AuditState
) -> None:
    terms = replace(asset.terms, provider=people.stranger.address, price_wei=PRICE)
    theirs = chain.register(terms, sender=people.owner)[0]
    dataset = read(chain, people, state).find_dataset(theirs.token_id)
    assert dataset is not None
    assert dataset.provider == people.stranger.address
