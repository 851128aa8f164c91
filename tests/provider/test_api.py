from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_defunct

from datatokens.client import ChainClient
from policies.canonical import digest_of
from provider import stewardship
from provider.app import create_app
from provider.routes.endpoint import Endpoint
from provider.routes.endpoints import ENDPOINTS
from provider.routes.openapi import describe_api
from tests.provider_fixtures import CSV, POLICY, Lab, make_bundle, new_account

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


# Every route asks the guard


PRIVATE = [endpoint for endpoint in ENDPOINTS if endpoint.login]


@pytest.mark.parametrize("endpoint", PRIVATE, ids=lambda e: f"{e.method} {e.path}")
def test_hole_1_every_route_that_needs_a_login_says_no_without_one(lab: Lab, endpoint: Endpoint) -> None:
    path = endpoint.path.replace("{digest}", "sha256:" + "0" * 64)
    for name in ("asset_id", "job_id", "path"):
        path = path.replace(f"{{{name}}}", "0" * 64)
    assert error(lab.read(None, path)) == (403, "login-required")
    forged = lab.client.get(path, headers={"Authorization": "Bearer " + secrets.token_urlsafe(32)})
    assert error(forged) == (403, "login-required")


def test_hole_1_a_route_that_forgets_to_ask_whether_it_may_answers_nothing(lab: Lab) -> None:
    forgetful = Endpoint("GET", "/v1/forgetful", "Forgets to ask", lambda _call: b"everything")
    app = create_app(lab.services, (*ENDPOINTS, forgetful))
    answer = app.test_client().get("/v1/forgetful")
    assert answer.status_code == 500
    assert b"everything" not in answer.data
    assert app.test_client().get("/v1/health").status_code == 200


def test_the_description_in_the_docs_is_made_from_the_endpoint_table() -> None:
    assert DESCRIPTION.read_bytes() == describe_api(ENDPOINTS)


def test_the_description_is_served(lab: Lab) -> None:
    assert lab.client.get("/v1/openapi.json").json["openapi"] == "3.1.0"  # type: ignore[index]


def test_an_unknown_path_and_a_body_that_is_not_json_get_an_error_with_a_code(lab: Lab) -> None:
    assert error(lab.client.get("/v1/secrets")) == (404, "not-found")
    assert error(lab.client.post("/v1/jobs", data=b"\xff{")) == (400, "bad-request")
    assert error(lab.client.post("/v1/jobs", json={"request": {}, "free": True})) == (400, "bad-request")
    assert error(lab.client.post("/v1/jobs", data=b"x" * (17 * 1024 * 1024))) == (
        413,
        "request-entity-too-large",
    )


# Logging in


def test_a_login_token_is_for_the_address_that_signed_and_ends(lab: Lab) -> None:
    assert lab.read(lab.people.scientist, "/v1/jobs").json == {"jobs": []}
    lab.clock[0] += 901
    assert error(lab.read(lab.people.scientist, "/v1/jobs")) == (403, "login-required")


def test_a_login_message_signs_in_once_and_only_its_own_address(lab: Lab) -> None:
    owner, stranger = lab.people.owner, lab.people.stranger
    message = lab.client.post("/v1/login/challenge", json={"address": owner.address}).json["message"]  # type: ignore[index]
    assert f"Chain ID: {lab.chain.chain_id}" in message
    foreign = "0x" + bytes(stranger.sign_message(encode_defunct(text=message)).signature).hex()
    assert error(lab.client.post("/v1/login", json={"message": message, "signature": foreign})) == (
        400,
        "wrong-signer",
    )
    mine = "0x" + bytes(owner.sign_message(encode_defunct(text=message)).signature).hex()
    assert error(lab.client.post("/v1/login", json={"message": message, "signature": mine})) == (
        400,
        "bad-request",
    )


