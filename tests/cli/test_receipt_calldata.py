"""From the files that a provider gives out to a call that the contract takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.calldata import logged_receipt
from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from datatokens.accounts import import_keystore
from datatokens.errors import ContractRefusedError, LocalChainError
from datatokens.localchain import LocalChain, request
from datatokens.receipts import LoggedReceipt
from provider.receipts.envelope import format_receipt, parse_receipt
from provider.receipts.statement import parse_statement
from tests.cli.conftest import PASSWORD
from tests.cli.key_house import House, house
from tests.cli.test_wallet_commands import ask, code_of
from tests.receipt_samples import make_sample

__all__ = ["house"]

SessionMaker = Callable[..., Session]


def test_what_the_command_prints_of_a_providers_receipt_is_good_on_chain(
    house: House, anvil: LocalChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.receipt(anchor=False)
    job_id = house.receipt()
    for part, name in (("receipt", "receipt.jsonl"), ("proof", "receipt.tlog-proof")):
        (tmp_path / name).write_bytes(house.lab.client.get(f"/v1/jobs/{job_id}/{part}").data)
    found = ask(house.session(), capsys, "receipt", "calldata", str(tmp_path / "receipt.jsonl"))
    call = {"to": house.lab.chain.deployment.receipts, "data": found["calldata"]}
    anchor = house.lab.chain.get_anchor(house.lab.people.provider.address)
    assert anchor is not None
    assert request(anvil.rpc_url, "eth_call", call, "latest")[2:66] == anchor.root.hex()
    assert house.lab.chain.check_receipt(_receipt(found["arguments"])).root == anchor.root
    broken = f"{found['calldata'][:-2]}{int(found['calldata'][-2:], 16) ^ 1:02x}"
    with pytest.raises(LocalChainError):
        request(anvil.rpc_url, "eth_call", call | {"data": broken}, "latest")
    assert run(["receipt", "calldata", str(tmp_path / "receipt.jsonl")], house.session()) is ExitCode.OK
    assert found["calldata"] in capsys.readouterr().out


def test_a_root_that_was_kept_is_asked_for_after_the_log_has_grown(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    scientist = bytes(house.lab.people.scientist.key)
    import_keystore(house.lab.home / "keys", "anna", PASSWORD, scientist, kdf_iterations=2)
    early = ask(house.session(), capsys, "receipt", "keep-root", expect=ExitCode.DENIED)
    assert "neither the newest nor kept" in early["error"]["message"]
    kept = house.receipt()
    ask(house.session(), capsys, "receipt", "keep-root")
    lost, _ = house.receipt(), house.receipt()
    chain = house.lab.chain
    assert chain.check_receipt(_logged(house, kept)).size == 1
    with pytest.raises(ContractRefusedError, match="at size 2 is neither the newest nor kept"):
        chain.check_receipt(_logged(house, lost))


def _logged(house: House, job_id: str) -> LoggedReceipt:
    receipt, proof = (house.lab.client.get(f"/v1/jobs/{job_id}/{part}").data for part in ("receipt", "proof"))
    (envelope,) = parse_receipt(receipt)
    return logged_receipt(envelope, parse_statement(envelope.payload).facts.provider, proof)


def _receipt(arguments: dict[str, Any]) -> LoggedReceipt:
    pae_digest, r, s = (bytes.fromhex(arguments[name][2:]) for name in ("paeDigest", "r", "s"))
    return LoggedReceipt(
        provider=arguments["provider"],
        pae_digest=pae_digest,
        index=arguments["index"],
        size=arguments["size"],
        proof=tuple(bytes.fromhex(item[2:]) for item in arguments["proof"]),
        r=r,
        s=s,
        v=arguments["v"],
    )


def test_a_receipt_without_its_signature_or_that_is_none_makes_no_call(
    bare_session: SessionMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, file = make_sample(), tmp_path / "receipt.jsonl"
    p256, signer = sample.envelope.signatures
    short = replace(sample.envelope, signatures=(p256, replace(signer, sig=signer.sig[:64])))
    wrong = [
        (b"", sample.proof),
        (b"{}\n", sample.proof),
        (format_receipt(replace(sample.envelope, signatures=(p256,))), sample.proof),
        (format_receipt(short), sample.proof),
        (make_sample(payload=b"{}").receipt, sample.proof),
        (sample.receipt * 2, sample.proof),
        (sample.receipt, b""),
        (sample.receipt, sample.proof.partition(b"\n\n")[0] + b"\n\n\n"),
    ]
    for receipt, proof in wrong:
        file.write_bytes(receipt)
        (tmp_path / "receipt.tlog-proof").write_bytes(proof)
        code = run(["receipt", "calldata", str(file)], bare_session())
        assert code is ExitCode.VERIFICATION
        assert "Traceback" not in capsys.readouterr().err


def test_a_proof_that_is_not_there_is_a_usage_error(
    bare_session: SessionMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "receipt.jsonl").write_bytes(make_sample().receipt)
    words = ("receipt", "calldata", str(tmp_path / "receipt.jsonl"))
    assert code_of(ask(bare_session(), capsys, *words, expect=ExitCode.USAGE)) == "file-unreadable"
