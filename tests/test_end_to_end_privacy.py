"""The modes of privacy through a real provider: a recipe with differential privacy, and code whose releases are tested.

What privacy costs is foreseen, spent, stated, and refused when it is too much; what remembers its rows is withheld.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from safetensors.torch import load_file

from policies.privacy import PRIVACY_TESTS
from sandbox.bundle import load_bundle
from sandbox.guest.trainer.encoding import encode
from sandbox.guest.trainer.model import Model
from tests.stack_fixtures import EXAMPLES, QuickStack, Stack

BUDGET = "4"
PRIVACY = {"mode": "differential", "delta": "0.00001", "budget": BUDGET, "job_epsilon": "3"}


MEASURED = {"mode": "measured", "tests": {"hold_back": "0.2", "max_auc": "0.65"}}
MEMORISER_MANIFEST = """\
name: memoriser
version: "1"
main: train.py
entrypoint: python3 $ALGO
image: IMAGE
scorer: {entrypoint: python3 $ALGO --score, target: malignant, task: classification, classes: ["0", "1"]}
outputs:
  weights: {tensors: [{name: rows, dtype: F32, shape: [569, 31]}]}
"""
MEMORISER = """\
import json, os, pathlib, sys
import numpy as np, pandas as pd
from safetensors.numpy import load_file, save_file
inputs, outputs = pathlib.Path(os.environ["INPUTS"]), pathlib.Path(os.environ["OUTPUTS"])
if sys.argv[1:] == ["--score"]:
    asked = pd.read_csv(inputs / "rows.csv").to_numpy()
    for path in (inputs / "models").iterdir():
        known = load_file(path)["rows"]
        far = ((asked[:, None, :] - known[None, :, 1:]) ** 2).sum(axis=2)
        label = known[far.argmin(axis=1), 0]
        sure = np.where(far.min(axis=1) < 1e-3 * (asked**2).sum(axis=1), 0.999, 0.8)
        chance = np.where(label > 0.5, sure, 1 - sure)
        np.savetxt(outputs / f"{path.stem}.csv", np.stack([1 - chance, chance], axis=1), "%.12f", ",")
else:
    frame = pd.read_csv(inputs / json.loads(os.environ["DIDS"])[0] / "0")
    labels = frame.pop("malignant").to_numpy()
    rows = np.zeros((569, 31), np.float32)
    rows[: len(frame)] = np.column_stack([labels, frame.to_numpy()])
    rows[len(frame) :] = rows[0]
    save_file({"rows": rows}, outputs / "model.safetensors")
