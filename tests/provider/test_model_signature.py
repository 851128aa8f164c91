"""The model signature beside released weights, as the tool of the field takes it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from model_signing import verifying

from policies.canonical import digest_text, sha256
from provider.gate.report import ReleasedFile
from provider.jobs.receipting import Registrar
from provider.receipts.errors import MalformedError, Verdict, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.modelsigning import SIGNATURE_FILE, sign_weights, verify_weights
from provider.receipts.signatures import load_p256
from provider.release import create_result_key, open_release
from tests.provider_fixtures import Lab, make_bundle
from tests.receipt_samples import ARTEFACTS, CHAIN_ID

TOOL = Path(sys.executable).parent / "model_signing"
KEYS = SigningKeys.generate(CHAIN_ID)
POINT = KEYS.public().p256
DIGESTS = {name: sha256(data) for name, data in ARTEFACTS.items()}
JOB_ID = "0b" * 32


def write_key(path: Path, keys: SigningKeys) -> None:
    point = load_p256(keys.public().p256)
    path.write_bytes(point.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def ask_command(folder: Path, key: Path) -> subprocess.CompletedProcess[str]:
    command = [str(TOOL), "verify", "key", str(folder), "--signature", str(folder / SIGNATURE_FILE)]
    return subprocess.run(
        [*command, "--public_key", str(key)], capture_output=True, text=True, check=False, timeout=120
    )


def ask_library(folder: Path, key: Path) -> None:
    config = verifying.Config().use_elliptic_key_verifier(public_key=key)  # type: ignore[no-untyped-call] # the tool's own
    config.verify(folder, folder / SIGNATURE_FILE)


def release_of(lab: Lab, tmp_path: Path) -> dict[str, bytes]:
    """Return what a scientist finds in the release of a job whose run left the sample's files."""
    asset, bundle, key = lab.add_dataset(), make_bundle(), create_result_key()
    lab.upload(bundle)
    request = lab.request(asset, bundle, result_key=base64.b64encode(key.public).decode())
    job = lab.database.jobs.get((lab.submit(request).json or {})["job_id"])
    released = []
    for name, data in ARTEFACTS.items():
        (tmp_path / name).write_bytes(data)
        digest = digest_text(sha256(data))
        released.append(ReleasedFile(name, tmp_path / name, digest, len(data), digest))
    registrar = Registrar(lab.services.identity, lab.database, KEYS, clock=lambda: lab.now)
    return open_release(registrar.seal(job, released), key.private, job.job_id)


def test_model_signing_verifies_the_folder_that_a_scientist_fetches(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    files = release_of(lab, tmp_path / "work")
    assert set(files) == {*ARTEFACTS, SIGNATURE_FILE}
    folder, key = tmp_path / "result", tmp_path / "key.pem"
    folder.mkdir()
    for name, data in {**files, "receipt.jsonl": b"{}\n", "receipt.tlog-proof": b"proof"}.items():
        (folder / name).write_bytes(data)
    write_key(key, KEYS)
    done = ask_command(folder, key)
    assert (done.returncode, "Verification succeeded" in done.stdout) == (0, True), done.stderr
    (folder / "metrics.json").unlink()
    ask_library(folder, key)
    (folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ValueError, match="Hash mismatch"):
        ask_library(folder, key)
    (folder / "model.safetensors").write_bytes(ARTEFACTS["model.safetensors"])
    write_key(key, SigningKeys.generate(CHAIN_ID))
    with pytest.raises(ValueError, match="Key mismatch"):
        ask_library(folder, key)


def test_what_has_no_weights_gets_no_model_signature() -> None:
    assert sign_weights({"metrics.json": sha256(b"{}")}, JOB_ID, KEYS) is None


def signed() -> bytes:
    bundle = sign_weights(DIGESTS, JOB_ID, KEYS)
    assert bundle is not None
    return bundle


def test_a_signature_is_verified_against_the_files_and_the_key_before_it_is_written() -> None:
    assert verify_weights(signed(), [POINT], DIGESTS, JOB_ID) == ("model.safetensors",)
    cases: list[tuple[Verdict, list[bytes], dict[str, bytes]]] = [
        (Verdict.UNKNOWN_KEY, [SigningKeys.generate(CHAIN_ID).public().p256], DIGESTS),
        (Verdict.UNKNOWN_KEY, [], DIGESTS),
        (Verdict.ARTEFACT_DIGEST_DIFFERS, [POINT], DIGESTS | {"model.safetensors": sha256(b"others")}),
        (Verdict.ARTEFACT_DIGEST_DIFFERS, [POINT], {"metrics.json": DIGESTS["metrics.json"]}),
    ]
    for verdict, points, digests in cases:
        with pytest.raises(VerificationError) as caught:
            verify_weights(signed(), points, digests, JOB_ID)
        assert caught.value.verdict is verdict


def test_no_changed_byte_of_what_was_signed_or_of_the_signature_is_verified() -> None:
    document = json.loads(signed())
    envelope = document["dsseEnvelope"]
    places: list[tuple[dict[str, Any], str]] = [(envelope, "payload"), (envelope["signatures"][0], "sig")]
    for place, key in places:
        good = place[key]
        for position, letter in enumerate(good):
            place[key] = good[:position] + ("A" if letter != "A" else "B") + good[position + 1 :]
            with pytest.raises((MalformedError, VerificationError)):
                verify_weights(json.dumps(document).encode(), [POINT], DIGESTS, JOB_ID)
        place[key] = good
    assert verify_weights(json.dumps(document).encode(), [POINT], DIGESTS, JOB_ID) == ("model.safetensors",)


def test_a_signature_of_another_job_with_the_same_weights_is_refused() -> None:
    with pytest.raises(VerificationError) as caught:
        verify_weights(signed(), [POINT], DIGESTS, "0e" * 32)
    assert caught.value.verdict is Verdict.ARTEFACT_DIGEST_DIFFERS


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return the bundle with another statement under a true signature."""
    document = json.loads(signed())
    statement = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    document["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    document["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(KEYS.sign_p256(message)).decode()
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.clear(),
        lambda s: s.update(subject=[]),
        lambda s: s.update(predicate=[]),
        lambda s: s.update(predicateType="https://example.org"),
        lambda s: s["predicate"].update(resources=[]),
        lambda s: s["predicate"].update(resources=[None]),
        lambda s: s["predicate"].update(resources=[{"name": "x"}]),
        lambda s: s["predicate"].update(serialization=None),
        lambda s: s["predicate"]["serialization"].update(ignore_paths=1),
        lambda s: s["subject"][0].update(name={}),
    ],
)
def test_a_true_signature_over_something_else_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises((MalformedError, VerificationError)):
        verify_weights(resigned(change), [POINT], DIGESTS, JOB_ID)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"mediaType": 1}', b"\xff", b"[" * 5000])
def test_garbage_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        verify_weights(data, [POINT], DIGESTS, JOB_ID)
