"""Sums of clipped gradients, against gradients taken row by row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sandbox.determinism import variables
from sandbox.guest.trainer import clipping
from sandbox.guest.trainer.clipping import SLACK, ClippedSum
from sandbox.guest.trainer.encoding import Encoded, encode
from sandbox.guest.trainer.losses import make_loss
from sandbox.guest.trainer.model import Model
from sandbox.guest.trainer.noise import Keystream
from sandbox.guest.trainer.units import Units, each_row, gather_units
from tests.recipe_samples import CATEGORY, NUMBERS, PICTURE, PRIVATE, SURVIVAL, make_recipe, make_table

ROOT = Path(__file__).resolve().parents[2]
LINEAR = {"kind": "linear", "units": 5}
TANH = {"kind": "tanh"}
MODELS: dict[str, dict[str, Any]] = {
    "a linear model": {},
    "hidden layers": {"layers": [LINEAR, TANH, {"kind": "layer-norm"}, LINEAR, {"kind": "gelu"}]},
    "an embedding": {"features": [*NUMBERS, CATEGORY | {"embedding": 3}], "layers": [LINEAR, TANH]},
    "a convolution with group norm": {
        "features": [PICTURE],
        "layers": [{"kind": "conv", "channels": 4, "size": 3, "padding": 1}, {"kind": "group-norm", "groups": 2},
                   {"kind": "relu"}, {"kind": "max-pool", "size": 2}],
    },
    "a convolution with instance norm": {
        "features": [PICTURE],
        "layers": [{"kind": "conv", "channels": 2, "size": 3, "stride": 2}, {"kind": "instance-norm"},
                   {"kind": "average-pool", "size": 3}, {"kind": "flatten"}, LINEAR],
    },
    "three classes": {"features": NUMBERS, "target": CATEGORY, "layers": [LINEAR, TANH]},
    "survival": {
        "task": "survival", "target": SURVIVAL, "loss": {"kind": "discrete-hazard", "intervals": 6}, "layers": [LINEAR],
    },
}  # fmt: skip
UNITS = {
    "rows": each_row(12),
    "units of up to five rows": gather_units(
        pd.DataFrame({"who": list("aaabccdddddeeeee")}),
        {"column": "who", "max_rows": 5},
        Keystream(bytes(32)),
    ),
}


def no_mask(values: torch.Tensor, _rate: float) -> torch.Tensor:
    return values


def gradients_by_unit(model: Model, data: Encoded, recipe: dict[str, Any], units: Units) -> torch.Tensor:
    loss, found = make_loss(recipe), []
    for unit in range(len(units)):
        batch = data.take(units.take(np.array([unit])).used())
        value = loss(model.run(batch), batch.targets).sum()
        parts = torch.autograd.grad(value, [parameter for _, parameter in model.named()])
        found.append(torch.cat([part.reshape(-1) for part in parts]))
    return torch.stack(found).double()


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("size", [1e-18, 1e-25, 1e-35])
def test_gradients_whose_squares_are_no_floats_are_clipped_too(changes: dict[str, Any], size: float) -> None:
    recipe = make_recipe(**changes).model_dump(mode="json")
    data, model, loss = encode(make_table(), recipe), Model(recipe), make_loss(recipe)
    norm = size * 1e-3
    clipped = ClippedSum(model, data, lambda *both: loss(*both) * size, norm=norm, mask=no_mask)
    sums = [clipped.of(UNITS["rows"].take(np.array([unit]))).norm() for unit in range(12)]
    assert 0 < max(sums) <= norm


@pytest.mark.parametrize("units", UNITS.values(), ids=UNITS)
@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("norm", [0.05, 1e6], ids=["clipping all", "clipping none"])
def test_a_sum_is_of_gradients_taken_one_by_one(changes: dict[str, Any], units: Units, norm: float) -> None:
    recipe = make_recipe(**changes).model_dump(mode="json")
    data, model = encode(make_table(), recipe), Model(recipe)
    naive = gradients_by_unit(model, data, recipe, units)
    factors = (norm * (1 - SLACK) / naive.norm(dim=1)).clamp(max=1)
    got = ClippedSum(model, data, make_loss(recipe), norm=norm, mask=no_mask).of(units)
    assert torch.allclose(got, factors @ naive, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS)
def test_no_unit_moves_a_sum_by_more_than_the_norm(changes: dict[str, Any]) -> None:
    recipe = make_recipe(**changes, privacy=None if changes.get("loss") else PRIVATE).model_dump(mode="json")
    data, model = encode(make_table(), recipe), Model(recipe)
    model.flat.mul_(20)  # steep: every gradient is clipped
    clipped = ClippedSum(model, data, make_loss(recipe), norm=0.5, mask=no_mask)
    units = UNITS["units of up to five rows"]
    whole = clipped.of(units)
    for left_out in range(len(units)):
        others = units.take(np.array([number for number in range(len(units)) if number != left_out]))
        assert (whole - clipped.of(others)).norm() <= 0.5


def test_no_units_sum_to_zero() -> None:
    recipe = make_recipe().model_dump(mode="json")
    model = Model(recipe)
    clipped = ClippedSum(model, encode(make_table(), recipe), make_loss(recipe), norm=1.0, mask=no_mask)
    empty = UNITS["rows"].take(np.array([], dtype=np.int64))
    assert torch.equal(clipped.of(empty), torch.zeros(5, dtype=torch.float64))


@pytest.mark.parametrize("name", ["hidden layers", "a convolution with group norm"])
def test_a_unit_without_a_finite_gradient_counts_as_zero_and_disturbs_no_other(name: str) -> None:
    recipe = make_recipe(**MODELS[name]).model_dump(mode="json")
    data, model, units = encode(make_table(), recipe), Model(recipe), UNITS["rows"]
    data.inputs[3] = torch.inf
    clipped = ClippedSum(model, data, make_loss(recipe), norm=0.5, mask=no_mask)
    others = units.take(np.array([number for number in range(12) if number != 3]))
    assert torch.allclose(clipped.of(units), clipped.of(others), atol=1e-6)


def test_a_batch_too_large_for_one_piece_is_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = make_recipe(**MODELS["hidden layers"]).model_dump(mode="json")
    data, model = encode(make_table(), recipe), Model(recipe)
    clipped = ClippedSum(model, data, make_loss(recipe), norm=0.5, mask=no_mask)
    whole = clipped.of(UNITS["rows"])
    monkeypatch.setattr(clipping, "MAX_FORMED", 5 * len(model.flat))
    assert torch.allclose(clipped.of(UNITS["rows"]), whole, atol=1e-6)


OLDER = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def _find_disturbed(threads: int, batches: str, **changes: str) -> list[str]:
    """Return the models in which rows disturb each other, computed as in the seal but for `changes` of its variables."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.alone", str(threads), batches],
        env=os.environ | variables(threads) | {"PYTHONPATH": str(ROOT)} | changes,
        check=True,
        capture_output=True,
        text=True,
    )
    found: list[str] = json.loads(finished.stdout)
    return found


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("changes", [{}, OLDER], ids=["this processor", "one without AVX-512"])
def test_what_is_computed_of_a_row_is_the_same_to_the_last_bit_whoever_else_is_in_the_batch(
    threads: int, changes: dict[str, str]
) -> None:
    assert _find_disturbed(threads, "filled up", **changes) == []


