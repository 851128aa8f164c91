"""A recipe with differential privacy, through a real provider: what it costs is foreseen, spent, stated, and refused when it is too much."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from sandbox.bundle import load_bundle
from sandbox.guest.trainer.encoding import encode
from sandbox.guest.trainer.model import Model
from tests.stack_fixtures import EXAMPLES, QuickStack, Stack

BUDGET = "4"
PRIVACY = {"mode": "differential", "delta": "0.00001", "budget": BUDGET, "job_epsilon": "3"}


@pytest.fixture(scope="module")
def private_stack(stack: Stack) -> Stack:
    """Return the stack with a dataset of which all jobs together may spend an epsilon of 4."""
    stack = QuickStack(stack.home, stack.image)
    policy = stack.home / "differential.yaml"
    document = yaml.safe_load((EXAMPLES / "breast_cancer/policy.yaml").read_text())
    document["data"]["privacy"] = PRIVACY
    policy.write_text(yaml.safe_dump(document))
    words = ["dataset", "add", "wdbc.csv", "--name", "private", "--policy", str(policy), "--price", "5"]
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
    private_stack: Stack, tmp_path: Path
) -> None:
    stack, result = private_stack, tmp_path / "result"
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
