"""The example recipes: filled from their schemas, fit for them, and trained on their data by the trainer on the host."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import torch

from cli.recipes import fill_recipe
from policies.mechanisms import Gaussian
from policies.schema import parse_schema
from provider.privacy.calibration import calibrate
from sandbox.guest.trainer import main as trainer
from sandbox.guest.trainer.encoding import encode
from sandbox.guest.trainer.main import read_all
from sandbox.recipe import TrainingRecipe, fits_schema, steps_and_rate
from sandbox.training import TrainingOrders, order_private

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "examples" / "recipes"
CANCER = ROOT / "examples" / "breast_cancer"
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
    assert {path.stem for path in RECIPES.glob("*.yaml") if ".schema" not in path.name} == EXAMPLES.keys()


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


def order(recipe: TrainingRecipe, rows: int) -> TrainingOrders:
    """Return orders with the noise that the recipe's own epsilon needs at delta 1e-5."""
    if recipe.privacy is None:
        return TrainingOrders(recipe=recipe)
    steps, rate = steps_and_rate(recipe, rows)
    evaluation = recipe.evaluation.noise_multiplier if recipe.evaluation else None
    others = (Gaussian(noise_multiplier=evaluation),) if evaluation else ()
    noise = calibrate(Decimal(recipe.privacy.epsilon), Decimal("0.00001"), rate, steps, others)
    return order_private(recipe, units=rows, noise_multiplier=noise, unit="row")
