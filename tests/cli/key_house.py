"""A provider's home folder whose keys change, and a worker that is started and stopped in it. Jobs are refused: none runs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cli.context import Session
from cli.operating import ensure_keys_published
from cli.output import Output
from cli.settings import ClientSettings, save_settings
from cli.trusting import build_trust
from datatokens.accounts import import_keystore
from datatokens.localchain import LocalChain
from datatokens.model import KeySet
from provider.jobs.clerk import Clerk
from provider.jobs.judge import Judge
from provider.jobs.notary import Notary, Pace
from provider.jobs.receipting import Registrar
from provider.receipts.errors import Verdict, VerificationError
from provider.receipts.keys import SigningKeys, create_signing_keys, load_signing_keys
from provider.receipts.verify import verify_receipt
from provider.settings import ProviderPaths
from provider.settings import save_settings as save_provider_settings
from sandbox.engine import DockerEngine
from tests.cli.conftest import PASSWORD
from tests.provider_fixtures import Lab, make_bundle

FORBIDDEN = "DUO:0000043"


@dataclass(slots=True)
class House:
    """A provider's home folder, and a worker that can be started and stopped in it."""

    lab: Lab
    engine: DockerEngine
    rpc_url: str

    @property
    def paths(self) -> ProviderPaths:
        return ProviderPaths(self.lab.home)

    def session(self) -> Session:
        session = Session(
            environ={"SEALROOM_PASSWORD": PASSWORD},
            output=Output(),
            interactive=False,
            home_path=self.lab.home,
        )
        settings = ClientSettings(rpc_url=self.rpc_url, provider=self.lab.people.provider.address)
        save_settings(session.home, settings)
        return session

    def start(self) -> None:
        """Do with the keys what `sealroom up` does."""
        ensure_keys_published(
            self.session().home,
            self.lab.chain,
            self.lab.people.provider,
            password=PASSWORD,
            endpoint="http://127.0.0.1:8600",
        )

    def keys(self) -> SigningKeys:
        return load_signing_keys(self.paths.signing_keys, PASSWORD, self.lab.chain.chain_id)

    def sets(self) -> list[KeySet]:
        return self.lab.chain.list_keys(self.lab.people.provider.address)

    def receipt(self, *, anchor: bool = True) -> str:
        """Have the worker that starts now refuse a job, and return the job's id."""
        lab, keys = self.lab, self.keys()
        asset, bundle = lab.add_dataset(), make_bundle()
        lab.upload(bundle)
        lab.approve(asset, bundle)
        job_id = str((lab.submit(lab.request(asset, bundle, purpose=FORBIDDEN)).json or {})["job_id"])
        judge = Judge(lab.services.identity, lab.database, lab.blobs, lab.chain, self.engine)
        registrar = Registrar(lab.services.identity, lab.database, keys, clock=lambda: lab.now)
        Clerk(lab.database, lab.chain, judge, registrar, clock=lambda: lab.now).turn()
        if anchor:
            self.notary(keys).turn()
        return job_id

    def notary(self, keys: SigningKeys) -> Notary:
        lab = self.lab
        pace = Pace(lambda: 0, lambda: lab.now)
        sender, identity = lab.people.provider, lab.services.identity
        folder = self.paths.log
        return Notary(
            identity, lab.database, lab.chain, keys=keys, sender=sender, pace=pace, log_folder=folder
        )

    def verdict(self, job_id: str) -> Verdict:
        """Verify a receipt as anyone would, by what the chain says now."""
        found = [self.lab.client.get(f"/v1/jobs/{job_id}/{part}").data for part in ("receipt", "proof")]
        trust = build_trust(self.lab.chain, self.lab.people.provider.address)
        try:
            return verify_receipt(found[0], found[1], trust, {}).verdict
        except VerificationError as exc:
            return exc.verdict


@pytest.fixture
def house(lab: Lab, anvil: LocalChain, engine: DockerEngine) -> House:
    found = House(lab, engine, anvil.rpc_url)
    import_keystore(lab.home / "keys", "operator", PASSWORD, bytes(lab.people.provider.key), kdf_iterations=2)
    lab.chain.deployment.save(found.paths.deployment)
    save_provider_settings(found.paths.settings, lab.settings.model_copy(update={"rpc_url": anvil.rpc_url}))
    create_signing_keys(found.paths.signing_keys, PASSWORD, chain_id=lab.chain.chain_id, scrypt_log2_n=2)
    found.start()
    return found
