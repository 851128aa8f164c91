"""Writes which models compute something else of a row when other rows are in the batch: one JSON list of their names.

A program of its own, since the variables that the seal sets are read when PyTorch is loaded.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch

from sandbox.guest.trainer.encoding import Encoded, encode
from sandbox.guest.trainer.losses import make_loss
from sandbox.guest.trainer.model import Model, Seen
from tests.recipe_samples import PICTURE, make_recipe, make_table
from tests.sandbox.test_trainer_clipping import MODELS

ROWS, FEW, TURNS = 3000, 40, 15
KINDS = ("relu", "elu", "gelu", "silu", "sigmoid", "tanh")
MORE: dict[str, dict[str, Any]] = {
    "widths": {"layers": [{"kind": "linear", "units": width} for width in (64, 7, 9, 33, 5)]},
    "convolutions with classes": {
        "features": [PICTURE],
        "target": {"kind": "category", "column": "c", "categories": ["red", "green", "blue", "none"]},
        "layers": [
            {"kind": "conv", "channels": 8, "size": 3, "padding": 1},
            {"kind": "instance-norm"},
            {"kind": "conv", "channels": 5, "size": 3, "stride": 2},
            {"kind": "flatten"},
        ],
    },
    "activations": {
        "layers": [layer for kind in KINDS for layer in ({"kind": "linear", "units": 6}, {"kind": kind})]
    },
}


def compute(model: Model, data: Encoded, recipe: dict[str, Any], rows: torch.Tensor) -> list[torch.Tensor]:
    """Return each learnt layer's input, output, and the gradient of that, a row each."""
    seen: list[Seen] = []
    batch = data.take(model.fill_up(rows) if sys.argv[2] == "filled up" else rows)
    losses = make_loss(recipe)(model.run(batch, seen=seen), batch.targets)[: len(rows)]
    gradients = torch.autograd.grad(losses.sum(), [item.given for item in seen])
    parts = [part for item in seen for part in (item.taken, item.given)] + list(gradients)
    return [part.detach()[: len(rows)] for part in parts]


def differs(recipe: dict[str, Any], random: np.random.Generator) -> bool:
    """Tell whether some row differs between a batch of all rows and batches of some of them, in another order."""
    data, model = encode(make_table(ROWS), recipe), Model(recipe)
    model.flat.mul_(3)
    whole = compute(model, data, recipe, torch.arange(ROWS))
    for most in [ROWS, FEW] * TURNS:
        some = torch.from_numpy(random.permutation(ROWS)[: random.integers(1, most)].copy())
        parts = compute(model, data, recipe, some)
        if not all(torch.equal(all_of[some], part) for all_of, part in zip(whole, parts, strict=True)):
            return True
    return False


if __name__ == "__main__":
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.set_num_threads(int(sys.argv[1]))
    found = [
        name
        for name, changes in (MODELS | MORE).items()
        if differs(make_recipe(**changes).model_dump(mode="json"), np.random.default_rng(5))
    ]
    json.dump(found, sys.stdout)
