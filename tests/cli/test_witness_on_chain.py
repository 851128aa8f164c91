"""A witness that asks a real chain whose keys and which roots are a provider's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.splitview import format_evidence
from tests.cli.conftest import Desk
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import POLICY, make_bundle
from tests.web_servers import serve_app


@dataclass(slots=True)
class Guest:
    """Somebody at a home folder that is connected to the chain and the provider of `hospital`."""

    desk: Desk
    hospital: Hospital
    url: str
    capture: pytest.CaptureFixture[str]

    @property
    def provider(self) -> str:
        return self.hospital.lab.people.provider.address

    def session(self) -> Session:
        people = self.hospital.lab.people
        return self.desk.session("witness", people.stranger, url=self.url)

    def run(self, *words: str) -> tuple[ExitCode, dict[str, object]]:
        code = run(["witness", *words, "--json"], self.session())
        document = json.loads(self.capture.readouterr().out)
        return code, document.get("error", document)


@pytest.fixture
def guest(desk: Desk, hospital: Hospital, capsys: pytest.CaptureFixture[str]) -> Iterator[Guest]:
    lab, keys = hospital.lab, hospital.keys.public()
    with serve_app(lab.client.application) as url:
        lab.chain.publish_keys(
            p256=keys.p256, signer=keys.signer, ed25519=keys.ed25519, endpoint=url, sender=lab.people.provider
        )
        yield Guest(desk, hospital, url, capsys)


def refuse_job(hospital: Hospital, policy: str) -> None:
    """Have a job refused, which runs nothing, and its receipt anchored."""
    lab = hospital.lab
    asset, bundle = lab.add_dataset(policy=policy), make_bundle()
    lab.upload(bundle)
    lab.approve(asset, bundle)
    hospital.submit(asset, bundle, purpose="DUO:0000043")
    hospital.clerk.turn()
    lab.clock[0] += 60
    hospital.notary.turn()


def test_a_witness_that_knows_the_chain_cosigns_what_is_anchored_and_nothing_else(
    guest: Guest, tmp_path: Path
) -> None:
    hospital = guest.hospital
    _, made = guest.run("init", "ethics.example.org/w1")
    witnesses = json.dumps({"threshold": 1, "keys": [made["key"]]})
    refuse_job(hospital, f"{POLICY}witnesses: {witnesses}\n")
    for target in ((), (guest.url,), (guest.provider,)):  # as connected, at an address, as the chain has it
        code, done = guest.run("cosign", *target)
        assert (code, done["size"], done["witnesses"]) == (ExitCode.OK, 1, [made["key"]])
    origin = hospital.lab.services.identity.origin
    forged = sign_checkpoint(Checkpoint(origin, 2, b"r" * 32), hospital.keys)

    def unanchored(environ: dict[str, str], start: object) -> object:
        if not environ["PATH_INFO"].startswith("/v1/log/checkpoint"):
            return hospital.lab.client.application(environ, start)  # type: ignore[arg-type]
        start("200 OK", [("Content-Type", "text/plain")])  # type: ignore[operator]
        return [forged.encode()]

    with serve_app(unanchored) as url:
        code, error = guest.run("cosign", url)
    assert (code, error["code"]) == (ExitCode.VERIFICATION, "root-not-anchored")
    evidence = tmp_path / "evidence.json"
    honest = hospital.lab.client.get("/v1/log/checkpoint").text.split("— ethics")[0]
    other = sign_checkpoint(Checkpoint(origin, 1, b"r" * 32), hospital.keys)
    evidence.write_bytes(format_evidence(honest, other))
    code, found = guest.run("check-evidence", str(evidence))
    assert (code, found["origin"]) == (ExitCode.OK, origin)
    evidence.write_bytes(format_evidence(honest, honest))
    assert guest.run("check-evidence", str(evidence))[1]["code"] == "evidence-refused"
    evidence.write_bytes(format_evidence("garbage\n", "garbage\n"))
    assert guest.run("check-evidence", str(evidence))[1]["code"] == "malformed"


def test_a_provider_that_published_no_keys_is_not_cosigned(guest: Guest) -> None:
    guest.run("init", "ethics.example.org/w1")
    code, error = guest.run("cosign", guest.hospital.lab.people.owner.address)
    assert (code, error["code"]) == (ExitCode.USAGE, "url-unknown")
