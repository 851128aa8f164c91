"""Jobs through clerk, runner and notary: real chain, real containers, real receipts."""

from __future__ import annotations

import base64
import dataclasses
import json
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.localchain import LocalChain
from datatokens.model import Asset, OrderStatus
from policies.canonical import digest_of, parse_digest, sha256
from provider.jobs.judge import Evaluation
from provider.jobs.notary import ForeignAnchorError
from provider.jobs.states import State
from provider.release import ReleaseOpenError, create_result_key, open_release
from provider.store.records import JobRecord
from sandbox.bundle import Bundle
from sandbox.engine import DockerEngine
from tests.chain_fixtures import PRICE, travel
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import CSV, HONEST, POLICY

NO_ENGINE = "unix:///nonexistent/docker.sock"


# The way of an honest job


def test_a_paid_job_is_released_to_its_scientist_receipted_anchored_and_paid_to_the_owner(
    hospital: Hospital,
) -> None:
    key = create_result_key()
    job = hospital.run(result_key=base64.b64encode(key.public).decode())
    assert (job.state, job.code, job.attempt) == (State.RELEASED, "released", 1)
    sealed = hospital.lab.read(hospital.lab.people.scientist, f"/v1/jobs/{job.job_id}/release").data
    files = open_release(sealed, key.private, job.job_id)
    assert json.loads(files["metrics.json"]) == {"loss": 0.1235}
    assert set(files) == {"model.safetensors", "metrics.json", "model.sig"}
    statement = hospital.verify(job.job_id, files)
    assert statement.is_released
    assert statement.facts.job.consumer == hospital.lab.people.scientist.address.lower()
    assert hospital.order_status(job.job_id) is OrderStatus.SETTLED
    token = hospital.lab.chain.deployment.payment_token or ""
    owner, provider = hospital.lab.people.owner.address, hospital.lab.people.provider.address
    assert hospital.lab.chain.escrow_balance(token, owner) == PRICE * 9 // 10
    assert hospital.lab.chain.escrow_balance(token, provider) == PRICE // 10
    assert list((hospital.lab.home / "work").iterdir()) == []


def test_a_release_is_kept_encrypted_and_opens_with_the_signed_key_only(hospital: Hospital) -> None:
    key = create_result_key()
    job = hospital.run(result_key=base64.b64encode(key.public).decode())
    sealed = hospital.lab.read(hospital.lab.people.scientist, f"/v1/jobs/{job.job_id}/release").data
    weights = open_release(sealed, key.private, job.job_id)["model.safetensors"]
    kept = [path.read_bytes() for path in hospital.lab.home.rglob("*") if path.is_file()]
    assert sealed in kept
    assert not any(weights in content for content in kept)
    for wrong_key, wrong_job in ((create_result_key().private, job.job_id), (key.private, "0" * 64)):
        with pytest.raises(ReleaseOpenError):
            open_release(sealed, wrong_key, wrong_job)


def test_the_owner_reads_the_log_and_the_scientist_does_not(hospital: Hospital) -> None:
    job = hospital.run(HONEST + "print('hello owner')\n")
    path = f"/v1/jobs/{job.job_id}/log"
    assert b"hello owner" in hospital.lab.read(hospital.lab.people.owner, path).data
    assert hospital.lab.read(hospital.lab.people.scientist, path).status_code == 404


# Nothing runs that may not


def test_a_purpose_that_the_policy_does_not_allow_is_refused_before_anything_is_paid(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle, purpose="DUO:0000043")
    hospital.clerk.turn()
    job = hospital.job(job_id)
    assert (job.state, job.message) == (State.REFUSED, "refused by rule purpose-allowed")
    hospital.notary.turn()
    statement = hospital.verify(job_id, {})
    assert (statement.facts.egress.verdict, statement.facts.egress.outcome) == ("WITHHELD", "refused")
    assert statement.facts.job.orders == ()


