"""Cosignatures come in, and nothing that a policy has witnessed leaves before: real chain, one real container."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from policies.witnesses import WitnessKey
from provider.jobs.states import State
from provider.receipts.cosignature import WitnessSigner, find_cosignatures
from provider.receipts.envelope import parse_receipt
from provider.receipts.errors import Verdict, VerificationError
from provider.receipts.note import Checkpoint, parse_note, sign_checkpoint
from provider.receipts.proof import parse_proof
from provider.settings import Settings
from provider.store.tables import JobRow, LogEntryRow
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import POLICY, make_bundle
from tests.witness_samples import cosign, make_witness

ONE, TWO, THREE, STRANGER = (make_witness(f"{name}.example") for name in ("one", "two", "three", "stranger"))
KEYS = [witness.public().to_text() for witness in (ONE, TWO, THREE)]
WITNESSED = POLICY + f"witnesses: {json.dumps({'threshold': 2, 'keys': KEYS})}\n"
FORBIDDEN = "DUO:0000043"


def refuse_job(hospital: Hospital, policy: str = WITNESSED) -> str:
    """Have a job refused, which runs nothing, and its receipt anchored."""
    lab = hospital.lab
    asset, bundle = lab.add_dataset(policy=policy), make_bundle()
    lab.upload(bundle)
    lab.approve(asset, bundle)
    job_id = hospital.submit(asset, bundle, purpose=FORBIDDEN)
    hospital.clerk.turn()
    lab.clock[0] += 60
    hospital.notary.turn()
    return job_id


def checkpoint(hospital: Hospital) -> str:
    return hospital.lab.client.get("/v1/log/checkpoint").text


def hand_in(hospital: Hospital, note: str) -> Any:
    return hospital.lab.client.post("/v1/log/cosignatures", json={"note": note})


def cosigners(note: str) -> list[str]:
    keys: list[WitnessKey] = [witness.public() for witness in (ONE, TWO, THREE, STRANGER)]
    return [key.name for key in find_cosignatures(note, keys)]


def test_a_release_leaves_when_the_second_witness_has_cosigned_and_its_receipt_verifies_then(
    hospital: Hospital,
) -> None:
    lab = hospital.lab
    job = hospital.run(policy=WITNESSED)
    path = f"/v1/jobs/{job.job_id}"

    def is_waiting() -> bool:
        view = lab.read(lab.people.scientist, path).json or {}
        answer = lab.read(lab.people.scientist, f"{path}/release")
        waits = answer.status_code == 409 and (answer.json or {})["code"] == "not-witnessed"
        assert (view["state"], waits) == ("released", view["code"] == "awaiting-witnesses")
        assert ("sealroom witness cosign" in view["next_step"]) == waits
        return waits

    def verdict() -> str:
        try:
            return str(hospital.verify(job.job_id, {}).facts.egress.verdict)
        except VerificationError as exc:
            return exc.verdict.value

    assert (job.state, is_waiting(), verdict()) == (State.RELEASED, True, Verdict.NOT_WITNESSED.value)
    first = checkpoint(hospital)
    assert hand_in(hospital, cosign(first, ONE)).json == {"size": 1, "witnesses": KEYS[:1]}
    assert hand_in(hospital, cosign(first, STRANGER)).status_code == 403
    assert hand_in(hospital, cosign(first, ONE, timestamp=7)).json == {"size": 1, "witnesses": KEYS[:1]}
    assert (is_waiting(), verdict()) == (True, "not-witnessed")
    # Meanwhile the log grows: who looks now sees the larger checkpoint alone, and cosigns that one.
    refuse_job(hospital)
    second = checkpoint(hospital)
    hand_in(hospital, cosign(second, TWO))
    assert (is_waiting(), verdict()) == (True, "not-witnessed")
    hand_in(hospital, cosign(second, ONE))
    assert (is_waiting(), verdict()) == (False, "RELEASED")
    proof = parse_proof(lab.client.get(f"{path}/proof").data)
    assert parse_note(proof.note).text == parse_note(second).text
    assert cosigners(proof.note) == ["one.example", "two.example"]
    assert lab.read(lab.people.scientist, f"{path}/release").status_code == 200


def test_the_checkpoint_and_the_proofs_carry_the_cosignatures_known(hospital: Hospital) -> None:
    job_id = refuse_job(hospital)
    note = checkpoint(hospital)
    assert cosigners(note) == []
    hand_in(hospital, cosign(note, TWO, STRANGER, ONE))
    assert cosigners(checkpoint(hospital)) == ["one.example", "two.example"]
    hand_in(hospital, cosign(checkpoint(hospital), THREE))
    assert len(cosigners(checkpoint(hospital))) == 3
    proof = parse_proof(hospital.lab.client.get(f"/v1/jobs/{job_id}/proof").data)
    assert proof.note == checkpoint(hospital)
    assert hospital.verify(job_id, {}).facts.policy.witnesses[0].threshold == 2


def test_a_witness_that_the_operator_names_is_heard_without_any_policy(hospital: Hospital) -> None:
    refuse_job(hospital, POLICY)
    lab, note = hospital.lab, checkpoint(hospital)
    assert hand_in(hospital, cosign(note, ONE)).status_code == 403
    lab.settings = lab.settings.model_copy(update={"witnesses": (KEYS[0],)})
    assert hand_in(hospital, cosign(note, ONE)).status_code == 200


@pytest.mark.parametrize("key", ["garbage", "", KEYS[0][:-1], KEYS[0] + "\n"])
def test_an_operator_who_names_no_key_is_told(key: str) -> None:
    with pytest.raises(ValidationError, match="witness"):
        Settings(port=1, rpc_url="", data_root="", witnesses=(key,))


def test_witnesses_of_a_policy_that_was_handed_in_later_are_heard(hospital: Hospital) -> None:
    lab = hospital.lab
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    lab.approve(asset, bundle)
    hospital.submit(asset, bundle, purpose=FORBIDDEN)
    hospital.clerk.turn()
    hospital.notary.turn()
    note = checkpoint(hospital)
    assert hand_in(hospital, cosign(note, ONE)).status_code == 403
    body = {"asset_id": asset.asset_id, "policy": WITNESSED}
    assert lab.act(lab.people.stranger, "dataset.policy", body).status_code == 403
    assert hand_in(hospital, cosign(note, ONE)).status_code == 403
    assert lab.act(lab.people.owner, "dataset.policy", body).status_code == 200
    assert hand_in(hospital, cosign(note, ONE)).status_code == 200


def signed(hospital: Hospital, size: int, root: bytes) -> str:
    origin = hospital.lab.services.identity.origin
    return sign_checkpoint(Checkpoint(origin, size, root), hospital.keys)


def bad_line(note: str, witness: WitnessSigner) -> str:
    """Return a note under which another checkpoint's cosignature stands."""
    other = cosign(note.replace("\n1\n", "\n2\n"), witness)
    return note + other.splitlines(keepends=True)[-1]


