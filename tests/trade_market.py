"""A market for tests: a chain that can be taken away, and two providers, each with a home and processes of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from cli.api import ApiClient
from datatokens import localchain
from datatokens.accounts import import_keystore
from datatokens.client import ChainClient
from datatokens.deploy import deploy_contracts
from datatokens.ethkeys import LocalAccount
from datatokens.localchain import LocalChain
from datatokens.model import Deployment
from provider.identity import OPERATOR
from provider.jobs.states import State
from provider.settings import ProviderPaths, Settings, save_settings
from provider.store import Database, open_database
from provider.store.records import JobRecord
from tests.chain_fixtures import COIN, load_hostile
from tests.provider_fixtures import new_account
from tests.stack_fixtures import Stack

OWNERS = ("owner 1", "owner 2")
SCIENTISTS = ("anna", "ben", "cleo")
PROVIDERS = ("provider 1", "provider 2")
STRANGER = "stranger"
PEOPLE = (*OWNERS, *SCIENTISTS, *PROVIDERS, "community", STRANGER)
STATE = Path("chain") / "state.json"
TOKENS = ("coin", "cent")  # of 18 and of 6 decimals
CONFIRMATIONS = 2
PATIENCE_S = 300
PASSWORD = "correct horse battery"
CHEAP_KDF = 2**10


@cache
def account_of(name: str) -> LocalAccount:  # noqa: ARG001 - what it is cached by
    """Return the same account for the same name; in another process another, as engines may be shared."""
    return new_account()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)  # between two looks at a condition


@dataclass(slots=True)
class Site:
    """One provider: its home folder, and the API and the worker that run from it."""

    stack: Stack
    address: str
    url: str
    deployment: Deployment
    database: Database
    clients: dict[str, ApiClient] = field(default_factory=dict)

    def client(self, who: str) -> ApiClient:
        if who not in self.clients:
            self.clients[who] = ApiClient(
                self.url, self.deployment, provider=self.address, signer=lambda: account_of(who)
            )
        return self.clients[who]

    def jobs(self) -> list[JobRecord]:
        return self.database.jobs.list_by(limit=None)

    def is_running(self, job_id: str) -> bool:
        """Tell whether the job's algorithm is in its container now."""
        job = self.database.jobs.find(job_id)
        return job is not None and (job.state, job.code) == (State.RUNNING, "sealed-run")

    def has_ended(self) -> bool:
        """Tell whether every job has ended, and every receipt has its proof."""
        ledger = self.database.ledger
        open_jobs = sum(self.database.jobs.count(state) for state in State if not state.terminal)
        return not (open_jobs or ledger.open_settlements(1) or ledger.unproven(ledger.size()))

    def start(self) -> None:
        """Start what was killed."""
        self.stack.run("up")

    def log(self) -> str:
        return (self.stack.home / "run" / "worker.log").read_text()


@dataclass(slots=True)
class Market:
    """The chain and what stands on it."""

    folder: Path
    process: LocalChain
    chain: ChainClient
    tokens: dict[str, str]
    sites: dict[str, Site] = field(default_factory=dict)

    @classmethod
    def found(cls, folder: Path) -> Self:
        """Start a chain with the contracts and two payment tokens."""
        process = localchain.start(folder / STATE, localchain.find_free_port())
        for name in PEOPLE:
            localchain.fund(process.rpc_url, account_of(name).address, 1000 * COIN)
        deployer = account_of(STRANGER)
        deployment = deploy_contracts(process.rpc_url, deployer, with_test_token=True)
        chain = ChainClient.connect(process.rpc_url, deployment)
        cent = chain._gateway.create(
            bytes.fromhex(load_hostile("CentToken")["bytecode"].removeprefix("0x")), sender=deployer
        )
        return cls(folder, process, chain, {"coin": deployment.payment_token or "", "cent": cent})

    def open(self, image: str) -> None:
        """Start both providers at once."""
        with ThreadPoolExecutor() as pool:
            sites = pool.map(lambda name: self.open_site(name, image), PROVIDERS)
            self.sites = dict(zip(PROVIDERS, sites, strict=True))

    def open_site(self, name: str, image: str) -> Site:
        home, port = self.folder / name, localchain.find_free_port()
        paths, key = ProviderPaths(home), bytes(account_of(name).key)
        (home / "data").mkdir(parents=True)
        (home / "password").write_text(PASSWORD + "\n")
        address = import_keystore(paths.accounts, OPERATOR, PASSWORD, key, kdf_iterations=CHEAP_KDF)
        self.chain.deployment.save(home / "deployment.json")
        settings = Settings(
            port=port,
            rpc_url=self.process.rpc_url,
            data_root=str(home / "data"),
            owners=tuple(account_of(owner).address for owner in OWNERS),
            confirmations=CONFIRMATIONS,
            anchor_interval_s=0,
            max_open_jobs_per_account=1000,
            max_attempts=10,
        )
        save_settings(paths.settings, settings)
        stack = Stack(home, image)
        stack.run("up", "--rpc-url", self.process.rpc_url, "--deployment", str(home / "deployment.json"))
        deployment, database = self.chain.deployment, open_database(paths.database)
        return Site(stack, address, f"http://127.0.0.1:{port}", deployment, database)

    def close(self) -> None:
        """Stop all of it, also what was opened in part."""
        for site in self.sites.values():
            site.database.close()
            for client in site.clients.values():
                client.close()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: Stack(self.folder / name, "").run("down"), PROVIDERS))
        localchain.stop(self.process.pid)

    def mint(self, token: str, who: str, amount: int) -> None:
        contract = self.chain._gateway.contract("TestToken", self.tokens[token])
        self.chain._gateway.send(contract, "faucet", amount, sender=account_of(who))

    def mine(self, blocks: int = CONFIRMATIONS + 1) -> None:
        """Let what stands on the chain count."""
        localchain.request(self.process.rpc_url, "anvil_mine", hex(blocks))

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by as many empty ones."""
        localchain.request(self.process.rpc_url, "anvil_reorg", depth, [])

    def travel(self, seconds: int) -> None:
        localchain.request(self.process.rpc_url, "evm_increaseTime", hex(seconds))
        self.mine(1)

    def take_chain_away(self) -> None:
        localchain.stop(self.process.pid)

    def bring_chain_back(self) -> None:
        port = int(self.process.rpc_url.rsplit(":", 1)[1])
        self.process = localchain.start(self.folder / STATE, port)
        self.mine()

    def wait_until_quiet(self) -> None:
        """Wait until every job has ended, and every order with it."""
        self.mine()
        wait_for(lambda: all(self.is_quiet(site) for site in self.sites.values()), "jobs have not ended")

    def is_quiet(self, site: Site) -> bool:
        """Tell whether every job has ended and the chain knows."""
        return site.has_ended() and self.chain.anchored_size(site.address) == site.database.ledger.size()