def test_a_job_waits_for_approval_with_the_next_step_in_words_and_goes_on_when_it_is_there(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.lab.add_dataset(), hospital.bundle()
    hospital.lab.upload(bundle)
    job_id = hospital.submit(asset, bundle)
    hospital.clerk.turn()
    view = hospital.lab.read(hospital.lab.people.scientist, f"/v1/jobs/{job_id}").json or {}
    assert view["message"] == f"waiting for the owner to approve algorithm {bundle.digest}"
    assert "sealroom algorithm request" in view["next_step"]
    hospital.lab.approve(asset, bundle)
    hospital.clerk.turn()
    assert hospital.job(job_id).code == "awaiting-order"


def test_nothing_runs_unpaid(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.work()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.WAITING, "awaiting-order")


def test_hole_4_an_order_of_somebody_else_or_for_another_job_pays_nothing(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    mine, other = hospital.submit(asset, bundle), hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, mine, who=hospital.lab.people.stranger)
    hospital.pay(asset, bundle, other)
    hospital.clerk.turn()
    assert hospital.job(mine).code == "awaiting-order"
    assert hospital.job(other).state is State.QUEUED


def test_hole_4_a_used_order_runs_nothing(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    order = hospital.find_order(job_id)
    hospital.lab.chain.refund(order.order_id if order else b"", sender=hospital.lab.people.provider)
    hospital.clerk.turn()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.REFUSED, "order-used")


def test_hole_4_an_order_for_another_dataset_pays_nothing(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    cheap = hospital.lab.add_dataset()
    hospital.lab.approve(cheap, bundle)
    job_id = hospital.submit(asset, bundle)
    hospital.pay(cheap, bundle, job_id)
    hospital.work()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.WAITING, "awaiting-order")
    consumer = hospital.lab.people.scientist.address
    placed = hospital.lab.chain.find_order(bytes.fromhex(job_id), consumer, cheap.token_id)
    assert placed is not None
    assert placed.status is OrderStatus.OPEN  # its consumer takes it back after the deadline


def retire(hospital: Hospital, asset: Asset, _bundle: Bundle) -> None:
    hospital.lab.chain.retire(asset.token_id, sender=hospital.lab.people.owner)


def revoke(hospital: Hospital, asset: Asset, bundle: Bundle) -> None:
    hospital.lab.chain.revoke(asset.token_id, parse_digest(bundle.digest), sender=hospital.lab.people.owner)


def change_policy(hospital: Hospital, asset: Asset, _bundle: Bundle) -> None:
    hospital.lab.chain.set_policy(asset.token_id, b"\x01" * 32, sender=hospital.lab.people.owner)


def tighten_policy(hospital: Hospital, asset: Asset, _bundle: Bundle) -> None:
    """Put a policy in force, as its owner's command does, that names other consumers."""
    lab, owner = hospital.lab, hospital.lab.people.owner
    policy = POLICY.replace("consumers: anyone", f'consumers: ["{owner.address}"]')
    body = {"asset_id": asset.asset_id, "policy": policy}
    digest = (lab.act(owner, "dataset.policy", body).json or {})["policy_digest"]
    lab.chain.set_policy(asset.token_id, parse_digest(digest), sender=owner)


def let_approval_expire(hospital: Hospital, _asset: Asset, _bundle: Bundle) -> None:
    hospital.lab.clock[0] += 2 * 86_400


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (retire, "asset-active"),
        (revoke, "algorithm-approved"),
        (change_policy, "policy-current"),
        (tighten_policy, "consumer-allowed"),
        (let_approval_expire, "algorithm-approved"),
    ],
)
def test_hole_7_what_is_withdrawn_after_payment_does_not_run_and_is_refunded(
    hospital: Hospital, change: Callable[[Hospital, Asset, Bundle], None], rule: str
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle, expiry=hospital.lab.now + 10 * 86_400)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    assert hospital.job(job_id).state is State.QUEUED
    change(hospital, asset, bundle)
    hospital.runner.turn()
    hospital.notary.turn()
    assert (hospital.job(job_id).state, hospital.job(job_id).message) == (
        State.REFUSED,
        f"refused by rule {rule}",
    )
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