def test_only_a_checkpoint_that_this_log_has_anchored_is_taken(hospital: Hospital) -> None:
    refuse_job(hospital)
    note = checkpoint(hospital)
    for wrong, status, code in (
        (cosign(signed(hospital, 1, b"r" * 32), ONE), 409, "checkpoint-differs"),
        (cosign(signed(hospital, 2, b"r" * 32), ONE), 404, "checkpoint-unknown"),
        (bad_line(note, ONE), 400, "bad-signature"),
        (note, 403, "witness-unknown"),
        ("", 400, "malformed"),
        ("garbage\n\n— a b\n", 400, "malformed"),
        (note.split("\n\n")[0] + "\n", 400, "malformed"),
        ("x" * 200_000, 400, "bad-request"),
    ):
        answer = hand_in(hospital, wrong)
        assert (answer.status_code, (answer.json or {})["code"]) == (status, code)
    assert cosigners(checkpoint(hospital)) == []


def test_a_job_of_an_earlier_version_is_still_listed(hospital: Hospital) -> None:
    """Its receipt says nothing of witnesses, and doesn't parse any more."""
    job_id = refuse_job(hospital)
    lab = hospital.lab
    envelope = parse_receipt(hospital.receipt(job_id))[0]
    old = replace(envelope, payload=envelope.payload.replace(b'"witnesses"', b'"unheardof"'))
    with lab.database.ledger._write() as session:
        session.execute(update(LogEntryRow).values(envelope=old.to_json()))
        session.execute(update(JobRow).values(state="released", code="released"))
    (view,) = (lab.read(lab.people.scientist, "/v1/jobs").json or {})["jobs"]
    assert (view["state"], view["code"]) == ("released", "released")


@pytest.mark.parametrize("body", [{}, {"note": 1}, {"note": "x", "more": 1}, []])
def test_another_body_is_a_bad_request(hospital: Hospital, body: object) -> None:
    assert hospital.lab.client.post("/v1/log/cosignatures", json=body).status_code == 400
