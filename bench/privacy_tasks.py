"""The three datasets that accuracy is measured on, each with a schema that is public and a recipe; scikit-learn ships the data.

Schemas and recipes are those in `examples`, as users get them, but for digits, which a linear model learns here so that the baseline
can be the same. Bounds are round numbers around what the data's own published description says. The hyper-parameters were chosen by
trying some on these very datasets, which are public; on data that is private, such a search is made on public or synthetic data, or
is itself accounted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import load_diabetes, load_digits

from cli.recipes import fill_recipe
from policies.documents import validate_document
from policies.schema import DatasetSchema, parse_schema
from sandbox.recipe import TrainingRecipe

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DELTA = "0.00001"
IMAGE = "sha256:" + "0" * 64
DIGITS = b"""
name: digits-linear
version: "1"
image: IMAGE
parameters: []
recipe:
  task: classification
  features: all
  target: target
  loss: {kind: cross-entropy}
  optimizer: {kind: sgd}
  epochs: 40
  batch_size: 256
  learning_rate: "1"
  average_last: "0.5"
  privacy: {epsilon: 3, clipping_norm: 1}
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A dataset and the recipe that learns it; `measure` is the score on rows that were not trained on."""

    name: str
    table: pd.DataFrame
    schema: DatasetSchema
    draft: bytes
    measure: str

    def recipe(self, epsilon: str | None) -> TrainingRecipe:
        """Return the recipe as a scientist makes it from the draft; None trains it without privacy."""
        recipe = fill_recipe(self.draft, self.schema, image=IMAGE).manifest.recipe
        if not isinstance(recipe, TrainingRecipe) or recipe.privacy is None:
            raise ValueError(f"{self.name}: expected a recipe that trains with privacy")
        privacy = recipe.privacy.model_copy(update={"epsilon": epsilon, "delta": DELTA})
        return recipe.model_copy(update={"privacy": None if epsilon is None else privacy, "evaluation": None})


def tasks() -> Iterator[Task]:
    """Load all three."""
    yield Task(
        "breast_cancer",
        pd.read_csv(EXAMPLES / "breast_cancer/wdbc.csv"),
        parse_schema((EXAMPLES / "breast_cancer/schema.yaml").read_bytes()),
        (EXAMPLES / "recipes/breast_cancer_logistic.yaml").read_bytes(),
        "accuracy",
    )
    digits = load_digits(as_frame=True).frame
    pixels = [_number(name, 0, 16) for name in digits.columns[:-1]]
    classes = {"name": "target", "kind": "category", "categories": [str(digit) for digit in range(10)]}
    yield Task("digits", digits, _schema([*pixels, classes]), DIGITS, "accuracy")
    diabetes = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    diabetes["sex"] = diabetes["sex"].astype(int)
    yield Task(
        "diabetes",
        diabetes,
        parse_schema((EXAMPLES / "recipes/diabetes.schema.yaml").read_bytes()),
        (EXAMPLES / "recipes/diabetes_regression.yaml").read_bytes(),
        "r2",
    )


def _schema(columns: list[dict[str, Any]]) -> DatasetSchema:
    return validate_document({"columns": columns}, DatasetSchema, document="schema")


def _number(name: str, low: float, high: float) -> dict[str, Any]:
    return {"name": name, "kind": "number", "min": str(low), "max": str(high)}
