"""Bundles that are not of our own making or ask for more than ours: Ocean's, and those that want a GPU, to their end."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from datatokens.model import OrderStatus
from provider.jobs.states import State
from provider.release import create_result_key, open_release
from sandbox.bundle import Bundle, load_bundle, parse_bundle
from tests.hospital_fixtures import Hospital
from tests.provider_fixtures import CSV, POLICY

OCEAN = Path(__file__).resolve().parents[2] / "examples" / "algorithms" / "ocean_line_count"
GPU_ALLOWED = POLICY.replace("limits: {", "limits: {gpus: 1, ")


def run(hospital: Hospital, bundle: Bundle, *, policy: str = POLICY, **changes: Any) -> str:
    """Have `bundle` approved, ordered and worked on; return the job."""
    asset = hospital.lab.add_dataset(policy=policy)
    hospital.lab.upload(bundle)
    hospital.lab.approve(asset, bundle)
    job_id = hospital.submit(asset, bundle, **changes)
    hospital.clerk.turn()
    if hospital.job(job_id).state is not State.REFUSED:
        hospital.pay(asset, bundle, job_id)
    hospital.work()
    return job_id


def with_gpus(hospital: Hospital, count: int) -> Bundle:
    files = dict(hospital.bundle().files)
    files["algorithm.yaml"] += f"gpus: {count}\n".encode()
    return parse_bundle(files)


def test_an_algorithm_written_for_ocean_is_released(hospital: Hospital) -> None:
    key = create_result_key()
    bundle = load_bundle(OCEAN, image=hospital.image)
    job_id = run(hospital, bundle, result_key=base64.b64encode(key.public).decode())
    job = hospital.job(job_id)
    assert (job.state, job.code) == (State.RELEASED, "released"), job.message
    sealed = hospital.lab.read(hospital.lab.people.scientist, f"/v1/jobs/{job_id}/release").data
    files = open_release(sealed, key.private, job_id)
    assert json.loads(files["metrics.json"]) == {"lines": len(CSV.splitlines())}


def test_one_that_leaves_a_file_in_its_own_form_is_withheld(hospital: Hospital) -> None:
    files = dict(load_bundle(OCEAN, image=hospital.image).files)
    files["algorithm.yaml"] = files["algorithm.yaml"].replace(
        b'sh -c "python $ALGO && python /data/transformations/declare.py"', b"python $ALGO"
    )
    job = hospital.job(run(hospital, parse_bundle(files)))
    assert job.state is State.WITHHELD
    assert "only-declared-files" in job.message


def test_an_algorithm_that_wants_a_gpu_is_refused_unless_the_policy_allows_it(hospital: Hospital) -> None:
    job_id = run(hospital, with_gpus(hospital, 1))
    assert hospital.job(job_id).state is State.REFUSED
    hospital.notary.turn()
    facts = hospital.statement(job_id).facts
    (rule,) = [rule for rule in facts.policy.rules if rule.name == "gpus-allowed"]
    assert (rule.verdict, rule.detail) == (
        "deny",
        "the algorithm asks for 1 of the host's GPUs, allowed are 0",
    )
    assert facts.run is None


def test_one_gpu_more_than_allowed_is_refused(hospital: Hospital) -> None:
    job_id = run(hospital, with_gpus(hospital, 2), policy=GPU_ALLOWED)
    assert hospital.job(job_id).state is State.REFUSED


def test_a_policy_that_demands_gvisor_gives_no_gpu(hospital: Hospital) -> None:
    job_id = run(hospital, with_gpus(hospital, 1), policy=GPU_ALLOWED + "runtime: gvisor\n")
    job = hospital.job(job_id)
    assert job.state is State.REFUSED
    assert "gVisor, which hands out no GPU" in job.message


@pytest.mark.skipif(
    shutil.which("nvidia-container-runtime-hook") is not None, reason="this machine may have a GPU to give"
)
def test_a_job_whose_gpu_is_not_there_ends_and_is_refunded(hospital: Hospital) -> None:
    job_id = run(hospital, with_gpus(hospital, 1), policy=GPU_ALLOWED)
    assert (hospital.job(job_id).state, hospital.job(job_id).code) == (State.FAILED, "engine-failed")
    hospital.notary.turn()
    assert hospital.order_status(job_id) is OrderStatus.REFUNDED
