"""Plays the life of an asset and of its jobs on a local chain, and says what each transaction cost and for what.

Everything that goes into a transaction is fixed (keys, digests, times), so that the same contracts give the same figures.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bench.gas_checks import WHO, Check, check_receipts
from datatokens.client import ChainClient
from datatokens.deploy import deploy_contracts
from datatokens.errors import LocalChainError
from datatokens.ethkeys import Account, LocalAccount
from datatokens.localchain import find_anvil, find_free_port, fund, request
from datatokens.model import DATASET_KIND, AssetTerms, OrderItem
from datatokens.permits import order_id_of

COIN = 10**18
PRICE = 5 * COIN
START = 1_900_000_000  # the chain's clock, so that times cost the same calldata at every run
DEADLINE = START + 2_000_000
BATCH = 20
STRANGERS = 5
OPEN_ORDERS = (1, 50, 500)
START_TIMEOUT_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """What one transaction cost, in gas: all of it, and the parts that a trace of its steps shows."""

    gas: int
    intrinsic: int
    writes: int
    reads: int
    events: int

    @property
    def rest(self) -> int:
        """What none of the parts is: calls between contracts, hashing, memory, arithmetic, code of a new contract."""
        return self.gas - self.intrinsic - self.writes - self.reads - self.events


@dataclass(frozen=True, slots=True)
class Life:
    """The transactions of one life; `open_orders` has what a paid job cost by the number of strangers' open orders.

    `checks` has what it cost to check a receipt by the depth of its log.
    """

    register: Cost
    approve: Cost
    order: Cost
    settle_one: Cost
    order_in_batch: int
    settle_batch: Cost
    anchor: Cost
    order_by_permit: int
    order_two_datasets: int
    order_by_datatoken: int
    open_orders: dict[int, int]
    clone_bytes: int
    checks: dict[int, Check]
    keep_root: int


def digest(name: str) -> bytes:
    """Return 32 bytes that are the same at every run."""
    return hashlib.sha256(f"sealroom gas {name}".encode()).digest()


class Stage:
    """One chain with our contracts, and the people who use them."""

    def __init__(self, rpc_url: str) -> None:
        self.rpc_url = rpc_url
        names = (
            "owner",
            "provider",
            "scientist",
            "newcomer",
            WHO,
            *(f"stranger {number}" for number in range(STRANGERS)),
        )
        self.people: dict[str, LocalAccount] = {name: Account.from_key(digest(name)) for name in names}
        for person in self.people.values():
            fund(rpc_url, person.address, 1000 * COIN)
        deployment = deploy_contracts(rpc_url, self.people["provider"], with_test_token=True)
        self.chain = ChainClient.connect(rpc_url, deployment)
        self.token = deployment.payment_token or ""
        self.size = 0
        self.algorithm = digest("algorithm")

    def enrich(self, name: str) -> None:
        """Give somebody credit for more jobs than there are."""
        self.chain.faucet(100_000 * COIN, sender=self.people[name])
        self.chain.deposit(self.token, 50_000 * COIN, sender=self.people[name])

    def register(self) -> str:
        """Register an asset and return its transaction."""
        terms = AssetTerms(
            kind=DATASET_KIND,
            commitment=digest("commitment"),
            metadata_digest=digest("metadata"),
            policy_digest=digest("policy"),
            uri="https://sealroom.hospital.org",
            price_wei=PRICE,
            payment_token=self.token,
            provider=self.people["provider"].address,
            provider_share_bps=1000,
            max_deadline_s=3_000_000,
        )
        return self.chain.register(terms, sender=self.people["owner"])[1].tx_hash

    def approve(self, token_id: int) -> str:
        """Approve the algorithm and return the transaction."""
        owner = self.people["owner"]
        return self.chain.approve(token_id, self.algorithm, DEADLINE, sender=owner).tx_hash

    def order(self, name: str, job: str, *items: OrderItem) -> str:
        """Order a job, on the first asset unless `items` says otherwise, and return the transaction."""
        wanted = items or (OrderItem(1, PRICE),)
        sender = self.people[name]
        return self.chain.order(digest(job), self.algorithm, wanted, DEADLINE, sender=sender).tx_hash

    def settle(self, name: str, *jobs: str) -> str:
        """Anchor a longer log, settle somebody's jobs in the same transaction, and return it."""
        consumer = self.people[name].address
        ids = [order_id_of(digest(job), consumer, 1) for job in jobs]
        self.size += 1
        root, sender = digest(f"root {self.size}"), self.people["provider"]
        return self.chain.anchor_and_settle(self.size, root, ids, [], sender=sender).tx_hash

    def anchor(self) -> str:
        """Anchor a longer log alone and return the transaction."""
        self.size += 1
        root = digest(f"root {self.size}")
        return self.chain.anchor(self.size, root, sender=self.people["provider"]).tx_hash

    def clone_bytes(self) -> int:
        """Return how long the code of a datatoken is."""
        address = self.chain.get_asset(1).datatoken
        return len(request(self.rpc_url, "eth_getCode", address, "latest")) // 2 - 1

    def gas(self, tx_hash: str) -> int:
        """Return what a transaction cost."""
        return self.chain._gateway.result(tx_hash).gas_used  # noqa: SLF001 - the receipt, which no client method reads

    def cost(self, tx_hash: str) -> Cost:
        """Return what a transaction cost, and for what."""
        data = bytes.fromhex(request(self.rpc_url, "eth_getTransactionByHash", tx_hash)["input"][2:])
        calldata = sum(16 if byte else 4 for byte in data)
        options = {"disableStack": True, "disableStorage": True, "enableMemory": False}
        steps = request(self.rpc_url, "debug_traceTransaction", tx_hash, options)["structLogs"]
        parts = {"SSTORE": 0, "SLOAD": 0, "LOG": 0}
        for step in steps:
            name = "LOG" if step["op"].startswith("LOG") else step["op"]
            if name in parts:
                parts[name] += step["gasCost"]
        return Cost(self.gas(tx_hash), 21_000 + calldata, parts["SSTORE"], parts["SLOAD"], parts["LOG"])


