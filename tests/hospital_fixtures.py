"""A lab with a whole worker: real chain, real containers, real receipts."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datatokens.model import Asset, Order, OrderItem, OrderStatus
from policies.canonical import parse_digest, sha256
from provider.held import HeldFiles
from provider.jobs.clerk import Clerk
from provider.jobs.judge import Judge
from provider.jobs.launch import Launcher
from provider.jobs.notary import Notary, Pace
from provider.jobs.receipting import Registrar
from provider.jobs.reviewing import Reviewing
from provider.jobs.runner import Runner, Workplace
from provider.receipts.envelope import parse_receipt
from provider.receipts.keys import SigningKeys
from provider.receipts.modelsigning import SIGNATURE_FILE
from provider.receipts.statement import Statement, parse_statement
from provider.receipts.trust import Anchor, TrustedKey, TrustRoot
from provider.receipts.verify import verify_receipt
from provider.settings import ProviderPaths
from provider.store.records import JobRecord
from sandbox.bundle import Bundle
from sandbox.engine import DockerEngine, Engine
from sandbox.pool import Pool
from tests.chain_fixtures import PRICE
from tests.provider_fixtures import HONEST, POLICY, Lab, make_bundle


@dataclass(slots=True)
class Hospital:
    """A lab with a worker: submit, pay, let it work, and look at what came of it."""

    lab: Lab
    clerk: Clerk
    runner: Runner
    reviewing: Reviewing
    notary: Notary
    judge: Judge
    keys: SigningKeys
    image: str

    def bundle(self, source: str = HONEST) -> Bundle:
        return make_bundle(source, image=self.image)

    def accepted(self, source: str = HONEST, *, policy: str = POLICY) -> tuple[Asset, Bundle]:
        asset, bundle = self.lab.add_dataset(policy=policy), self.bundle(source)
        self.lab.upload(bundle)
        self.lab.approve(asset, bundle)
        return asset, bundle

    def submit(self, asset: Asset, bundle: Bundle, **changes: Any) -> str:
        answer = self.lab.submit(self.lab.request(asset, bundle, **changes))
        return str((answer.json or {})["job_id"])

    def pay(self, asset: Asset, bundle: Bundle, job_id: str, who: Any = None) -> None:
        self.lab.chain.order(
            bytes.fromhex(job_id),
            parse_digest(bundle.digest),
            [OrderItem(asset.token_id, PRICE)],
            self.lab.chain.head().time + 3600,
            sender=who or self.lab.people.scientist,
        )

    def work(self) -> None:
        self.clerk.turn()
        self.runner.turn()
        self.reviewing.turn()
        self.notary.turn()

    def run(self, source: str = HONEST, *, policy: str = POLICY, **changes: Any) -> JobRecord:
        asset, bundle = self.accepted(source, policy=policy)
        job_id = self.submit(asset, bundle, **changes)
        self.pay(asset, bundle, job_id)
        self.work()
        return self.job(job_id)

    def queue(self, source: str = HONEST, *, policy: str = POLICY) -> str:
        asset, bundle = self.accepted(source, policy=policy)
        job_id = self.submit(asset, bundle)
        self.pay(asset, bundle, job_id)
        self.clerk.turn()
        return job_id

    def job(self, job_id: str) -> JobRecord:
        return self.lab.database.jobs.get(job_id)

    def order_status(self, job_id: str) -> OrderStatus:
        order = self.find_order(job_id)
        return order.status if order else OrderStatus.NONE

    def find_order(self, job_id: str) -> Order | None:
        """Return the scientist's order for a job, on its first dataset."""
        token_id = self.lab.chain.find_token_id(self.job(job_id).request.datasets[0])
        consumer = self.lab.people.scientist.address
        return self.lab.chain.find_order(bytes.fromhex(job_id), consumer, token_id or 0)

    def receipt(self, job_id: str) -> bytes:
        return bytes(self.lab.client.get(f"/v1/jobs/{job_id}/receipt").data)

    def statement(self, job_id: str) -> Statement:
        return parse_statement(parse_receipt(self.receipt(job_id))[0].payload)

    def trust(self) -> TrustRoot:
        chain, provider = self.lab.chain, self.lab.people.provider.address
        public = self.keys.public()
        key = TrustedKey(public.p256, public.signer, public.ed25519, 0, 0, None, None)
        anchors = tuple(
            Anchor(a.size, a.root, a.block.number, a.block.hash, a.block.time, a.tx_hash)
            for a in chain.list_anchors(provider)
        )
        deployment = chain.deployment
        return TrustRoot(
            1,
            deployment.chain_id,
            deployment.escrow,
            provider,
            self.lab.services.identity.origin,
            (key,),
            anchors,
        )

    def verify(self, job_id: str, artifacts: dict[str, bytes]) -> Statement:
        proof = self.lab.client.get(f"/v1/jobs/{job_id}/proof").data
        digests = {name: sha256(data) for name, data in artifacts.items() if name != SIGNATURE_FILE}
        return verify_receipt(self.receipt(job_id), proof, self.trust(), digests).statement


def owner_of(lab: Lab) -> str:
    """Return the label of this test's containers."""
    return f"test-{os.getpid()}-{lab.home.name}"[:60]


def make_runner(
    lab: Lab, engine: Engine, judge: Judge, keys: SigningKeys, *, pool: Pool | None = None
) -> Runner:
    """Return a runner that signs with `keys`, and starts every job cold unless it has a pool."""
    registrar = Registrar(lab.services.identity, lab.database, keys, clock=lambda: lab.now)
    owner = owner_of(lab)
    place = Workplace(lab.home / "work", owner, lambda: lab.settings, lambda: lab.now)
    launcher = Launcher(
        lab.database.catalogue,
        engine,
        pool=pool,
        owner=owner,
        load_data_root=lambda: Path(lab.settings.data_root),
    )
    reviewing = make_reviewing(lab, keys)
    return Runner(lab.database, lab.blobs, engine, judge, registrar, launcher, reviewing, workplace=place)


def make_reviewing(lab: Lab, keys: SigningKeys) -> Reviewing:
    """Return what holds releases for this lab's reviewers, as a worker has it after a start."""
    registrar = Registrar(lab.services.identity, lab.database, keys, clock=lambda: lab.now)
    return Reviewing(
        lab.database,
        lab.blobs,
        HeldFiles(ProviderPaths(lab.home).held),
        lab.chain,
        registrar,
        clock=lambda: lab.now,
        randomness=secrets.token_bytes,
    )


@pytest.fixture
def hospital(lab: Lab, engine: DockerEngine, image_digest: str) -> Hospital:
    keys = SigningKeys.generate(lab.chain.chain_id)
    identity, database = lab.services.identity, lab.database
    judge = Judge(identity, database, lab.blobs, lab.chain, engine)
    registrar = Registrar(identity, database, keys, clock=lambda: lab.now)
    return Hospital(
        lab=lab,
        clerk=Clerk(database, lab.chain, judge, registrar, clock=lambda: lab.now),
        runner=make_runner(lab, engine, judge, keys),
        reviewing=make_reviewing(lab, keys),
        notary=Notary(
            identity,
            database,
            lab.chain,
            keys=keys,
            sender=lab.people.provider,
            pace=Pace(lambda: lab.settings.anchor_interval_s, lambda: lab.now),
            log_folder=ProviderPaths(lab.home).log,
        ),
        judge=judge,
        keys=keys,
        image=image_digest,
    )
