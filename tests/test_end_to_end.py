"""The main job through the real command, API, chain, worker and container, as the people do it."""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.stack_fixtures import EXAMPLES, PURPOSE, SLOW, TINY, Stack


@pytest.mark.parametrize("example", ["torch_mlp", "logistic_regression"])
def test_the_main_job_from_registration_to_a_receipt_that_is_verified_with_everything_stopped(
    stack: Stack, tmp_path: Path, example: str
) -> None:
    algorithm = stack.approved(EXAMPLES / "algorithms" / example)
    code = stack.run("algorithm", "show", algorithm, "--file", "train.py", person="owner", json_out=False)
    assert "safetensors" in code
    job = stack.submit(algorithm, parameters={"seed": 1})
    assert (job["state"], job["terminal"]) == ("released", True)
    assert job["anchor_tx"]
    result = tmp_path / "result"
    stack.run("job", "fetch", job["job_id"], "--output", str(result), person="scientist")
    metrics = json.loads((result / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.9
    trust = tmp_path / "provider-keys.json"
    stack.run("provider", "trust", "--output", str(trust), person="owner")
    rpc_url = next(part["url"] for part in stack.run("status")["parts"] if part["part"] == "chain")
    deployment = str(stack.home / "chain" / "deployment.json")
    verify = [
        "receipt",
        "verify",
        str(result / "receipt.jsonl"),
        "--artifact",
        str(result / "model.safetensors"),
    ]
    on_chain = stack.run(*verify, "--rpc", rpc_url, "--deployment", deployment)
    assert on_chain["verdict"] == "verified"
    assert on_chain["steps"][-1]["result"] == "passed"
    stack.run("down")
    assert stack.run(*verify, "--trust", str(trust))["verdict"] == "verified"
    for name, step in (
        ("receipt.jsonl", {"read receipt", "p-256 signature", "secp256k1 signature", "know the keys"}),
        ("receipt.tlog-proof", {"read proof", "checkpoint signature", "entry included"}),
        ("model.safetensors", {"artefact digests"}),
    ):
        original = (result / name).read_bytes()
        for position in (0, len(original) // 2, len(original) - 1):
            flipped = bytearray(original)
            flipped[position] ^= 1
            (result / name).write_bytes(flipped)
            answer = stack.run(*verify, "--trust", str(trust), expect=4)
            failed = [entry["name"] for entry in answer["steps"] if entry["result"] == "failed"]
            assert len(failed) == 1
            assert set(failed) <= step, (name, position, failed)
        (result / name).write_bytes(original)
    stack.run("up")


def test_hole_21_a_worker_killed_in_the_middle_of_a_run_finishes_it_after_the_next_start_and_once(
    stack: Stack,
) -> None:
    algorithm = stack.approved(stack.bundle(SLOW + TINY, name="slow"))
    job = stack.submit(algorithm, wait=False)
    stack.wait_for(lambda: bool(stack.job(job["job_id"])["code"] == "sealed-run"))
    stack.kill("worker")
    stack.run("status", expect=5)
    stack.run("up")
    stack.wait_for(lambda: bool(stack.job(job["job_id"])["anchor_tx"]))
    ended = stack.job(job["job_id"])
    assert (ended["state"], ended["attempt"]) == ("released", 2)
    assert [step["code"] for step in ended["timeline"]].count("restarted") == 1
    assert [step["state"] for step in ended["timeline"]].count("released") == 1


def test_a_chain_that_goes_away_during_a_run_gets_the_receipt_when_it_is_back(
    stack: Stack, tmp_path: Path
) -> None:
    algorithm = stack.approved(stack.bundle(SLOW + TINY, name="slow"))
    job = stack.submit(algorithm, wait=False)
    stack.wait_for(lambda: bool(stack.job(job["job_id"])["code"] == "sealed-run"))
    stack.kill("chain", signal.SIGTERM)
    stack.wait_for(lambda: bool(stack.job(job["job_id"])["terminal"]))
    assert stack.job(job["job_id"])["anchor_tx"] is None
    stack.run("job", "submit", stack.job_file(algorithm), person="scientist", expect=5)
    stack.run("up")
    stack.wait_for(lambda: bool(stack.job(job["job_id"])["anchor_tx"]))
    fetched = stack.run("job", "fetch", job["job_id"], "--output", str(tmp_path / "r"), person="scientist")
    assert fetched["outcome"] == "released"


def test_an_algorithm_that_nobody_approved_is_not_paid_for_and_can_be_continued_once_it_is(
    stack: Stack,
) -> None:
    algorithm = stack.ask(stack.bundle(TINY + "# waits for approval\n", name="patient"))
    before = stack.run("wallet", "balance", person="scientist")
    refused = stack.submit(algorithm, wait=False, expect=3)
    assert stack.run("wallet", "balance", person="scientist") == before
    job_id = refused["error"]["job_id"] if "job_id" in refused.get("error", {}) else None
    waiting = [
        job for job in stack.run("job", "list", person="scientist")["jobs"] if job["state"] == "waiting"
    ]
    assert waiting[-1]["message"] == f"waiting for the owner to approve algorithm {algorithm}"
    stack.run("dataset", "approve", algorithm, "--dataset", stack.asset_id, person="owner")
    resumed = stack.run("job", "resume", job_id or waiting[-1]["job_id"], "--wait", person="scientist")
    assert resumed["state"] == "released"


def test_a_disallowed_purpose_is_denied_before_payment_with_a_receipt(stack: Stack, tmp_path: Path) -> None:
    algorithm = stack.approved(stack.bundle())
    stack.submit(algorithm, expect=3, purpose="DUO:0000043")
    refused = [
        job for job in stack.run("job", "list", person="scientist")["jobs"] if job["state"] == "refused"
    ]
    assert refused[-1]["order_tx"] is None
    stack.wait_for(lambda: bool(stack.job(refused[-1]["job_id"])["anchor_tx"]))
    words = ["job", "fetch", refused[-1]["job_id"], "--output", str(tmp_path / "r")]
    stack.run(*words, person="scientist", expect=3)
    envelope = json.loads((tmp_path / "r" / "receipt.jsonl").read_text())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicate"]["egress"]["outcome"] == "refused"
    assert statement["predicate"]["egress"]["rule"] == "purpose-allowed"


def test_withheld_and_failed_jobs_end_with_exit_code_6(stack: Stack) -> None:
    undeclared = TINY + "pathlib.Path('/data/outputs/rows.csv').write_text('1,2')\n"
    withheld = stack.approved(stack.bundle(undeclared, name="leaky"))
    stack.submit(withheld, expect=6)
    failed = stack.approved(stack.bundle("raise SystemExit(1)\n", name="broken"))
    stack.submit(failed, expect=6)


def test_somebody_without_money_gets_a_denial_and_no_job_runs(stack: Stack) -> None:
    algorithm = stack.approved(stack.bundle())
    stack.run("account", "fund", "stranger", "--tokens", "0")
    folder = str(stack.bundle())
    words = ["algorithm", "request", folder, "--image", stack.image, "--dataset", stack.asset_id]
    stack.run(*words, "--purpose", PURPOSE, person="stranger")
    stack.run("job", "submit", stack.job_file(algorithm), person="stranger", expect=3)
    assert all(job["state"] == "waiting" for job in stack.run("job", "list", person="stranger")["jobs"])


def test_a_changed_dataset_is_noticed_the_scientist_gets_the_money_back_and_the_owner_can_offer_it_anew(
    stack: Stack,
) -> None:
    data = stack.home / "data" / "wdbc.csv"
    original = data.read_bytes()
    algorithm = stack.approved(stack.bundle())
    before = stack.run("wallet", "balance", person="scientist")
    try:
        data.write_bytes(original + original.splitlines(keepends=True)[-1])
        answer = stack.submit(algorithm, expect=6)
        assert answer
    finally:
        data.write_bytes(original)
    changed = [
        job
        for job in stack.run("job", "list", person="scientist")["jobs"]
        if job["code"] == "dataset-changed"
    ]
    assert len(changed) == 1
    after = stack.run("wallet", "balance", person="scientist")
    assert after != before  # the price came back as credit in the escrow
    stack.run("wallet", "withdraw", person="scientist")
    assert stack.submit(algorithm)["state"] == "released"


READS_ALL = """\
import json, os, pathlib
counts = [len(pathlib.Path(f"/data/inputs/{a}/0").read_text().splitlines()) for a in json.loads(os.environ["DIDS"])]
loss = counts[0] / 100 + counts[1] / 1000
pathlib.Path("/data/outputs/metrics.json").write_text(json.dumps({"loss": loss}))
"""


def test_a_job_on_the_data_of_two_owners_is_ordered_at_once_and_its_receipt_verifies_with_both_orders(
    stack: Stack, tmp_path: Path
) -> None:
    (stack.home / "data" / "clinic.csv").write_text("age\n" + "1\n" * 6)
    stack.run("account", "new", "clinic")
    stack.run("provider", "allow-owner", "clinic")
    stack.run("account", "fund", "clinic")
    second = stack.offer("clinic.csv", person="clinic")
    folder = stack.bundle(READS_ALL, name="both")
    algorithm = stack.approved(folder)
    several: dict[str, Any] = {"dataset": None, "datasets": [stack.asset_id, second], "max_price": "10"}
    stack.submit(algorithm, wait=False, expect=3, **several)
    stack.run("dataset", "approve", algorithm, "--dataset", second, person="clinic")
    job = stack.submit(algorithm, **several)
    assert job["state"] == "released"
    result = tmp_path / "result"
    stack.run("job", "fetch", job["job_id"], "--output", str(result), person="scientist")
    assert json.loads((result / "metrics.json").read_text()) == {"loss": 5.707}
    rpc_url = next(part["url"] for part in stack.run("status")["parts"] if part["part"] == "chain")
    words = ["receipt", "verify", str(result / "receipt.jsonl"), "--rpc", rpc_url]
    verified = stack.run(*words, "--deployment", str(stack.home / "chain" / "deployment.json"))
    assert verified["steps"][-1]["result"] == "passed"
    shown = stack.run("receipt", "show", str(result / "receipt.jsonl"))["predicate"]
    assert [order["txHash"] for order in shown["job"]["orders"]] == [job["order_tx"]] * 2
    for person, asset_id in (("owner", stack.asset_id), ("clinic", second)):
        (seen,) = [
            j for j in stack.run("dataset", "jobs", person=person)["jobs"] if j["job_id"] == job["job_id"]
        ]
        assert asset_id in seen["request"]["datasets"]
    (income,) = stack.run("dataset", "income", person="clinic")["datasets"]
    assert income["settled_wei"] == str(5 * 10**18)


def test_a_retired_dataset_takes_no_more_jobs(stack: Stack) -> None:
    (stack.home / "data" / "old.csv").write_bytes((stack.home / "data" / "wdbc.csv").read_bytes())
    kept, stack.asset_id = stack.asset_id, stack.offer("old.csv")
    try:
        algorithm = stack.approved(stack.bundle())
        stack.run("dataset", "retire", stack.asset_id, person="owner")
        stack.submit(algorithm, expect=3)
    finally:
        stack.asset_id = kept


def test_hole_9_no_secret_stands_in_a_log_and_no_key_lies_open(stack: Stack) -> None:
    password = (stack.home / "password").read_text().strip()
    for log in (stack.home / "run").glob("*.log"):
        text = log.read_text(errors="replace")
        assert password not in text
        assert "Bearer" not in text
    for folder in ("keys", "provider/keys"):
        for path in (stack.home / folder).rglob("*"):
            if path.is_file():
                assert path.stat().st_mode & 0o077 == 0
    for process in ("api", "worker"):
        pid = json.loads((stack.home / "run" / f"{process}.json").read_text())["pid"]
        assert password not in Path(f"/proc/{pid}/cmdline").read_text()
