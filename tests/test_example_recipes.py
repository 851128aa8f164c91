"""The example recipes: filled from their schemas, fit for them, and trained on their data by the trainer on the host."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cli.marginals import draw_measured
from cli.recipes import fill_recipe
from policies.mechanisms import Gaussian
from policies.schema import parse_schema
from provider.privacy.calibration import calibrate
from sandbox.counting import SynthesisRecipe
from sandbox.guest.trainer import main as trainer
from sandbox.guest.trainer.encoding import encode
from sandbox.guest.trainer.main import read_all
from sandbox.recipe import TrainingRecipe, fits_schema, steps_and_rate
from sandbox.training import TrainingOrders, order_private

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "examples" / "recipes"
CANCER = ROOT / "examples" / "breast_cancer"
COUNTS = "breast_cancer_counts"
IMAGE = "sha256:" + "0" * 64
EXAMPLES = {  # schema, table, rows, and the least accuracy (or part of variance explained) on that table
    "breast_cancer_logistic": (CANCER / "schema.yaml", "wdbc.csv", 569, 0.94),
    "breast_cancer_mlp": (CANCER / "schema.yaml", "wdbc.csv", 569, 0.94),
    "digits_conv": (RECIPES / "digits.schema.yaml", "digits.csv", 1797, 0.85),
    "diabetes_regression": (RECIPES / "diabetes.schema.yaml", "diabetes.csv", 442, 0.25),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    subprocess.run([sys.executable, RECIPES / "make_data.py", folder], check=True, timeout=120)
    (folder / "wdbc.csv").write_bytes((CANCER / "wdbc.csv").read_bytes())
    return folder


def load_example(name: str) -> TrainingRecipe:
    schema = parse_schema(EXAMPLES[name][0].read_bytes())
    recipe = fill_recipe((RECIPES / f"{name}.yaml").read_bytes(), schema, image=IMAGE).manifest.recipe
    assert isinstance(recipe, TrainingRecipe)
    assert fits_schema(recipe, schema) is None
    return recipe


def test_every_example_is_tested() -> None:
    stems = {path.stem for path in RECIPES.glob("*.yaml") if ".schema" not in path.name}
    assert stems == EXAMPLES.keys() | {COUNTS}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_learns(tmp_path: Path, tables: Path, name: str) -> None:
    recipe, (_, file, rows, least) = load_example(name), EXAMPLES[name]
    (tmp_path / "0").write_bytes((tables / file).read_bytes())
    model, _ = trainer.run(order(recipe, rows).document(), [str(tmp_path)], seed=bytes(32))
    document = recipe.model_dump(mode="json")
    data = encode(read_all([str(tmp_path)], document, "row"), document)
    with torch.no_grad():
        said = model.run(data)
    if recipe.task == "regression":
        explained = (
            1
            - (said[:, 0] - data.targets).square().sum() / (data.targets - data.targets.mean()).square().sum()
        )
        assert explained > least
    else:
        found = said.argmax(dim=1) if said.shape[1] > 1 else (said[:, 0] > 0).long()
        assert (found == data.targets).float().mean() > least


def test_rows_drawn_from_what_the_example_counts_tell_the_diagnosis_apart(
    tmp_path: Path, tables: Path
) -> None:
    schema = parse_schema((CANCER / "schema.yaml").read_bytes())
    recipe = fill_recipe((RECIPES / f"{COUNTS}.yaml").read_bytes(), schema, image=IMAGE).manifest.recipe
    assert isinstance(recipe, SynthesisRecipe)
    noise = calibrate(Decimal(recipe.privacy.epsilon), Decimal("0.00001"), "1", len(recipe.histograms))
    orders = order_private(recipe, units=569, noise_multiplier=noise, unit="row")
    (tmp_path / "0").write_bytes((tables / "wdbc.csv").read_bytes())
    counts = trainer.run_counting(orders.document(), [str(tmp_path)], seed=bytes(32))
    widened = {name: values.astype(np.float64) for name, values in counts.items()}
    made, real = draw_measured(recipe, schema, widened, 2000, seed=1), pd.read_csv(tables / "wdbc.csv")
    for column in ("worst_radius", "mean_concavity"):
        drawn = made.groupby("malignant")[column].apply(lambda values: float(np.mean(values)))
        true = real.groupby("malignant")[column].mean()
        gap = float(true.iloc[1] - true.iloc[0])
        assert abs((drawn.iloc[1] - drawn.iloc[0]) / gap - 1) < 0.4


def order(recipe: TrainingRecipe, rows: int) -> TrainingOrders:
    """Return orders with the noise that the recipe's own epsilon needs at delta 1e-5."""
    if recipe.privacy is None:
        return TrainingOrders(recipe=recipe)
    steps, rate = steps_and_rate(recipe, rows)
    evaluation = recipe.evaluation.noise_multiplier if recipe.evaluation else None
    others = (Gaussian(noise_multiplier=evaluation),) if evaluation else ()
    noise = calibrate(Decimal(recipe.privacy.epsilon), Decimal("0.00001"), rate, steps, others)
    return order_private(recipe, units=rows, noise_multiplier=noise, unit="row")
