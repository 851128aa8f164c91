"""Two people review what leaves, through a real provider: one release, one disagreement, a worker killed meanwhile.

The commands run in this process: to start one for each takes longer than all that they do.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack_fixtures import EXAMPLES, TINY, QuickStack, Stack

REVIEWERS = ("owner", "second")


@pytest.fixture(scope="module")
def reviewed_stack(stack: Stack) -> Stack:
    """Return the stack with a dataset whose releases its owner and a second person review."""
    stack = QuickStack(stack.home, stack.image)
    stack.run("account", "new", "second")
    people = {one["name"]: one["address"].lower() for one in stack.run("account", "list")["accounts"]}
    policy = stack.home / "reviewed.yaml"
    document = yaml.safe_load((EXAMPLES / "breast_cancer/policy.yaml").read_text())
    document["outputs"]["review"] = {"reviewers": [people[name] for name in REVIEWERS], "needed": 2}
    policy.write_text(yaml.safe_dump(document))
    words = ["dataset", "add", "wdbc.csv", "--name", "reviewed", "--policy", str(policy), "--price", "5"]
    stack.asset_id = str(stack.run(*words, person="owner")["asset_id"])
    return stack


def wait_for_review(stack: Stack, algorithm: str, **parameters: Any) -> str:
    job_id = str(stack.submit(algorithm, wait=False, parameters=parameters)["job_id"])
    stack.wait_for(lambda: bool(stack.job(job_id)["state"] == "reviewing"))
    return job_id


def decide(stack: Stack, person: str, job_id: str, decision: str, folder: Path) -> None:
    fetched = folder / f"{person}-{job_id[:6]}"
    stack.run("review", "fetch", job_id, "--output", str(fetched), person=person)
    assert json.loads((fetched / "metrics.json").read_text()) == {"loss": 0.5}
    words = ["review", decision, job_id, "--looked-at", str(fetched), "--reason", "looked at it"]
    assert stack.run(*words, person=person)["decided"] == decision


def fetch_receipt(stack: Stack, job_id: str, folder: Path, *, expect: int) -> dict[str, Any]:
    """Fetch a job, verify its receipt by the trust file alone, and return what the receipt says."""
    stack.wait_for(lambda: bool(stack.job(job_id)["anchor_tx"]))
    stack.run("job", "fetch", job_id, "--output", str(folder), person="scientist", expect=expect)
    trust = folder / "provider-keys.json"
    stack.run("provider", "trust", "--output", str(trust))
    verified = stack.run("receipt", "verify", str(folder / "receipt.jsonl"), "--trust", str(trust))
    steps = {step["name"]: step["result"] for step in verified["steps"]}
    assert steps["reviews"] == "passed"
    payload = json.loads((folder / "receipt.jsonl").read_text())["payload"]
    egress: dict[str, Any] = json.loads(base64.b64decode(payload))["predicate"]["egress"]
    return egress


def test_a_release_leaves_by_two_decisions_that_outlast_a_killed_worker_and_stays_by_one_of_two(
    reviewed_stack: Stack, tmp_path: Path
) -> None:
    stack = reviewed_stack
    algorithm = stack.approved(stack.bundle(TINY, name="reviewed"))
    foreseen = stack.run("job", "preflight", stack.job_file(algorithm), person="scientist")
    assert (foreseen["prediction"], foreseen["waiting"]["reviews"][0]["needed"]) == ("allow", 2)
    released = wait_for_review(stack, algorithm, seed=1)
    withheld = wait_for_review(stack, algorithm, seed=2)
    assert stack.run("review", "list", person="scientist") == {"reviews": []}
    stack.run("review", "show", released, person="scientist", expect=2)
    decide(stack, "owner", released, "release", tmp_path)
    decide(stack, "owner", withheld, "withhold", tmp_path)
    stack.kill("worker")
    decide(stack, "second", released, "release", tmp_path)
    decide(stack, "second", withheld, "release", tmp_path)
    stack.run("up")
    left = fetch_receipt(stack, released, tmp_path / "released", expect=0)
    stayed = fetch_receipt(stack, withheld, tmp_path / "withheld", expect=6)
    assert (left["verdict"], [one["decision"] for one in left["review"]["decisions"]]) == (
        "RELEASED",
        ["release", "release"],
    )
    assert (stayed["verdict"], stayed["rule"]) == ("WITHHELD", "review-withheld")
    assert sorted(one["decision"] for one in stayed["review"]["decisions"]) == ["release", "withhold"]
