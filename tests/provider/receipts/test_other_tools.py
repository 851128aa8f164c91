"""Other people's tools read our files as they are: securesystemslib, OpenSSL and Node on a receipt that was countersigned."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib import dsse
from securesystemslib.signer._key import SSlibKey

from provider.receipts.countersignature import add_countersignature
from provider.receipts.envelope import format_receipt
from provider.receipts.keys import SigningKeys
from provider.receipts.signatures import load_p256
from tests.countersigning import by_contract, by_key
from tests.receipt_samples import CHAIN_ID, make_sample

SCRIPT = Path(__file__).parents[3] / "docs" / "verify-receipt.mjs"
SAMPLE = make_sample(size=1_000)
MARKED = add_countersignature(
    add_countersignature(SAMPLE.envelope, by_key(SAMPLE.envelope.pae)), by_contract()
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "receipt.jsonl").write_bytes(format_receipt(MARKED))
    (tmp_path / "receipt.tlog-proof").write_bytes(SAMPLE.proof)
    write_key(tmp_path, SAMPLE.keys)
    return tmp_path


def write_key(folder: Path, keys: SigningKeys) -> None:
    point = load_p256(keys.public().p256)
    (folder / "key.pem").write_bytes(point.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def node(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = ["node", str(SCRIPT), *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_securesystemslib_verifies_a_countersigned_envelope_as_it_is() -> None:
    key = SSlibKey.from_crypto(SAMPLE.keys.p256.public_key(), keyid=SAMPLE.keys.keyids[0])
    outside = dsse.Envelope.from_dict(json.loads(format_receipt(MARKED)))
    assert len(outside.signatures) == 4
    assert set(outside.verify([key], threshold=1)) == {SAMPLE.keys.keyids[0]}


def test_node_verifies_signature_and_inclusion_with_its_own_crypto(folder: Path) -> None:
    done = node(folder, "receipt.jsonl", "key.pem", "receipt.tlog-proof")
    assert (done.returncode, done.stderr) == (0, "")
    assert "signed: released" in done.stdout
    assert f"included: index {SAMPLE.facts.log.index} of 1000" in done.stdout
    assert node(folder, "receipt.jsonl", "key.pem").returncode == 0


def test_node_refuses_a_changed_statement_another_key_and_another_entrys_proof(folder: Path) -> None:
    other = make_sample(keys=SAMPLE.keys, size=5)
    (folder / "other.tlog-proof").write_bytes(other.proof.replace(b"index 3", b"index 2"))
    assert "doesn't lead" in node(folder, "receipt.jsonl", "key.pem", "other.tlog-proof").stderr
    receipt = json.loads(format_receipt(MARKED))
    receipt["payload"] = receipt["payload"][:40] + "AAAA" + receipt["payload"][44:]
    (folder / "changed.jsonl").write_text(json.dumps(receipt))
    assert node(folder, "changed.jsonl", "key.pem").returncode == 1
    write_key(folder, SigningKeys.generate(CHAIN_ID))
    assert "this key didn't sign" in node(folder, "receipt.jsonl", "key.pem").stderr
