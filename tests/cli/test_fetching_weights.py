"""What a provider sends for a released job is written only when all of it holds together, the model signature too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import fetching
from cli.context import Session
from cli.output import Output
from cli.settings import ClientSettings, save_settings
from policies.canonical import sha256
from provider.receipts.errors import MalformedError, Verdict, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.modelsigning import SIGNATURE_FILE, sign_weights
from provider.receipts.statement import Statement
from tests.receipt_samples import ARTEFACTS, CHAIN_ID, PROVIDER, make_sample

SAMPLE = make_sample()
JOB_ID = SAMPLE.facts.job.id
DIGESTS = {name: sha256(data) for name, data in ARTEFACTS.items()}
SIGNATURE = sign_weights(DIGESTS, JOB_ID, SAMPLE.keys) or b""


@dataclass(frozen=True)
class Api:
    """A provider that hands out the sample's receipt and proof."""

    def get_bytes(self, path: str) -> bytes:
        return SAMPLE.receipt if path.endswith("/receipt") else SAMPLE.proof


@dataclass(frozen=True)
class Chain:
    """A chain that has every order and approval."""

    chain: object

    def orders_match(self, _statement: Statement) -> bool:
        return True

    def approvals_match(self, _statement: Statement) -> bool:
        return True


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session(environ={}, output=Output(), interactive=False, home_path=tmp_path / "home")
    settings = ClientSettings(
        rpc_url="http://127.0.0.1:1", provider_url="http://127.0.0.1:1", provider=PROVIDER
    )
    save_settings(session.home, settings)
    session._parts |= {"api": Api(), "chain": object()}
    monkeypatch.setattr(fetching, "build_trust", lambda _chain, _provider: SAMPLE.trust)
    monkeypatch.setattr(fetching, "DeploymentEvidence", Chain)
    return session


def fetch(session: Session, monkeypatch: pytest.MonkeyPatch, release: dict[str, bytes]) -> Path:
    monkeypatch.setattr(fetching, "_get_release", lambda _session, _job_id: dict(release))
    target = session.home.root / "result"
    fetching.fetch_job(session, JOB_ID, target)
    return target


def test_a_model_signature_is_written_beside_the_weights_that_it_is_of(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = fetch(session, monkeypatch, {**ARTEFACTS, SIGNATURE_FILE: SIGNATURE})
    names = {path.name for path in target.iterdir()}
    assert names == {*ARTEFACTS, SIGNATURE_FILE, "receipt.jsonl", "receipt.tlog-proof"}
    assert (target / SIGNATURE_FILE).read_bytes() == SIGNATURE


def test_a_release_of_before_there_were_model_signatures_is_fetched_as_ever(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not (fetch(session, monkeypatch, ARTEFACTS) / SIGNATURE_FILE).exists()


@pytest.mark.parametrize(
    ("signature", "verdict"),
    [
        (sign_weights(DIGESTS, JOB_ID, SigningKeys.generate(CHAIN_ID)), Verdict.UNKNOWN_KEY),
        (
            sign_weights(DIGESTS | {"model.safetensors": sha256(b"others")}, JOB_ID, SAMPLE.keys),
            Verdict.ARTEFACT_DIGEST_DIFFERS,
        ),
        (SIGNATURE.replace(b'"sig":"M', b'"sig":"N'), None),
        (b"", None),
        (b"{}", None),
    ],
    ids=["another key", "other weights", "another signature", "nothing", "garbage"],
)
def test_a_model_signature_that_does_not_hold_leaves_no_file(
    session: Session, monkeypatch: pytest.MonkeyPatch, signature: bytes, verdict: Verdict | None
) -> None:
    with pytest.raises((MalformedError, VerificationError)) as caught:
        fetch(session, monkeypatch, {**ARTEFACTS, SIGNATURE_FILE: signature})
    if verdict is not None:
        assert isinstance(caught.value, VerificationError)
        assert caught.value.verdict is verdict
    assert not (session.home.root / "result").exists()