def play(stage: Stage) -> Life:
    """Live once; the second job is the one that counts, when every account has been seen before."""
    registered, approved = stage.register(), stage.approve(1)
    for name in stage.people:
        if name not in {"owner", "newcomer", WHO}:
            stage.enrich(name)
    stage.order("scientist", "first")
    stage.settle("scientist", "first")
    ordered = stage.order("scientist", "second")
    settled = stage.settle("scientist", "second")
    jobs = [f"batch {number}" for number in range(BATCH)]
    in_batch = [stage.order("scientist", job) for job in jobs]
    batch = stage.settle("scientist", *jobs)
    anchored = stage.anchor()
    other = _other_ways(stage)
    checks, keep_root = check_receipts(stage)
    return Life(
        register=stage.cost(registered),
        approve=stage.cost(approved),
        order=stage.cost(ordered),
        settle_one=stage.cost(settled),
        order_in_batch=sum(stage.gas(item) for item in in_batch),
        settle_batch=stage.cost(batch),
        anchor=stage.cost(anchored),
        order_by_permit=other[0],
        order_two_datasets=other[1],
        order_by_datatoken=other[2],
        open_orders=_with_open_orders(stage),
        clone_bytes=stage.clone_bytes(),
        checks=checks,
        keep_root=keep_root,
    )


def _other_ways(stage: Stage) -> tuple[int, int, int]:
    """Return what an order costs by permit, on two datasets, and with a datatoken."""
    stage.register()
    stage.approve(2)
    two = stage.order("scientist", "two datasets", OrderItem(1, PRICE), OrderItem(2, PRICE))
    stage.chain.mint_datatoken(1, stage.people["scientist"].address, 2 * COIN, sender=stage.people["owner"])
    by_token = stage.order("scientist", "by datatoken", OrderItem(1, 0, with_datatoken=True))
    stage.chain.faucet(100 * COIN, sender=stage.people["newcomer"])
    by_permit = stage.order("newcomer", "by permit")
    return stage.gas(by_permit), stage.gas(two), stage.gas(by_token)


def _with_open_orders(stage: Stage) -> dict[int, int]:
    """Return what a paid job costs with 1, 50 and 500 orders of strangers open."""
    found: dict[int, int] = {}
    already = 0
    for count in OPEN_ORDERS:
        for number in range(already, count):
            stage.order(f"stranger {number % STRANGERS}", f"stranger's {number}")
        already = count
        job = f"among {count}"
        ordered, settled = stage.order("scientist", job), stage.settle("scientist", job)
        found[count] = stage.gas(ordered) + stage.gas(settled)
    return found


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Start a chain that keeps the steps of its transactions, and ends with the block.

    Raises:
        LocalChainError: it doesn't start.
    """
    port = find_free_port()
    options = [
        "--silent",
        "--steps-tracing",
        "--accounts",
        "0",
        "--port",
        str(port),
        "--timestamp",
        str(START),
    ]
    with subprocess.Popen([str(find_anvil()), *options], stdout=subprocess.DEVNULL) as chain:
        try:
            rpc_url = f"http://127.0.0.1:{port}"
            _wait_for(rpc_url)
            yield Stage(rpc_url)
        finally:
            chain.terminate()


def _wait_for(rpc_url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(LocalChainError):
            request(rpc_url, "eth_chainId")
            return
        time.sleep(POLL_S)
    raise LocalChainError("anvil: didn't answer in time; start it by hand and see why")
