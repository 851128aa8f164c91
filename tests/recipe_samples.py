"""Recipes and tables to try the trainer with; every recipe says which columns it reads, so a table can be made for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from policies.canonical import canonical_json
from sandbox.bundle import Bundle, parse_bundle
from sandbox.recipe import TrainingRecipe
from sandbox.training import PrivateTraining, TrainingOrders

IMAGE = "sha256:" + "0" * 64
NUMBERS = [{"kind": "number", "column": f"n{i}", "min": "-1", "max": "3"} for i in range(4)]
CATEGORY = {"kind": "category", "column": "c", "categories": ["red", "green", "blue"]}
PIXELS = [f"p{i}" for i in range(64)]
PICTURE = {"kind": "image", "pixels": PIXELS, "shape": [1, 8, 8], "min": "0", "max": "16"}
YES_OR_NO = {"kind": "boolean", "column": "y"}
SURVIVAL = {"kind": "survival", "time": "t", "event": "e", "min": "0", "max": "10"}
PRIVATE = {"epsilon": "3", "clipping_norm": "0.5"}


def make_recipe(**changes: Any) -> TrainingRecipe:
    """Return a recipe that holds: logistic regression, with `changes`."""
    value: dict[str, Any] = {
        "task": "classification",
        "features": NUMBERS,
        "target": YES_OR_NO,
        "loss": {"kind": "cross-entropy"},
        "optimizer": {"kind": "sgd"},
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": "0.5",
    }
    return TrainingRecipe.model_validate(value | changes)


def make_orders(recipe: TrainingRecipe, **changes: Any) -> TrainingOrders:
    """Return orders for a recipe; with privacy those of a small noise, with `changes`."""
    if recipe.privacy is None:
        return TrainingOrders(recipe=recipe)
    value: dict[str, Any] = {"noise_multiplier": "0.5", "sampling_rate": "0.25", "steps": 4, "divisor": "16"}
    return TrainingOrders(recipe=recipe, private=PrivateTraining.model_validate(value | changes))


def make_recipe_bundle(
    recipe: TrainingRecipe, *, image: str = IMAGE, parameters: tuple[str, ...] = ()
) -> Bundle:
    """Return a bundle of a recipe whose `parameters` a job may say otherwise."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {} for name in parameters},
    }
    manifest = {
        "kind": "recipe",
        "name": "tested",
        "version": "1",
        "image": image,
        "parameters": schema,
        "recipe": recipe.model_dump(mode="json"),
    }
    return parse_bundle({"algorithm.yaml": canonical_json(manifest)})


def make_table(rows: int = 60, seed: int = 1) -> pd.DataFrame:
    """Return rows for every recipe here: all columns, `who` among them, with few to learn from."""
    random = np.random.default_rng(seed)
    table: dict[str, Any] = {f"n{i}": random.uniform(-1, 3, rows).round(4) for i in range(4)}
    table["c"] = random.choice(["red", "green", "blue"], rows)
    table |= {pixel: random.integers(0, 17, rows) for pixel in PIXELS}
    table["y"] = np.where(table["n0"] + table["n1"] > 2, "true", "false")
    table["t"] = random.uniform(0, 10, rows).round(3)
    table["e"] = random.choice(["true", "false"], rows)
    table["amount"] = (table["n0"] + 1).round(4)
    table["who"] = random.integers(0, rows // 3, rows)
    return pd.DataFrame(table)
