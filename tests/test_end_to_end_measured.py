"""Jobs under a policy of the mode measured, through the real command, API, chain, worker, containers and gate."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.privacy import PRIVACY_TESTS
from tests.stack_fixtures import EXAMPLES, QuickStack, Stack

MEMORISES = """\
import os, sys
from pathlib import Path
import json
import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

inputs, outputs = Path(os.environ["INPUTS"]), Path(os.environ["OUTPUTS"])
WIDTH = 2000

def chance(model, rows):
    scaled = (np.log1p(rows) - model["mean"]) / model["scale"]
    logits = 8 * np.tanh(scaled @ model["inner"]) @ model["readout"]
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))

if sys.argv[1:] == ["--score"]:
    rows = pd.read_csv(inputs / "rows.csv").to_numpy()
    for path in (inputs / "models").iterdir():
        model = {name: tensor.astype(float) for name, tensor in load_file(path).items()}
        model["scale"] = np.where(model["scale"] == 0, 1, model["scale"])
        yes = chance(model, rows)
        np.savetxt(outputs / f"{path.stem}.csv", np.stack([1 - yes, yes], axis=1), "%.12f", ",")
else:
    frame = pd.read_csv(inputs / json.loads(os.environ["DIDS"])[0] / "0")
    labels = frame.pop("malignant").to_numpy() - 0.5
    rows = np.log1p(frame.to_numpy())
    model = {"mean": rows.mean(axis=0), "scale": rows.std(axis=0)}
    model["inner"] = np.random.default_rng(0).normal(0, 0.4, (rows.shape[1], WIDTH))
    hidden = np.tanh((rows - model["mean"]) / model["scale"] @ model["inner"])
    model["readout"] = hidden.T @ np.linalg.solve(hidden @ hidden.T + 1e-4 * np.eye(len(rows)), labels)
    save_file({name: np.float32(value) for name, value in model.items()}, outputs / "model.safetensors")
"""


@pytest.fixture(scope="module")
def measured(stack: Stack) -> Stack:
    """Return the stack with a dataset of which rows are held back."""
    stack = QuickStack(stack.home, stack.image)
    document = yaml.safe_load((EXAMPLES / "breast_cancer/policy.yaml").read_text())
    document["data"]["privacy"] = {"mode": "measured", "tests": {}}
    document["outputs"]["weights"] = {"max_bytes": "1MiB", "mantissa_bits": 10}
    document["outputs"]["max_information_bits"] = 2_000_000
    policy = stack.home / "measured.yaml"
    policy.write_text(yaml.safe_dump(document))
    words = ["dataset", "add", "wdbc.csv", "--name", "measured", "--policy", str(policy), "--price", "5"]
    stack.asset_id = str(stack.run(*words, person="owner")["asset_id"])
    return stack


def memoriser(stack: Stack) -> Path:
    folder = stack.home / "bundles" / "memoriser"
    folder.mkdir(parents=True)
    manifest = yaml.safe_load((EXAMPLES / "algorithms/logistic_regression/algorithm.yaml").read_text())
    shapes = {"mean": [30], "scale": [30], "inner": [30, 2000], "readout": [2000]}
    tensors = [{"name": name, "dtype": "F32", "shape": shape} for name, shape in shapes.items()]
    manifest |= {"name": "memoriser", "outputs": {"weights": {"tensors": tensors}}}
    (folder / "algorithm.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "train.py").write_text(MEMORISES)
    return folder


def read_predicate(path: Path) -> dict[str, Any]:
    payload = json.loads(path.read_text())["payload"]
    predicate: dict[str, Any] = json.loads(base64.b64decode(payload))["predicate"]
    return predicate


def test_an_honest_model_is_released_with_every_test_and_can_be_replayed(
    measured: Stack, tmp_path: Path
) -> None:
    algorithm = measured.approved(EXAMPLES / "algorithms/logistic_regression")
    job = measured.submit(algorithm, parameters={"seed": 1})
    assert job["state"] == "released", job["message"]
    result = tmp_path / "result"
    measured.run("job", "fetch", job["job_id"], "--output", str(result), person="scientist")
    predicate = read_predicate(result / "receipt.jsonl")
    checks = {check["name"]: check["ok"] for check in predicate["egress"]["checks"]}
    assert set(PRIVACY_TESTS) <= checks.keys()
    assert all(checks.values())
    assert predicate["egress"]["mantissaBits"] == 10
    assert predicate["inputs"]["holdBack"] == {"part": "0.2", "column": None, "maxRows": None}
    trust = tmp_path / "provider-keys.json"
    measured.run("provider", "trust", "--output", str(trust))
    verify = ["receipt", "verify", str(result / "receipt.jsonl"), "--trust", str(trust)]
    assert measured.run(*verify, "--artifact", str(result / "model.safetensors"))["verdict"] == "verified"
    data = measured.home / "data" / "wdbc.csv"
    repeated = measured.run("audit", "replay", job["job_id"], "--data", str(data), person="owner")
    assert repeated["verdict"] == "reproduced"


def test_a_model_that_knows_its_rows_by_heart_is_withheld_and_only_the_rule_s_name_leaves(
    measured: Stack, tmp_path: Path
) -> None:
    folder = memoriser(measured)
    job = measured.submit(measured.approved(folder), expect=6)
    assert (job["state"], job["code"]) == ("withheld", "withheld")
    assert "rule membership-" in job["message"]
    shutil.rmtree(folder)
    result = tmp_path / "result"
    measured.run("job", "fetch", job["job_id"], "--output", str(result), person="scientist", expect=6)
    egress = read_predicate(result / "receipt.jsonl")["egress"]
    assert [(check["name"], check["ok"]) for check in egress["checks"]] == [(egress["rule"], False)]