def test_login_messages_that_nobody_signs_do_not_pile_up(lab: Lab) -> None:
    for _ in range(3):
        lab.client.post("/v1/login/challenge", json={"address": new_account().address})
        lab.clock[0] += 301
    lab.client.post("/v1/login/challenge", json={"address": new_account().address})
    with sqlite3.connect(lab.home / "provider" / "sealroom.db") as connection:
        assert connection.execute("SELECT count(*) FROM login_challenges").fetchone() == (1,)
    connection.close()


def test_a_login_message_that_is_not_ours_is_refused(lab: Lab) -> None:
    message = "example.org wants you to sign in with your Ethereum account"
    signature = "0x" + bytes(lab.people.owner.sign_message(encode_defunct(text=message)).signature).hex()
    assert error(lab.client.post("/v1/login", json={"message": message, "signature": signature})) == (
        400,
        "bad-request",
    )


# Signed actions


def test_a_signed_action_is_taken_once(lab: Lab) -> None:
    nonce = secrets.token_hex(32)
    body = {"path": "wards.csv", "name": "Wards", "policy": POLICY}
    assert lab.act(lab.people.owner, "dataset.prepare", body, nonce=nonce).status_code == 200
    assert error(lab.act(lab.people.owner, "dataset.prepare", body, nonce=nonce)) == (400, "replayed")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"provider": "0x" + "99" * 20}, "wrong-provider"),
        ({"chain_id": 1}, "wrong-chain"),
        ({"expiry": 1}, "expired"),
        ({"expiry": 2**39}, "bad-request"),
        ({"body": {"path": "other.csv", "name": "Wards", "policy": POLICY}}, "bad-signature"),
        ({"action": "algorithm.upload"}, "bad-signature"),
        ({"signer": "0x" + "99" * 20}, "bad-signature"),
        ({"signature": "0x" + "00" * 65}, "bad-signature"),
    ],
)
def test_hole_6_an_action_for_another_body_provider_chain_or_time_is_refused(
    lab: Lab, changes: dict[str, Any], code: str
) -> None:
    body = {"path": "wards.csv", "name": "Wards", "policy": POLICY}
    assert error(lab.act(lab.people.owner, "dataset.prepare", body, **changes)) == (400, code)


def test_only_a_registrar_describes_data(lab: Lab) -> None:
    body = {"path": "wards.csv", "name": "Wards", "policy": POLICY}
    assert error(lab.act(lab.people.stranger, "dataset.prepare", body)) == (403, "not-allowed")


# Datasets


def test_a_published_dataset_is_shown_as_the_chain_has_it(lab: Lab) -> None:
    asset = lab.add_dataset()
    view = lab.client.get(f"/v1/datasets/{asset.asset_id}").json or {}
    assert view["owner"] == lab.people.owner.address
    assert view["commitment"] == "sha256:" + asset.terms.commitment.hex()
    policy = lab.client.get(f"/v1/datasets/{asset.asset_id}/policy").data
    assert digest_of(policy) == view["policy_digest"]
    metadata = lab.client.get(f"/v1/datasets/{asset.asset_id}/metadata").data
    assert digest_of(metadata) == view["metadata_digest"]
    assert [d["asset_id"] for d in (lab.client.get("/v1/datasets").json or {})["datasets"]] == [
        asset.asset_id
    ]


def test_publishing_again_changes_nothing(lab: Lab) -> None:
    asset = lab.add_dataset()
    again = lab.act(lab.people.owner, "dataset.publish", {"token_id": str(asset.token_id)})
    assert again.status_code == 200
    assert len((lab.client.get("/v1/datasets").json or {})["datasets"]) == 1


def test_the_same_data_can_be_registered_twice_as_two_assets(lab: Lab) -> None:
    first, second = lab.add_dataset(), lab.add_dataset()
    assert first.asset_id != second.asset_id
    assert len((lab.client.get("/v1/datasets").json or {})["datasets"]) == 2