def test_in_batches_as_they_come_rows_would_disturb_each_other() -> None:
    assert _find_disturbed(1, "as they come") != []


@pytest.mark.parametrize("others", [8, 236])
def test_no_unit_moves_a_sum_by_more_than_the_norm_where_layers_amplify_what_rounding_does(
    others: int,
) -> None:
    """Instance norms of nearly equal numbers make a difference in the last bit as large as the numbers are."""
    block = [{"kind": "conv", "channels": 128, "size": 1}] * 2 + [{"kind": "instance-norm"}]
    recipe = make_recipe(
        features=[PICTURE | {"pixels": ["p0", "p1", "p2"], "shape": [1, 1, 3], "max": "1"}],
        target=CATEGORY | {"categories": ["a", "b", "c", "d"]},
        layers=[*block * 18, {"kind": "flatten"}],
        seed=1,
    ).model_dump(mode="json")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        random = torch.Generator().manual_seed(0)
        images = torch.rand(others + 1, 1, 1, 3, generator=random) * 2 - 1
        images[:others] = images[0]
        data = Encoded(
            images, torch.empty(others + 1, 0, dtype=torch.int64), torch.zeros(others + 1, dtype=torch.int64)
        )
        clipped = ClippedSum(Model(recipe), data, make_loss(recipe), norm=1.0, mask=no_mask)
        units = each_row(others + 1)
        moved = clipped.of(units) - clipped.of(units.take(np.arange(others)))
    finally:
        torch.set_num_threads(threads)
    assert moved.norm() <= 1
