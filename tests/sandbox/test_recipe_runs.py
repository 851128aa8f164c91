"""Recipes truly sealed: our own trainer in the real image, on real data, with and without privacy."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file

from sandbox.errors import StagingError
from sandbox.recipe import TrainingRecipe
from sandbox.spec import ExitReason, RunReport, Runtime
from sandbox.staging import StagedDataset
from sandbox.training import TrainingOrders, order_private
from tests.recipe_samples import YES_OR_NO, make_recipe, make_recipe_bundle
from tests.sandbox_fixtures import ASSET, MIB, ROOT, Bench, printed

DATA = ROOT / "examples" / "breast_cancer" / "wdbc.csv"
ROWS = 569
TARGET = YES_OR_NO | {"column": "malignant"}
BOUNDS = {"mean_radius": "40", "mean_texture": "50", "mean_concavity": "0.5", "worst_area": "5000"}
FEATURES = [{"kind": "number", "column": name, "min": "0", "max": high} for name, high in BOUNDS.items()]
ROOMY: dict[str, Any] = {
    "time_s": 120,
    "memory_bytes": 2048 * MIB,
    "scratch_bytes": 64 * MIB,
    "file_bytes": 64 * MIB,
    "open_files": 1024,
}


def train(
    bench: Bench, runtime: Runtime, recipe: TrainingRecipe, orders: TrainingOrders | None = None
) -> RunReport:
    dataset = StagedDataset(ASSET, (DATA,), (DATA.name,), "Breast cancer")
    bundle = make_recipe_bundle(recipe, image=bench.image)
    return bench.run("", runtime, bundle=bundle, orders=orders, datasets=[dataset], **ROOMY)


def check_outputs(report: RunReport, recipe: TrainingRecipe) -> float:
    """Check that exactly what was declared came out, and return the accuracy."""
    assert report.reason is ExitReason.COMPLETED, printed(report)
    contents = {output.path: output.content for output in report.outputs}
    assert set(contents) == set(recipe.outputs().files)
    weights = recipe.outputs().weights
    assert weights is not None
    found = {name: list(tensor.shape) for name, tensor in load_file(contents["model.safetensors"]).items()}
    assert found == {tensor.name: tensor.shape for tensor in weights.tensors}
    metrics = json.loads(contents["metrics.json"].read_text())
    assert set(metrics) == {"accuracy"}
    return float(metrics["accuracy"])


def test_a_recipe_without_privacy_trains_the_same_model_each_time(bench: Bench, runtime: Runtime) -> None:
    recipe = make_recipe(
        features=FEATURES, target=TARGET, layers=[{"kind": "linear", "units": 8}, {"kind": "relu"}],
        epochs=40, evaluation={"hold_out": "0.25"},
    )  # fmt: skip
    reports = [train(bench, runtime, recipe) for _ in range(2 if runtime is Runtime.RUNC else 1)]
    assert check_outputs(reports[0], recipe) > 0.85
    assert len({tuple(output.digest for output in report.outputs) for report in reports}) == 1


def test_a_recipe_with_privacy_learns_and_never_gives_the_same_model_twice(
    bench: Bench, runtime: Runtime
) -> None:
    recipe = make_recipe(
        features=FEATURES, target=TARGET, epochs=20, batch_size=64, learning_rate="2", average_last="0.5",
        privacy={"epsilon": "8", "clipping_norm": "1"}, evaluation={"hold_out": "0.25", "noise_multiplier": "2"},
    )  # fmt: skip
    orders = order_private(recipe, units=ROWS, noise_multiplier="1.1", unit="row")
    reports = [train(bench, runtime, recipe, orders) for _ in range(2 if runtime is Runtime.RUNC else 1)]
    assert check_outputs(reports[0], recipe) > 0.8
    digests = {
        output.digest for report in reports for output in report.outputs if output.path != "metrics.json"
    }
    assert len(digests) == len(reports)


def test_data_without_the_columns_fails_and_nothing_leaves(bench: Bench) -> None:
    report = train(bench, Runtime.RUNC, make_recipe())
    assert report.reason is ExitReason.ALGORITHM_FAILED
    assert report.outputs == ()
    assert "columns" in printed(report)
    assert str(pd.read_csv(DATA).iloc[0, 0]) not in printed(report)


@pytest.mark.parametrize("with_orders", [False, True], ids=["no orders", "orders of another recipe"])
def test_a_recipe_with_privacy_is_not_even_staged_without_its_own_orders(
    bench: Bench,
    with_orders: bool,  # noqa: FBT001
) -> None:
    recipe = make_recipe(features=FEATURES, target=TARGET, privacy={"epsilon": "3"})
    other = make_recipe(features=FEATURES, target=TARGET, privacy={"epsilon": "30"})
    orders = order_private(other, units=ROWS, noise_multiplier="0.1", unit="row") if with_orders else None
    with pytest.raises(StagingError, match=r"without the noise|another recipe"):
        train(bench, Runtime.RUNC, recipe, orders)