def test_somebody_elses_asset_is_not_published(lab: Lab) -> None:
    asset = lab.add_dataset()
    answer = lab.act(lab.people.stranger, "dataset.publish", {"token_id": str(asset.token_id)})
    assert error(answer) == (403, "not-allowed")
    assert error(lab.act(lab.people.owner, "dataset.publish", {"token_id": "999"})) == (
        404,
        "dataset-unknown",
    )


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("missing.csv", None),
        ("empty.csv", ""),
        ("../secret.csv", None),
        ("/etc/passwd", None),
        ("noise.parquet", "PAR"),
    ],
)
def test_a_dataset_that_cannot_be_read_or_lies_outside_is_refused_without_a_host_path(
    lab: Lab, path: str, content: str | None
) -> None:
    if content is not None:
        (Path(lab.settings.data_root) / path).write_text(content)
    answer = lab.act(lab.people.owner, "dataset.prepare", {"path": path, "name": "X", "policy": POLICY})
    assert answer.status_code == 400
    assert (answer.json or {})["code"].startswith("dataset-")
    assert str(lab.home) not in answer.text


@pytest.mark.parametrize("policy", ["purposes: [", "version: 1\nversion: 1\n", POLICY + "surprise: 1\n", ""])
def test_a_malformed_policy_is_refused_with_its_place(lab: Lab, policy: str) -> None:
    answer = lab.act(
        lab.people.owner, "dataset.prepare", {"path": "wards.csv", "name": "X", "policy": policy}
    )
    assert answer.status_code == 400
    assert (answer.json or {})["message"].startswith("policy")


# Algorithms and approvals


