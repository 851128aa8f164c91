"""A provider for tests: real database, real chain, the real web application; the engine is the test's choice."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_defunct
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from datatokens.client import ChainClient
from datatokens.ethkeys import Account, LocalAccount
from datatokens.model import DATASET_KIND, Asset, AssetTerms
from policies.canonical import canonical_json, digest_of, parse_digest
from provider.app import create_app
from provider.blobs import BlobStore
from provider.held import HeldFiles
from provider.identity import ProviderIdentity
from provider.logfiles import LogFiles
from provider.release import create_result_key
from provider.services import Services, build_services
from provider.settings import ProviderPaths, Settings
from provider.store import Database, open_database
from provider.wire import JobRequest, action_message
from sandbox.bundle import Bundle, parse_bundle
from tests.chain_fixtures import PRICE, People

POLICY = """\
version: 1
purposes: [DUO:0000006]
consumers: anyone
limits: {time_s: 20, memory_bytes: 512MiB, cpus: "1", pids: 64, scratch_bytes: 8MiB, output_bytes: 4MiB}
outputs:
  weights: {max_bytes: 1MiB}
  metrics: {max_count: 2, max_digits: 4}
approvals: [owner]
"""
CSV = "age,outcome\n" + "".join(f"{20 + n},{n % 2}\n" for n in range(40))
MANIFEST = """\
name: tiny
version: "1"
main: train.py
entrypoint: {start}
image: {image}
parameters: {{type: object, additionalProperties: true}}
outputs:
  weights: {{tensors: [{{name: w, dtype: F32, shape: [2]}}]}}
  metrics: {{values: [{{name: loss, min: 0, max: 10, digits: 4}}]}}
