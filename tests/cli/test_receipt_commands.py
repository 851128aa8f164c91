from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.output import Output
from provider.receipts.facts import WitnessFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.proof import parse_proof
from tests.receipt_samples import ARTEFACTS, CHAIN_ID, Sample, make_sample, sample_facts
from tests.witness_samples import cosign, make_witness


@pytest.fixture
def sample() -> Sample:
    return make_sample()


@pytest.fixture
def folder(tmp_path: Path, sample: Sample) -> Path:
    (tmp_path / "receipt.jsonl").write_bytes(sample.receipt)
    (tmp_path / "receipt.tlog-proof").write_bytes(sample.proof)
    (tmp_path / "trust.json").write_bytes(sample.trust.to_json())
    for name, content in ARTEFACTS.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def verify(folder: Path, sample: Sample, *options: str) -> ExitCode:
    artifacts = [word for name in sample.artifacts for word in ("--artifact", str(folder / name))]
    session = Session(environ={}, output=Output(), interactive=False, home_path=folder / "no home")
    receipt, trust = str(folder / "receipt.jsonl"), str(folder / "trust.json")
    return run(["receipt", "verify", receipt, "--trust", trust, *artifacts, *options], session)


def test_a_true_receipt_verifies_without_home_key_or_provider(
    folder: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(folder, sample, "--json") is ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "verified"
    assert [step["number"] for step in document["steps"]] == list(range(1, len(document["steps"]) + 1))
    assert not (folder / "no home").exists()


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("receipt.jsonl", "p-256 signature"),
        ("receipt.tlog-proof", ""),
        ("model.safetensors", "artefact digests"),
    ],
)
def test_hole_22_one_flipped_byte_ends_4_and_names_the_step(
    folder: Path, sample: Sample, name: str, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert verify(folder, sample) is ExitCode.VERIFICATION
    out, err = capsys.readouterr()
    assert "failed" in out
    assert f"at step '{step}" in err


def test_with_json_a_failed_verification_names_its_verdict(
    folder: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert verify(folder, sample, "--json") is ExitCode.VERIFICATION
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "artefact-digest-differs"


def test_whom_to_trust_has_to_be_said(folder: Path) -> None:
    session = Session(environ={}, output=Output(), interactive=False)
    assert run(["receipt", "verify", str(folder / "receipt.jsonl")], session) is ExitCode.USAGE


def test_a_chain_that_does_not_answer_is_never_a_yes(folder: Path, sample: Sample) -> None:
    deployment = folder / "deployment.json"
    address = "0x" + "11" * 20
    deployment.write_text(
        json.dumps(
            {
                "chain_id": 31337,
                "registry": address,
                "escrow": address,
                "providers": address,
                "receipts": address,
                "payment_token": None,
                "blocks": {},
                "code_hashes": {},
            }
        )
    )
    options = ("--rpc", "http://127.0.0.1:1", "--deployment", str(deployment))
    assert verify(folder, sample, *options) is ExitCode.UNREACHABLE


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", b'{"payload": 1}\n', b"[" * 5000])
def test_garbage_is_no_receipt_and_no_traceback(
    folder: Path, sample: Sample, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "receipt.jsonl").write_bytes(data)
    assert verify(folder, sample) is ExitCode.VERIFICATION
    session = Session(environ={}, output=Output(), interactive=False)
    assert run(["receipt", "show", str(folder / "receipt.jsonl")], session) is ExitCode.VERIFICATION
    assert "Traceback" not in capsys.readouterr().err


def test_a_receipt_is_shown_in_words_and_said_to_be_unverified(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(environ={}, output=Output(), interactive=False)
    assert run(["receipt", "show", str(folder / "receipt.jsonl")], session) is ExitCode.OK
    out, err = capsys.readouterr()
    assert "algorithm" in out
    assert "threads 1, hash seed 0, deterministic algorithms asked for" in out
    assert "on a processor x86_64 AuthenticAMD x86-64-v3" in out
    assert "what the receipt says" in err


@pytest.mark.parametrize("name", ["", ".", "/", "..", "no such file"])
def test_a_name_that_is_no_receipts_is_a_usage_error_and_no_traceback(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(environ={}, output=Output(), interactive=False)
    command = ["receipt", "verify", name, "--trust", str(folder / "trust.json")]
    assert run(command, session) is ExitCode.USAGE
    assert "can't be read" in capsys.readouterr().err


def test_a_provider_that_is_no_address_is_a_usage_error(folder: Path) -> None:
    session = Session(environ={}, output=Output(), interactive=False)
    command = ["receipt", "verify", str(folder / "receipt.jsonl"), "--rpc", "http://127.0.0.1:1"]
    assert run([*command, "--provider", "garbage"], session) is ExitCode.USAGE


def test_too_few_cosignatures_are_a_verdict_of_their_own_and_enough_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (make_witness(f"{name}.example") for name in ("one", "two"))
    keys, facts = (
        SigningKeys.generate(CHAIN_ID),
        WitnessFacts(2, (one.public().to_text(), two.public().to_text())),
    )
    plain = sample_facts(keys)
    sample = make_sample(replace(plain, policy=replace(plain.policy, witnesses=(facts,))), keys=keys)
    note = parse_proof(sample.proof).note
    (tmp_path / "receipt.jsonl").write_bytes(sample.receipt)
    (tmp_path / "trust.json").write_bytes(sample.trust.to_json())
    for cosigned, code in (
        (note, ExitCode.VERIFICATION),
        (cosign(note, one), ExitCode.VERIFICATION),
        (cosign(note, one, two), ExitCode.OK),
    ):
        (tmp_path / "receipt.tlog-proof").write_bytes(sample.proof.replace(note.encode(), cosigned.encode()))
        assert verify(tmp_path, replace(sample, artifacts={}), "--json") is code
        document = json.loads(capsys.readouterr().out)
        assert document["verdict"] == ("verified" if code is ExitCode.OK else "not-witnessed")
        assert code is ExitCode.OK or document["step"] == "witnesses"
