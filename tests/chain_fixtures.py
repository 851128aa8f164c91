"""A real local chain for tests: one anvil for the session, snapshot and revert around each test that uses `chain`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.deploy import deploy_contracts
from datatokens.ethkeys import Account, LocalAccount
from datatokens.localchain import LocalChain, find_free_port, fund, request, start, stop
from datatokens.model import DATASET_KIND, Asset, AssetTerms, Deployment, Order, OrderItem
from datatokens.patience import Patience

HASTY = Patience(request_s=1, repeat_s=0)
"""For nodes that a test knows to be away: nothing is asked twice."""
COIN = 10**18
PRICE = 5 * COIN
ALGORITHM = b"\xa1" * 32
JOB = b"\x0b" * 32


@dataclass(frozen=True, slots=True)
class People:
    """Funded accounts: the scientist and the stranger also hold 1000 test tokens each."""

    owner: LocalAccount
    scientist: LocalAccount
    provider: LocalAccount
    stranger: LocalAccount

    def everyone(self) -> tuple[LocalAccount, ...]:
        return (self.owner, self.scientist, self.provider, self.stranger)


def account_for(role: str) -> LocalAccount:
    """Return the same throw-away account for the same role."""
    account: LocalAccount = Account.from_key(hashlib.sha256(b"sealroom test " + role.encode()).digest())
    return account


@pytest.fixture(scope="session")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    chain = start(tmp_path_factory.mktemp("chain") / "state.json", find_free_port())
    yield chain
    stop(chain.pid)


@pytest.fixture(scope="session")
def people(anvil: LocalChain) -> People:
    found = People(*(account_for(role) for role in ("owner", "scientist", "provider", "stranger")))
    for person in found.everyone():
        fund(anvil.rpc_url, person.address, 1000 * COIN)
    return found


@pytest.fixture(scope="session")
def deployment(anvil: LocalChain, people: People) -> Deployment:
    deployed = deploy_contracts(anvil.rpc_url, people.provider, with_test_token=True)
    client = ChainClient.connect(anvil.rpc_url, deployed)
    client.faucet(1000 * COIN, sender=people.scientist)
    client.faucet(1000 * COIN, sender=people.stranger)
    return deployed


@pytest.fixture
def chain(anvil: LocalChain, deployment: Deployment) -> Iterator[ChainClient]:
    snapshot = request(anvil.rpc_url, "evm_snapshot")
    yield ChainClient.connect(anvil.rpc_url, deployment)
    if request(anvil.rpc_url, "evm_revert", snapshot) is not True:
        raise RuntimeError("the chain did not go back to where it was before the test")


@pytest.fixture
def asset(chain: ChainClient, people: People) -> Asset:
    """A dataset on sale, on which ALGORITHM is approved for a day."""
    registered = register_dataset(chain, people)
    chain.approve(registered.token_id, ALGORITHM, chain.head().time + 86_400, sender=people.owner)
    return registered


def asset_terms(chain: ChainClient, people: People, **changes: Any) -> AssetTerms:
    terms = AssetTerms(
        kind=DATASET_KIND,
        commitment=b"\xc0" * 32,
        metadata_digest=b"\xd0" * 32,
        policy_digest=b"\xe0" * 32,
        uri="http://127.0.0.1:8030",
        price_wei=PRICE,
        payment_token=chain.deployment.payment_token or "",
        provider=people.provider.address,
        provider_share_bps=1000,
        max_deadline_s=3600,
    )
    return replace(terms, **changes)


def register_dataset(chain: ChainClient, people: People, **changes: Any) -> Asset:
    return chain.register(asset_terms(chain, people, **changes), sender=people.owner)[0]


def place_order(
    chain: ChainClient,
    asset: Asset,
    consumer: LocalAccount,
    *,
    job_id: bytes = JOB,
    with_datatoken: bool = False,
) -> Order:
    deadline = chain.head().time + 600
    item = OrderItem(asset.token_id, PRICE, with_datatoken=with_datatoken)
    chain.order(job_id, ALGORITHM, [item], deadline, sender=consumer)
    order = chain.find_order(job_id, consumer.address, asset.token_id)
    if order is None:
        raise RuntimeError("the order isn't on the chain")
    return order


def travel(anvil: LocalChain, seconds: int) -> None:
    """Let time pass on the chain."""
    request(anvil.rpc_url, "evm_increaseTime", hex(seconds))
    request(anvil.rpc_url, "evm_mine")


def load_hostile(name: str) -> dict[str, Any]:
    """Read the artifact of a contract that only tests deploy."""
    path = Path(__file__).parent / "datatokens" / "artifacts" / f"{name}.json"
    value: dict[str, Any] = json.loads(path.read_text())
    return value