"""
HONEST = """\
import json, os, pathlib, struct
rows = pathlib.Path(f"/data/inputs/{json.loads(os.environ['DIDS'])[0]}/0").read_text().splitlines()
head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
out = pathlib.Path("/data/outputs")
out.joinpath("model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + struct.pack("<2f", 0.5, len(rows)))
out.joinpath("metrics.json").write_text(json.dumps({"loss": 0.12345678}))
"""
NO_IMAGE = "sha256:" + "0" * 64


def make_bundle(source: str = HONEST, *, image: str = NO_IMAGE, start: str = "python3 $ALGO") -> Bundle:
    manifest = MANIFEST.format(image=image, start=start)
    return parse_bundle({"algorithm.yaml": manifest.encode(), "train.py": source.encode()})


@dataclass(slots=True)
class Lab:
    """One provider and the people around it, with the moves that their own clients would make."""

    home: Path
    chain: ChainClient
    people: People
    services: Services
    client: FlaskClient
    settings: Settings
    database: Database
    blobs: BlobStore
    clock: list[int]
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return self.clock[0]

    def act(self, who: LocalAccount, action: str, body: dict[str, Any], /, **changes: Any) -> TestResponse:
        signed: dict[str, Any] = {
            "provider": self.services.identity.address,
            "nonce": secrets.token_hex(32),
            "expiry": self.now + 60,
        }
        signed |= {name: value for name, value in changes.items() if name in signed}
        message = action_message(action, body, domain=self.services.identity.domain, **signed)
        payload = signed | {
            "action": action,
            "body": body,
            "chain_id": self.chain.chain_id,
            "signer": who.address,
            "signature": "0x" + bytes(who.sign_message(message).signature).hex(),
        }
        return self.client.post("/v1/actions", json=payload | changes)

    def read(self, who: LocalAccount | None, path: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.login(who)}"} if who else {}
        return self.client.get(path, headers=headers)

    def login(self, who: LocalAccount) -> str:
        if who.address not in self.tokens:
            challenge = self.client.post("/v1/login/challenge", json={"address": who.address}).json
            message = (challenge or {})["message"]
            signature = "0x" + bytes(who.sign_message(encode_defunct(text=message)).signature).hex()
            answer = self.client.post("/v1/login", json={"message": message, "signature": signature}).json
            self.tokens[who.address] = (answer or {})["token"]
        return self.tokens[who.address]

    def add_dataset(
        self,
        *,
        policy: str = POLICY,
        path: str = "wards.csv",
        owner: LocalAccount | None = None,
        **changes: Any,
    ) -> Asset:
        who = owner or self.people.owner
        body = {"path": path, "name": "Wards", "description": "", "policy": policy, "table_schema": None}
        body |= {name: value for name, value in changes.items() if name in body}
        prepared = self.act(who, "dataset.prepare", body).json or {}
        terms = AssetTerms(
            kind=DATASET_KIND,
            commitment=parse_digest(prepared["commitment"]),
            metadata_digest=parse_digest(prepared["metadata_digest"]),
            policy_digest=parse_digest(prepared["policy_digest"]),
            uri=prepared["uri"],
            price_wei=PRICE,
            payment_token=self.chain.deployment.payment_token or "",
            provider=self.services.identity.address,
            provider_share_bps=1000,
            max_deadline_s=86_400,
        )
        terms = replace(terms, **{name: value for name, value in changes.items() if name not in body})
        asset, _ = self.chain.register(terms, sender=who)
        answer = self.act(who, "dataset.publish", {"token_id": str(asset.token_id)})
        if answer.status_code != 200:
            raise RuntimeError(answer.text)
        return asset

    def upload(self, bundle: Bundle, who: LocalAccount | None = None) -> TestResponse:
        return self.act(
            who or self.people.scientist,
            "algorithm.upload",
            {"files": {path: base64.b64encode(data).decode() for path, data in bundle.files.items()}},
        )

    def approve(
        self, asset: Asset, bundle: Bundle, *, days: int = 1, owner: LocalAccount | None = None
    ) -> None:
        expires, who = self.chain.head().time + days * 86_400, owner or self.people.owner
        self.chain.approve(asset.token_id, parse_digest(bundle.digest), expires, sender=who)

    def request(self, asset: Asset, bundle: Bundle, **changes: Any) -> JobRequest:
        values: dict[str, Any] = {
            "datasets": [asset.asset_id],
            "algorithm": bundle.digest,
            "parameters": digest_of(canonical_json({})),
            "purpose": "DUO:0000006",
            "provider": self.services.identity.address,
            "result_key": base64.b64encode(create_result_key().public).decode(),
            "nonce": secrets.token_hex(32),
            "expiry": self.now + 3600,
        }
        return JobRequest(**(values | changes))

    def submit(self, request: JobRequest, who: LocalAccount | None = None, **changes: Any) -> TestResponse:
        signer = who or self.people.scientist
        message = request.signable(self.services.identity.domain)
        payload: dict[str, Any] = {
            "request": json.loads(request.model_dump_json()),
            "chain_id": self.chain.chain_id,
            "signer": signer.address,
            "signature": "0x" + bytes(signer.sign_message(message).signature).hex(),
            "parameters": {},
        }
        return self.client.post("/v1/jobs", json=payload | changes)


def open_lab(home: Path, chain: ChainClient, people: People, provider: str) -> Lab:
    """Return the provider of that account, with its data and its database in a folder."""
    paths = ProviderPaths(home)
    data_root = home / "data"
    data_root.mkdir(parents=True)
    (data_root / "wards.csv").write_text(CSV)
    settings = Settings(
        port=8600, rpc_url="http://127.0.0.1:1", data_root=str(data_root), owners=(people.owner.address,)
    )
    clock = [chain.head().time + 1]
    database = open_database(paths.database)
    database.migrate()
    blobs = BlobStore(paths.artifacts)
    identity = ProviderIdentity(provider, chain.deployment)
    found: list[Lab] = []
    services = build_services(
        identity,
        database,
        blobs,
        chain,
        log_files=LogFiles(paths.log),
        held=HeldFiles(paths.held),
        load_settings=lambda: found[0].settings if found else settings,
        clock=lambda: clock[0],
    )
    client = create_app(services).test_client()
    found.append(Lab(home, chain, people, services, client, settings, database, blobs, clock))
    return found[0]


@pytest.fixture
def lab(tmp_path: Path, chain: ChainClient, people: People) -> Lab:
    return open_lab(tmp_path, chain, people, people.provider.address)


def new_account() -> LocalAccount:
    account: LocalAccount = Account.create()
    return account