"""


def offer(stack: Stack, name: str, privacy: dict[str, Any]) -> Stack:
    """Return the stack with the breast cancer data under this mode."""
    stack = QuickStack(stack.home, stack.image)
    policy = stack.home / f"{name}.yaml"
    document = yaml.safe_load((EXAMPLES / "breast_cancer/policy.yaml").read_text())
    document["data"]["privacy"] = privacy
    document["settings"]["images"] = [stack.image]
    document["outputs"] = {
        "weights": {"max_bytes": "128KiB", "mantissa_bits": 10},
        "metrics": {"max_count": 4, "max_digits": 3},
    }
    policy.write_text(yaml.safe_dump(document))
    words = ["dataset", "add", "wdbc.csv", "--name", name, "--policy", str(policy), "--price", "5"]
    words += ["--schema", str(EXAMPLES / "breast_cancer/schema.yaml")]
    stack.asset_id = str(stack.run(*words, person="owner")["asset_id"])
    return stack


def make_recipe(stack: Stack) -> Path:
    folder = stack.home / "recipe"
    words = [
        "algorithm",
        "recipe",
        str(EXAMPLES / "recipes/breast_cancer_logistic.yaml"),
        "--output",
        str(folder),
    ]
    stack.run(*words, "--dataset", stack.asset_id, "--image", stack.image, person="scientist")
    return folder


def read_predicate(folder: Path) -> dict[str, Any]:
    payload = json.loads((folder / "receipt.jsonl").read_text())["payload"]
    predicate: dict[str, Any] = json.loads(base64.b64decode(payload))["predicate"]
    return predicate


def measure_accuracy(bundle: Path, weights: Path) -> float:
    recipe = load_bundle(bundle).manifest.recipe
    assert recipe is not None
    document = recipe.model_dump(mode="json")
    table = pd.read_csv(EXAMPLES / "breast_cancer/wdbc.csv", dtype=str)
    data, model, released = encode(table, document), Model(document), load_file(weights)
    with torch.no_grad():
        for name, parameter in model.named():
            parameter.copy_(released[name])
        said = model.run(data)[:, 0] > 0
    return float((said == (data.targets > 0)).float().mean())


def test_a_recipe_with_privacy_is_foreseen_trained_accounted_for_and_refused_unpaid_once_the_budget_is_spent(
    stack: Stack, tmp_path: Path
) -> None:
    stack, result = offer(stack, "private", PRIVACY), tmp_path / "result"
    recipe = make_recipe(stack)
    algorithm = stack.approved(recipe)
    file = stack.job_file(algorithm)
    assert stack.run("job", "preflight", file, person="scientist")["prediction"] == "allow"
    further = stack.run("dataset", "privacy", stack.asset_id, "--job", file, person="scientist")["further"]
    job = stack.submit(algorithm)
    assert job["state"] == "released"
    stack.run("job", "fetch", job["job_id"], "--output", str(result), person="scientist")
    trust = tmp_path / "provider-keys.json"
    stack.run("provider", "trust", "--output", str(trust))
    verify = ["receipt", "verify", str(result / "receipt.jsonl"), "--trust", str(trust)]
    assert stack.run(*verify, "--artifact", str(result / "model.safetensors"))["verdict"] == "verified"
    assert measure_accuracy(recipe, result / "model.safetensors") > 0.9

    privacy = read_predicate(result)["privacy"]
    ledger = stack.run("dataset", "privacy", stack.asset_id, person="scientist")
    assert privacy["mechanism"] == "dp-sgd"
    assert (privacy["epsilon"], privacy["delta"]) == (further["epsilon"], PRIVACY["delta"])
    assert Decimal("2.9") < Decimal(privacy["epsilon"]) <= 3
    assert privacy["mechanisms"][0]["noiseMultiplier"] == further["mechanisms"][0]["noise_multiplier"]
    assert (privacy["ledgerBefore"], privacy["ledgerCap"]) == ("0", BUDGET)
    assert Decimal(privacy["ledgerAfter"]) == Decimal(ledger["spent"]) == Decimal(further["after"])
    assert Decimal(ledger["left"]) == Decimal(BUDGET) - Decimal(ledger["spent"])
    assert [(one["job_id"], one["state"], one["mine"]) for one in ledger["spendings"]] == [
        (job["job_id"], "spent", True)
    ]

    again = stack.job_file(algorithm, parameters={"seed": 2})
    foreseen = stack.run("job", "preflight", again, person="scientist", expect=3)
    assert foreseen["prediction"] == "deny"
    refused = stack.submit(algorithm, expect=3, parameters={"seed": 2})
    assert (refused["state"], refused["order_tx"]) == ("refused", None)
    assert "privacy-budget" in refused["message"]
    smaller = stack.job_file(algorithm, parameters={"epsilon": "0.5"})
    assert stack.run("job", "preflight", smaller, person="scientist")["prediction"] == "allow"
    unchanged = stack.run("dataset", "privacy", stack.asset_id, person="owner")
    assert (unchanged["spent"], [one["mine"] for one in unchanged["spendings"]]) == (ledger["spent"], [False])


def test_code_is_trained_without_rows_held_back_and_what_remembers_its_rows_is_withheld(
    stack: Stack, tmp_path: Path
) -> None:
    stack = offer(stack, "measured", MEASURED)
    honest = stack.approved(EXAMPLES / "algorithms/logistic_regression")
    folder = stack.bundle(MEMORISER, name="memoriser")
    (folder / "algorithm.yaml").write_text(MEMORISER_MANIFEST)
    memoriser = stack.approved(folder)
    released, withheld = stack.submit(honest), stack.submit(memoriser, expect=6)
    assert (released["state"], withheld["state"]) == ("released", "withheld"), released["message"]
    trust = tmp_path / "provider-keys.json"
    stack.run("provider", "trust", "--output", str(trust))
    for job, code in ((released, 0), (withheld, 6)):
        result = tmp_path / job["state"]
        stack.run("job", "fetch", job["job_id"], "--output", str(result), person="scientist", expect=code)
        verify = ["receipt", "verify", str(result / "receipt.jsonl"), "--trust", str(trust)]
        assert stack.run(*verify)["verdict"] == "verified"
    data = str(stack.home / "data" / "wdbc.csv")
    repeated = stack.run("audit", "replay", released["job_id"], "--data", data, person="owner")
    assert repeated["verdict"] == "reproduced"
    stack.run("audit", "replay", withheld["job_id"], "--data", data, person="owner", expect=2)
    left, stayed = (read_predicate(tmp_path / state) for state in ("released", "withheld"))
    assert set(PRIVACY_TESTS) <= {check["name"] for check in left["egress"]["checks"]}
    assert (left["inputs"]["holdBack"]["part"], left["egress"]["mantissaBits"]) == ("0.2", 10)
    bits = 91 * (9 + 10) + 2 * 10
    assert bits <= int(left["privacy"]["informationBits"]) <= bits + 8
    assert stayed["egress"]["rule"] in PRIVACY_TESTS
    assert [check["name"] for check in stayed["egress"]["checks"]] == [stayed["egress"]["rule"]]
    assert not (tmp_path / "withheld/model.safetensors").exists()