def test_an_unpaid_request_that_expires_is_refused(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.lab.clock[0] += 3601
    hospital.clerk.turn()
    assert hospital.job(job_id).message == "refused by rule request-current"


def test_an_order_that_leaves_no_time_to_run_is_refused_and_refunded(
    hospital: Hospital, anvil: LocalChain
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle, expiry=hospital.lab.now + 86_400)
    hospital.pay(asset, bundle, job_id)
    travel(anvil, 3590)
    hospital.work()
    assert hospital.job(job_id).code == "order-deadline"
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


def test_data_that_changed_since_registration_is_not_used_and_the_money_comes_back(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    (Path(hospital.lab.settings.data_root) / "wards.csv").write_text(CSV + "99,1\n")
    hospital.work()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.FAILED, "dataset-changed")
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED
    assert hospital.statement(job_id).facts.run is None


def test_a_bundle_that_changed_in_the_store_is_not_used(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    record = hospital.lab.database.catalogue.find_algorithm(bundle.digest)
    name = parse_digest(record.blob if record else "").hex()
    (hospital.lab.home / "provider" / "artifacts" / name[:2] / name[2:]).write_bytes(b"{}")
    hospital.work()
    assert hospital.job(job_id).message == "refused by rule algorithm-unchanged"
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


@pytest.mark.parametrize("column", ["request", "parameters", "consumer", "signature"])
def test_a_stored_request_that_somebody_changed_does_not_run(hospital: Hospital, column: str) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    other = hospital.lab.request(asset, bundle, expiry=hospital.lab.now + 1800)
    values = {
        "request": other.model_dump_json(),
        "parameters": '{"seed":1}',
        "consumer": hospital.lab.people.stranger.address,
        "signature": "0x" + "00" * 65,
    }
    with sqlite3.connect(hospital.lab.home / "provider" / "sealroom.db") as database:
        statement = f"UPDATE jobs SET {column} = ? WHERE job_id = ?"  # noqa: S608 - a column of the list above
        database.execute(statement, (values[column], job_id))
    database.close()
    hospital.clerk.turn()
    assert hospital.job(job_id).message == "refused by rule request-signed"


# What an algorithm can do wrong


@pytest.mark.parametrize(
    ("source", "state", "code"),
    [
        ("raise SystemExit(7)", State.FAILED, "algorithm-failed"),
        ("while True: pass", State.FAILED, "timeout"),
        (
            "x = [bytearray(2**24) for _ in range(200)]; [b.extend(b'1') for b in x]",
            State.FAILED,
            "out-of-memory",
        ),
        ("print('nothing')", State.WITHHELD, "withheld"),
        (HONEST + "out.joinpath('rows.csv').write_text(str(rows))", State.WITHHELD, "withheld"),
        (
            HONEST + f"out.joinpath('model.safetensors').write_bytes({pickle.dumps({'w': [1.0]})!r})",
            State.WITHHELD,
            "withheld",
        ),
        (
            HONEST
            + "out.joinpath('metrics.json').unlink(); os.symlink('/data/inputs', out / 'metrics.json')",
            State.WITHHELD,
            "withheld",
        ),
    ],
    ids=["crashes", "hangs", "fills memory", "writes nothing", "undeclared file", "pickle", "symbolic link"],
)
def test_holes_15_16_and_18_a_bad_run_releases_nothing_says_only_why_and_is_paid_for(
    hospital: Hospital, source: str, state: State, code: str
) -> None:
    job = hospital.run(source)
    assert (job.state, job.code) == (state, code)
    assert job.release is None
    assert (
        hospital.lab.read(hospital.lab.people.scientist, f"/v1/jobs/{job.job_id}/release").status_code == 409
    )
    assert hospital.order_status(job.job_id) is OrderStatus.SETTLED
    statement = hospital.verify(job.job_id, {})
    assert not statement.is_released


def test_hole_18_a_public_receipt_holds_no_digest_or_size_that_the_algorithm_chose(
    hospital: Hospital,
) -> None:
    guess = b'{"loss": 4.2, "patient": "seventeen"}'
    job = hospital.run(HONEST + f"out.joinpath('metrics.json').write_bytes({guess!r}); print('printed')")
    assert job.state is State.WITHHELD
    text = json.dumps(hospital.statement(job.job_id).document)
    assert sha256(guess).hex() not in text
    assert sha256(b"printed\n").hex() not in text
    assert f'"{len(guess)}"' not in text
    run = hospital.statement(job.job_id).facts.run
    assert run is not None
    assert (
        run.started % 10
        == run.finished % 10
        == run.peak_memory_bytes % 2**26
        == run.bytes_written % 2**20
        == 0
    )


def test_hole_18_a_withheld_receipt_names_the_first_broken_rule_and_no_other_check(
    hospital: Hospital,
) -> None:
    broken = (
        "out.joinpath('metrics.json').write_text('[]'); out.joinpath('model.safetensors').write_bytes(b'')"
    )
    job = hospital.run(HONEST + broken)
    egress = hospital.statement(job.job_id).facts.egress
    assert job.state is State.WITHHELD
    assert [(check.name, check.ok) for check in egress.checks] == [(egress.rule, False)]
    assert all(output.size_bytes == 0 for output in hospital.statement(job.job_id).facts.outputs)


def test_hole_18_the_unrounded_metrics_have_no_digest_in_the_receipt(hospital: Hospital) -> None:
    job = hospital.run()
    assert job.state is State.RELEASED
    raw = json.dumps({"loss": 0.12345678}).encode()
    assert sha256(raw).hex() not in json.dumps(hospital.statement(job.job_id).document)


# Stopping and going on


def test_a_waiting_job_is_cancelled_with_a_receipt_and_a_queued_one_gets_its_money_back(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.accepted()
    waiting, queued = hospital.submit(asset, bundle), hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, queued)
    hospital.clerk.turn()
    for job_id in (waiting, queued):
        hospital.lab.act(hospital.lab.people.scientist, "job.cancel", {"job_id": job_id})
    hospital.work()
    assert hospital.job(waiting).state is hospital.job(queued).state is State.CANCELLED
    assert hospital.order_status(queued) is OrderStatus.REFUNDED
    assert hospital.statement(waiting).facts.egress.outcome == "cancelled"


def test_the_owner_can_stop_a_job_while_it_runs(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted("import time; time.sleep(60)")
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    begun = hospital.lab.database.jobs.begin

    def begin_then_cancel(*arguments: Any, **options: Any) -> None:
        begun(*arguments, **options)
        hospital.lab.act(hospital.lab.people.owner, "job.cancel", {"job_id": job_id})

    hospital.lab.database.jobs.begin = begin_then_cancel  # type: ignore[method-assign] # the moment is what matters
    hospital.runner.turn()
    hospital.notary.turn()
    assert hospital.job(job_id).state is State.CANCELLED
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


def test_while_the_chain_is_away_jobs_wait_and_say_so_and_go_on_by_themselves(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    waiting, queued = hospital.submit(asset, bundle), hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, queued)
    hospital.clerk.turn()
    away = ChainClient.connect("http://127.0.0.1:1", hospital.lab.chain.deployment)
    hospital.judge._chain = hospital.clerk._chain = away
    for _ in range(3):
        hospital.lab.clock[0] += 11
        hospital.clerk.turn()
        assert hospital.runner.turn() is False
    assert hospital.job(waiting).code == hospital.job(queued).code == "chain-unreachable"
    assert (hospital.lab.client.get("/v1/health").json or {})["chain"] == "unreachable"
    steps = hospital.lab.database.jobs.timeline(queued)
    assert [step.code for step in steps].count("chain-unreachable") == 1
    hospital.judge._chain = hospital.clerk._chain = hospital.lab.chain
    hospital.work()
    assert hospital.job(queued).state is State.RELEASED


def test_while_the_engine_is_away_jobs_wait_and_no_attempt_is_counted(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    there = hospital.judge._engine
    hospital.judge._engine = DockerEngine(NO_ENGINE)
    for _ in range(5):
        assert hospital.runner.turn() is False
    assert (hospital.job(job_id).code, hospital.job(job_id).attempt) == ("engine-unreachable", 0)
    hospital.judge._engine = there
    hospital.work()
    assert hospital.job(job_id).state is State.RELEASED


def test_hole_21_a_worker_that_was_stopped_runs_the_job_again_and_receipts_it_once(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    jobs = hospital.lab.database.jobs
    jobs.claim(now=hospital.lab.now, message="")
    jobs.begin(job_id, code="sealed-run", message="", now=hospital.lab.now, attempt=1)
    (hospital.lab.home / "work" / "left").mkdir(parents=True)
    hospital.runner.recover()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.QUEUED, "restarted")
    hospital.work()
    assert (hospital.job(job_id).state, hospital.job(job_id).attempt) == (State.RELEASED, 2)
    assert hospital.lab.database.ledger.size() == 1


def test_a_job_that_never_gets_through_ends_with_a_refund(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    jobs = hospital.lab.database.jobs
    for attempt in range(1, 4):
        jobs.claim(now=hospital.lab.now, message="")
        jobs.begin(job_id, code="sealed-run", message="", now=0, attempt=attempt)
        hospital.runner.recover()
    hospital.work()
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.FAILED, "too-many-attempts")
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED


def test_a_job_that_fails_again_and_again_does_not_stand_before_others(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset, bundle = hospital.accepted()
    bad, good = sorted(hospital.submit(asset, bundle) for _ in range(2))
    for job_id in (bad, good):
        hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    evaluate = hospital.judge.evaluate

    def stumble(job: JobRecord, *, now: int) -> Evaluation:
        if job.job_id == bad and job.attempt < hospital.lab.settings.max_attempts:
            raise OSError("a defect that this job alone meets")
        return evaluate(job, now=now)

    monkeypatch.setattr(hospital.judge, "evaluate", stumble)
    with pytest.raises(OSError, match="this job alone"):
        hospital.runner.turn()
    assert (hospital.job(bad).state, hospital.job(bad).attempt) == (State.QUEUED, 1)
    hospital.runner.turn()
    assert hospital.job(good).state is State.RELEASED
    for _ in range(2):
        with pytest.raises(OSError, match="this job alone"):
            hospital.runner.turn()
    hospital.work()
    assert (hospital.job(bad).state, hospital.job(bad).code) == (State.FAILED, "too-many-attempts")
    assert hospital.order_status(bad) is OrderStatus.REFUNDED


def test_jobs_that_cannot_be_looked_at_however_many_do_not_hold_up_a_paid_one(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    mine = hospital.job(job_id)
    for number in range(600):
        older = dataclasses.replace(mine, job_id=f"{number:064x}", submitted=mine.submitted - 1000)
        hospital.lab.database.jobs.add(older)
    evaluate = hospital.judge.evaluate

    def stumble(job: JobRecord, *, now: int) -> Evaluation:
        if job.job_id != job_id:
            raise OSError("a defect that these jobs meet")
        return evaluate(job, now=now)

    monkeypatch.setattr(hospital.judge, "evaluate", stumble)
    hospital.clerk.turn()
    assert hospital.job(job_id).state is State.QUEUED


def test_hole_21_an_anchor_that_was_mined_before_a_crash_is_found_and_not_paid_twice(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    hospital.runner.turn()
    checkpoint = hospital.notary._due_checkpoint()
    order = hospital.find_order(job_id)
    assert checkpoint is not None
    assert order is not None
    mined = hospital.lab.chain.anchor_and_settle(
        checkpoint.size, checkpoint.root, [order.order_id], [], sender=hospital.lab.people.provider
    )
    hospital.notary.turn()
    assert hospital.lab.database.ledger.get_checkpoint(1).tx_hash == mined.tx_hash
    assert hospital.notary.turn() is False
    token = hospital.lab.chain.deployment.payment_token or ""
    assert hospital.lab.chain.escrow_balance(token, hospital.lab.people.owner.address) == PRICE * 9 // 10


def test_hole_22_a_root_on_chain_that_this_log_never_had_stops_the_notary(hospital: Hospital) -> None:
    asset, bundle = hospital.accepted()
    hospital.submit(asset, bundle, purpose="DUO:0000043")
    hospital.lab.chain.anchor(1, b"\x07" * 32, sender=hospital.lab.people.provider)
    hospital.clerk.turn()
    with pytest.raises(ForeignAnchorError):
        hospital.notary.turn()


def test_hole_4_a_release_whose_order_was_refunded_or_is_not_settled_yet_is_not_handed_out(
    hospital: Hospital, anvil: LocalChain
) -> None:
    asset, bundle = hospital.accepted()
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.clerk.turn()
    hospital.runner.turn()
    scientist, path = hospital.lab.people.scientist, f"/v1/jobs/{job_id}/release"
    assert hospital.job(job_id).state is State.RELEASED
    assert (hospital.lab.read(scientist, path).json or {})["code"] == "not-settled"
    travel(anvil, 4000)
    order = hospital.find_order(job_id)
    hospital.lab.chain.refund(order.order_id if order else b"", sender=scientist)
    hospital.notary.turn()
    assert hospital.lab.read(scientist, path).status_code == 409


def test_receipts_that_nobody_paid_for_are_anchored_once_an_interval_and_paid_ones_at_once(
    hospital: Hospital,
) -> None:
    asset, bundle = hospital.accepted()

    def refuse_one() -> None:
        hospital.submit(asset, bundle, purpose="DUO:0000043")
        hospital.clerk.turn()

    refuse_one()
    assert hospital.notary.turn() is True
    for _ in range(3):
        refuse_one()
        assert hospital.notary.turn() is False
    job_id = hospital.submit(asset, bundle)
    hospital.pay(asset, bundle, job_id)
    hospital.work()
    assert hospital.order_status(job_id) is OrderStatus.SETTLED
    refuse_one()
    assert hospital.notary.turn() is False
    hospital.lab.clock[0] += hospital.lab.settings.anchor_interval_s
    assert hospital.notary.turn() is True
    assert len(hospital.lab.chain.list_anchors(hospital.lab.people.provider.address)) == 3


def test_a_late_refund_by_the_scientist_does_not_block_the_batch(
    hospital: Hospital, anvil: LocalChain
) -> None:
    job_ids = []
    asset, bundle = hospital.accepted()
    for _ in range(2):
        job_ids.append(hospital.submit(asset, bundle))
        hospital.pay(asset, bundle, job_ids[-1])
    hospital.clerk.turn()
    hospital.runner.turn()
    hospital.runner.turn()
    travel(anvil, 4000)
    order = hospital.find_order(job_ids[0])
    hospital.lab.chain.refund(order.order_id if order else b"", sender=hospital.lab.people.scientist)
    hospital.notary.turn()
    assert [hospital.order_status(job_id) for job_id in job_ids] == [
        OrderStatus.REFUNDED,
        OrderStatus.SETTLED,
    ]
    assert digest_of(hospital.receipt(job_ids[0])) != digest_of(hospital.receipt(job_ids[1]))
