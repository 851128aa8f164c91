"""What runs leave behind, through the real command and worker: several at once, killed in the middle, and hostile names."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sandbox.seal import LABEL_OWNER
from tests.stack_fixtures import TINY, Stack

LONG = "import time; time.sleep(30)\n"
SECRET = "carcinoma-4711"
NAMES = f"""\
import os, pathlib
name = "{SECRET}"
out = pathlib.Path("/data/outputs")
"""
ENTRIES = (
    NAMES
    + "out.joinpath(name + '.csv').write_text(name)\n"
    + "out.joinpath(name + '\\n\\x1b[2J').write_text(name)\n"
    + "os.symlink(name, out / name)\n"
)
CRASH = NAMES + "open('/data/inputs/' + name)\n"


def containers(label: str) -> list[str]:
    """Return every container with this label, running or not."""
    words = ["docker", "ps", "--all", "--quiet", "--filter", f"label={label}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def restart(stack: Stack, **settings: Any) -> None:
    path = stack.home / "provider" / "settings.yaml"
    stack.run("down", "--keep-chain")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))
    stack.run("up")


@pytest.fixture(scope="module")
def wide_stack(stack: Stack) -> Iterator[Stack]:
    restart(stack, parallel_jobs=2)
    yield stack
    stack.run("down", "--keep-chain")


def running(stack: Stack) -> list[tuple[str, str]]:
    return sorted((job["job_id"], job["code"]) for job in stack.run("status")["jobs"]["running"])


def test_hole_21_a_worker_killed_in_the_middle_of_two_runs_finishes_both_and_each_once(
    wide_stack: Stack,
) -> None:
    stack = wide_stack
    algorithm = stack.approved(stack.bundle(LONG + TINY, name="long"))
    jobs = [stack.submit(algorithm, wait=False, parameters={"seed": seed})["job_id"] for seed in (1, 2)]
    both = sorted((job_id, "sealed-run") for job_id in jobs)
    stack.wait_for(lambda: running(stack) == both)
    stack.kill("worker")
    assert len(stack.run("status", expect=5)["jobs"]["running"]) == 2
    stack.run("up")
    stack.wait_for(lambda: all(stack.job(job_id)["anchor_tx"] for job_id in jobs))
    ended = [stack.job(job_id) for job_id in jobs]
    assert [(job["state"], job["attempt"]) for job in ended] == [("released", 2)] * 2
    for job in ended:
        codes = [step["code"] for step in job["timeline"]]
        assert (codes.count("restarted"), codes.count("released")) == (1, 1)
    every = stack.run("job", "list", person="scientist")["jobs"]
    assert sorted(job["receipt_index"] for job in every) == list(range(len(every)))


@pytest.mark.parametrize(
    ("source", "code"),
    [(ENTRIES, "withheld"), (CRASH, "algorithm-failed")],
    ids=["among the outputs", "in an error"],
)
def test_no_name_of_a_file_leaves_by_the_api_the_command_the_receipt_or_a_log(
    wide_stack: Stack, tmp_path: Path, source: str, code: str
) -> None:
    stack = wide_stack
    algorithm = stack.approved(stack.bundle(f"print('{SECRET}')\n" + TINY + source, name="names"))
    job = stack.submit(algorithm, expect=6)
    assert job["code"] == code
    job_id = job["job_id"]
    # What the algorithm printed is kept for the owner, so the name would be found where it is.
    assert SECRET in stack.run("job", "log", job_id, person="owner")["log"]
    stack.run("job", "log", job_id, person="scientist", expect=2)
    stack.run("job", "fetch", job_id, "--output", str(tmp_path), person="scientist", expect=6)
    seen = [json.dumps(job), *said(stack, job_id), *answered(stack, job_id)]
    seen += [path.read_text() for path in tmp_path.iterdir()]
    seen += [path.read_text(errors="replace") for path in (stack.home / "run").glob("*.log")]
    assert [text for text in seen if SECRET in text] == []


def said(stack: Stack, job_id: str) -> list[str]:
    """Return what commands say of a job to a person, for scientist and owner."""
    words: list[tuple[str, tuple[str, ...]]] = [
        ("scientist", ("job", "status", job_id)),
        ("scientist", ("job", "list")),
        ("owner", ("dataset", "jobs")),
        ("owner", ("dataset", "receipts")),
        ("owner", ("status",)),
    ]
    return [str(stack.run(*command, person=person, json_out=False)) for person, command in words]


def answered(stack: Stack, job_id: str) -> list[str]:
    """Return the public answers about a job, with what is signed in its receipt."""
    url = json.loads((stack.home / "client.json").read_text())["provider_url"]
    receipt, proof = (
        httpx.get(f"{url}/v1/jobs/{job_id}/{part}", trust_env=False).text for part in ("receipt", "proof")
    )
    return [receipt, proof, base64.b64decode(json.loads(receipt)["payload"]).decode()]


def test_a_worker_that_is_stopped_leaves_no_container_in_the_engine(wide_stack: Stack) -> None:
    identity = wide_stack.run("provider", "show")
    label = f"{LABEL_OWNER}={identity['chain_id']}-{identity['provider'].lower()}"
    wide_stack.submit(wide_stack.approved(wide_stack.bundle(TINY, name="last")))
    wide_stack.run("down", "--keep-chain")
    assert containers(label) == []
    wide_stack.run("up")
