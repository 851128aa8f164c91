"""A mirror finds a provider and its keys on the chain: real chain, real notary, real web application."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.context import new_session
from cli.errors import ExitCode
from cli.home import Home
from cli.main import run
from cli.mirrored import MirrorFolder
from cli.settings import ClientSettings, save_settings
from cli.trusting import build_trust
from datatokens.ethkeys import LocalAccount
from datatokens.localchain import LocalChain
from provider.jobs.notary import Notary, Pace
from provider.receipts.keys import SigningKeys
from provider.receipts.tiles import tree_root
from provider.settings import ProviderPaths
from tests.log_house import record
from tests.log_samples import make_log
from tests.provider_fixtures import Lab
from tests.web_servers import serve_app

SIZE = 5


@dataclass(slots=True)
class Auditor:
    """Somebody with a home folder that knows the chain, and no key."""

    lab: Lab
    home: Path
    rpc_url: str
    capsys: pytest.CaptureFixture[str]

    def mirror(self, target: str, *options: str, expect: ExitCode = ExitCode.OK) -> dict[str, Any]:
        return self.run("mirror", target, "-o", str(self.copy), *options, expect=expect)

    def audit(self, target: str, *, expect: ExitCode) -> dict[str, Any]:
        return self.run("audit", "run", target, "--rpc", self.rpc_url, expect=expect)

    def run(self, *words: str, expect: ExitCode) -> dict[str, Any]:
        code = run(["--home", str(self.home), *words, "--json"], new_session({}))
        out, err = self.capsys.readouterr()
        assert code is expect, out + err
        document: dict[str, Any] = json.loads(out)
        return document

    @property
    def copy(self) -> Path:
        return self.home / "copy"


@pytest.fixture
def auditor(
    lab: Lab, anvil: LocalChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Auditor]:
    """An auditor of a provider that has published keys and address, and anchored a few receipts."""
    provider, keys = lab.people.provider, SigningKeys.generate(lab.chain.chain_id)
    record(lab.database, make_log(SIZE), SIZE)
    identity, pace = lab.services.identity, Pace(lambda: 0, lambda: lab.now)
    folder = ProviderPaths(lab.home).log
    Notary(identity, lab.database, lab.chain, keys=keys, sender=provider, pace=pace, log_folder=folder).turn()
    home = Home(tmp_path / "auditor")
    lab.chain.deployment.save(home.deployment_file)
    save_settings(home, ClientSettings(rpc_url=anvil.rpc_url))
    with serve_app(lab.client.application) as url:
        publish(lab, keys, url, provider)
        yield Auditor(lab, home.root, anvil.rpc_url, capsys)


def test_an_account_is_enough_to_copy_its_log(auditor: Auditor) -> None:
    document = auditor.mirror(auditor.lab.people.provider.address)
    assert (document["receipts"], document["new"]) == (SIZE, SIZE)
    anchor = auditor.lab.chain.get_anchor(auditor.lab.people.provider.address)
    assert anchor is not None
    assert (tree_root(MirrorFolder(auditor.copy), SIZE), anchor.size) == (anchor.root, SIZE)


def test_the_log_at_an_address_is_judged_by_the_keys_of_whoever_it_says_that_it_is(auditor: Auditor) -> None:
    assert auditor.mirror(served_at(auditor.lab))["receipts"] == SIZE


def test_an_account_that_published_nothing_has_no_address(auditor: Auditor) -> None:
    document = auditor.mirror(auditor.lab.people.stranger.address, expect=ExitCode.USAGE)
    assert document["error"]["code"] == "url-unknown"


def test_a_log_is_not_believed_to_be_another_accounts(auditor: Auditor) -> None:
    lab, stranger = auditor.lab, auditor.lab.people.stranger
    publish(lab, SigningKeys.generate(lab.chain.chain_id), served_at(lab), stranger)
    document = auditor.mirror(stranger.address, expect=ExitCode.VERIFICATION)
    assert document["error"]["code"] == "unknown-key"
    assert not auditor.copy.exists()


def test_an_account_is_not_clean_by_another_accounts_log(auditor: Auditor) -> None:
    lab, stranger = auditor.lab, auditor.lab.people.stranger
    publish(lab, SigningKeys.generate(lab.chain.chain_id), served_at(lab), stranger)
    document = auditor.audit(stranger.address, expect=ExitCode.VERIFICATION)
    assert document["error"]["code"] == "mismatch"


def test_a_trust_file_of_another_provider_than_the_one_named_is_refused(auditor: Auditor) -> None:
    trust, lab = auditor.home / "trust.json", auditor.lab
    trust.write_bytes(build_trust(lab.chain, lab.people.provider.address).to_json())
    publish(lab, SigningKeys.generate(lab.chain.chain_id), served_at(lab), lab.people.stranger)
    options = ("--trust", str(trust))
    document = auditor.mirror(lab.people.stranger.address, *options, expect=ExitCode.VERIFICATION)
    assert document["error"]["code"] == "mismatch"
    assert auditor.mirror(lab.people.provider.address, *options)["receipts"] == SIZE


def served_at(lab: Lab) -> str:
    return lab.chain.list_keys(lab.people.provider.address)[-1].endpoint


def publish(lab: Lab, keys: SigningKeys, endpoint: str, sender: LocalAccount) -> None:
    public = keys.public()
    lab.chain.publish_keys(
        p256=public.p256, signer=public.signer, ed25519=public.ed25519, endpoint=endpoint, sender=sender
    )