def test_a_bundle_is_read_by_its_uploader_and_by_the_owner_who_was_asked_only(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    path = f"/v1/algorithms/{bundle.digest}"
    assert (lab.upload(bundle).json or {})["algorithm"] == bundle.digest
    assert lab.read(lab.people.scientist, path).status_code == 200
    assert error(lab.read(lab.people.owner, path)) == (404, "not-found")
    ask = {
        "asset_id": asset.asset_id,
        "algorithm": bundle.digest,
        "purpose": "DUO:0000006",
        "message": "please",
    }
    assert (lab.act(lab.people.scientist, "approval.request", ask).json or {})["state"] == "pending"
    code = lab.read(lab.people.owner, path + "/files/train.py")
    assert code.data == bundle.files["train.py"]
    assert error(lab.read(lab.people.stranger, path + "/files/train.py")) == (404, "not-found")


def test_a_request_follows_what_the_chain_says(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    ask = {"asset_id": asset.asset_id, "algorithm": bundle.digest, "purpose": "DUO:0000006", "message": ""}
    lab.act(lab.people.scientist, "approval.request", ask)

    def state(who: Any) -> str:
        return str((lab.read(who, "/v1/approvals").json or {})["approvals"][0]["state"])

    assert state(lab.people.owner) == state(lab.people.scientist) == "pending"
    lab.approve(asset, bundle)
    lab.clock[0] = lab.chain.head().time
    assert state(lab.people.owner) == "approved"
    lab.chain.revoke(asset.token_id, bytes.fromhex(bundle.digest[7:]), sender=lab.people.owner)
    lab.clock[0] = lab.chain.head().time
    assert state(lab.people.scientist) == "revoked"
    assert (lab.read(lab.people.stranger, "/v1/approvals").json or {})["approvals"] == []


def test_only_the_owner_declines(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    ask = {"asset_id": asset.asset_id, "algorithm": bundle.digest, "purpose": "DUO:0000006"}
    lab.act(lab.people.scientist, "approval.request", ask)
    no = {"asset_id": asset.asset_id, "algorithm": bundle.digest, "reason": "no"}
    assert error(lab.act(lab.people.stranger, "approval.decline", no)) == (403, "not-allowed")
    assert (lab.act(lab.people.owner, "approval.decline", no).json or {})["state"] == "declined"


def test_asking_for_a_bundle_that_one_never_uploaded_is_refused(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    ask = {"asset_id": asset.asset_id, "algorithm": bundle.digest, "purpose": "DUO:0000006"}
    assert error(lab.act(lab.people.stranger, "approval.request", ask)) == (404, "algorithm-unknown")


def test_hole_10_one_changed_byte_is_another_algorithm_that_nobody_approved(lab: Lab) -> None:
    asset, bundle, changed = lab.add_dataset(), make_bundle(), make_bundle(source="# one more byte\n")
    lab.approve(asset, bundle)
    assert lab.chain.find_approval(asset.token_id, bytes.fromhex(bundle.digest[7:])) is not None
    assert lab.chain.find_approval(asset.token_id, bytes.fromhex(changed.digest[7:])) is None


def test_a_bundle_that_is_none_is_refused(lab: Lab) -> None:
    files = {"train.py": base64.b64encode(b"print()").decode()}
    answer = lab.act(lab.people.scientist, "algorithm.upload", {"files": files})
    assert answer.status_code == 400
    assert (answer.json or {})["code"].startswith("bundle")


# Jobs


def test_a_request_sent_twice_is_one_job(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    request = lab.request(asset, bundle)
    first, second = lab.submit(request), lab.submit(request)
    assert first.status_code == second.status_code == 202
    assert first.json == second.json
    assert len((lab.read(lab.people.scientist, "/v1/jobs").json or {})["jobs"]) == 1


@pytest.mark.parametrize(
    ("changes", "payload", "code"),
    [
        ({"provider": "0x" + "99" * 20}, {}, "wrong-provider"),
        ({}, {"chain_id": 1}, "wrong-chain"),
        ({"expiry": 1}, {}, "expired"),
        ({}, {"parameters": {"epochs": 3}}, "parameters-differ"),
        ({"datasets": ["0" * 64]}, {}, "dataset-unknown"),
        ({"algorithm": "sha256:" + "0" * 64}, {}, "algorithm-unknown"),
        ({"expiry": 2**39}, {}, "lives-too-long"),
        ({"result_key": "AAAA"}, {}, "result-key-invalid"),
        ({}, {"signer": "0x" + "99" * 20}, "bad-signature"),
    ],
)
def test_a_request_that_cannot_be_taken_says_which_part(
    lab: Lab, changes: dict[str, Any], payload: dict[str, Any], code: str
) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    answer = lab.submit(lab.request(asset, bundle, **changes), **payload)
    assert answer.status_code in (400, 404)
    assert (answer.json or {})["code"] == code
    assert lab.database.jobs.list_by() == []


def test_hole_2_a_dataset_can_only_be_named_by_its_id(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    payload = json.loads(lab.request(asset, bundle).model_dump_json())
    for named in ([{"url": "http://127.0.0.1/x"}], ["wards.csv"], []):
        body = {"request": payload | {"datasets": named}, "chain_id": 1, "signer": payload["provider"]}
        answer = lab.client.post("/v1/jobs", json=body | {"signature": "0x" + "00" * 65, "parameters": {}})
        assert error(answer) == (400, "bad-request")


def test_hole_3_a_request_carries_no_code_image_or_entrypoint(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    carried: list[dict[str, Any]] = [{"image": "sha256:" + "1" * 64}, {"entrypoint": "sh"}, {"files": {}}]
    for extra in carried:
        assert error(lab.submit(lab.request(asset, bundle), **extra)) == (400, "bad-request")


def test_hole_5_a_job_is_seen_by_its_consumer_and_the_datas_owner_only(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    job_id = (lab.submit(lab.request(asset, bundle)).json or {})["job_id"]
    stranger = new_account()
    for part in ("", "/release", "/log"):
        assert error(lab.read(stranger, f"/v1/jobs/{job_id}{part}")) == (404, "not-found")
        assert error(lab.read(stranger, f"/v1/jobs/{'0' * 64}{part}")) == (404, "not-found")
    assert lab.read(lab.people.scientist, f"/v1/jobs/{job_id}").status_code == 200
    assert lab.read(lab.people.owner, f"/v1/jobs/{job_id}").status_code == 200
    assert error(lab.read(lab.people.owner, f"/v1/jobs/{job_id}/release")) == (404, "not-found")
    assert error(lab.read(lab.people.scientist, f"/v1/jobs/{job_id}/log")) == (404, "not-found")
    assert (lab.read(stranger, "/v1/jobs").json or {})["jobs"] == []
    assert error(lab.act(stranger, "job.cancel", {"job_id": job_id})) == (404, "not-found")


def test_hole_5_a_copy_of_somebodys_request_under_another_signature_shows_nothing_of_the_job(
    lab: Lab,
) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    request = lab.request(asset, bundle)
    lab.submit(request)
    copied = lab.submit(request, new_account())
    assert error(copied) == (409, "job-taken")
    assert "timeline" not in copied.text


def test_a_result_key_has_one_spelling_so_that_every_receipt_can_be_read(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    payload = json.loads(lab.request(asset, bundle).model_dump_json())
    last = payload["result_key"][-2]
    spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = payload["result_key"][:-2] + spare[spare.index(last) + 1] + "="
    assert base64.b64decode(other) == base64.b64decode(payload["result_key"])
    body = {
        "request": payload | {"result_key": other},
        "chain_id": lab.chain.chain_id,
        "signer": lab.people.scientist.address,
        "signature": "0x" + "00" * 65,
        "parameters": {},
    }
    assert error(lab.client.post("/v1/jobs", json=body)) == (400, "bad-request")


def test_hole_8_an_account_may_have_so_many_open_jobs_at_any_time_and_no_more(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    for _ in range(lab.settings.max_open_jobs_per_account):
        assert lab.submit(lab.request(asset, bundle)).status_code == 202
    assert error(lab.submit(lab.request(asset, bundle))) == (403, "too-many-jobs")


def test_when_the_disk_is_nearly_full_nothing_more_is_taken_from_anybody(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    lab.settings = lab.settings.model_copy(update={"min_free_bytes": 2**60})
    assert error(lab.upload(make_bundle("# another\n"))) == (503, "storage-low")
    assert error(lab.submit(lab.request(asset, bundle))) == (503, "storage-low")
    for action, part in (
        ("dataset.policy", {"policy": POLICY}),
        ("dataset.allow", {"consumers": [lab.people.scientist.address]}),
    ):
        answer = lab.act(lab.people.owner, action, {"asset_id": asset.asset_id} | part)
        assert error(answer) == (503, "storage-low")


def test_who_is_not_on_an_allow_list_is_told_so_without_the_work_of_a_proof(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset, me = lab.add_dataset(), lab.people.scientist
    kept = lab.act(
        lab.people.owner, "dataset.allow", {"asset_id": asset.asset_id, "consumers": [me.address.lower()]}
    )
    root = bytes.fromhex((kept.json or {})["root"])
    lab.chain.set_consumers(asset.token_id, root, sender=lab.people.owner)
    path = f"/v1/datasets/{asset.asset_id}/membership"
    assert (lab.read(me, path).json or {})["proof"] == []
    monkeypatch.setattr(stewardship, "build_proof", lambda *_: pytest.fail("a tree was built"))
    assert error(lab.read(lab.people.stranger, path)) == (403, "not-listed")


def test_while_the_chain_is_away_a_scientist_still_sees_the_jobs_of_one_s_own(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    lab.submit(lab.request(asset, bundle))
    lab.services.catalogue._chain = ChainClient.connect("http://127.0.0.1:1", lab.chain.deployment)
    assert len((lab.read(lab.people.scientist, "/v1/jobs").json or {})["jobs"]) == 1
    assert error(lab.read(None, "/v1/datasets")) == (503, "chain-unreachable")


def test_no_answer_shows_a_row_of_the_data(lab: Lab) -> None:
    asset, bundle = lab.add_dataset(), make_bundle()
    lab.upload(bundle)
    lab.submit(lab.request(asset, bundle))
    seen = [
        lab.client.get(f"/v1/datasets/{asset.asset_id}{part}").text for part in ("", "/metadata", "/policy")
    ]
    seen.append(lab.read(lab.people.owner, "/v1/jobs").text)
    for row in CSV.splitlines()[1:]:
        assert all(row not in text for text in seen)
