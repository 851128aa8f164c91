"""The three datasets that accuracy is measured on, each with a schema that is public and a recipe; scikit-learn ships the data.

Breast cancer has the schema that stands in `examples`. The bounds of the others are round numbers around what the data's own
published description says. The hyper-parameters were chosen by trying some on these very datasets, which are public; on data that is
private, such a search is made on public or synthetic data, or is itself accounted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.datasets import load_diabetes, load_digits  # type: ignore[import-untyped]  # ships no types

from policies.documents import validate_document
from policies.schema import DatasetSchema, parse_schema
from sandbox.recipe import TrainingRecipe

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "breast_cancer"
DELTA = "0.00001"
DIABETES_BOUNDS = {
    "age": (18, 80),
    "bmi": (15, 45),
    "bp": (60, 140),
    "s1": (90, 310),
    "s2": (40, 250),
    "s3": (20, 100),
    "s4": (1, 10),
    "s5": (3, 6.5),
    "s6": (55, 130),
    "target": (0, 350),
}


@dataclass(frozen=True, slots=True)
class Task:
    """A dataset and how it is learnt; `measure` is the score on rows that were not trained on."""

    name: str
    table: pd.DataFrame
    schema: DatasetSchema
    target: str
    measure: str
    training: Mapping[str, Any]

    def recipe(self, epsilon: str | None) -> TrainingRecipe:
        """Return a linear model on every column; None trains it without privacy."""
        columns = {column.name: column for column in self.schema.columns}
        parts = {name: _copy_of(column) for name, column in columns.items()}
        number = columns[self.target].kind in {"number", "integer"}
        training = dict(self.training)
        clipping_norm = training.pop("clipping_norm")
        privacy = {"epsilon": epsilon, "delta": DELTA, "clipping_norm": clipping_norm}
        value = {
            "task": "regression" if number else "classification",
            "features": [part for name, part in parts.items() if name != self.target],
            "target": parts[self.target],
            "loss": {"kind": "squared-error" if number else "cross-entropy"},
            "optimizer": {"kind": "sgd"},
            "privacy": privacy if epsilon is not None else None,
            "average_last": "0.5",
            **training,
        }
        return validate_document(value, TrainingRecipe, document="recipe")


def tasks() -> Iterator[Task]:
    """Load all three."""
    yield Task(
        "breast_cancer",
        pd.read_csv(EXAMPLE / "wdbc.csv"),
        parse_schema((EXAMPLE / "schema.yaml").read_bytes()),
        "malignant",
        "accuracy",
        {"epochs": 50, "batch_size": 64, "learning_rate": "2", "clipping_norm": "0.5"},
    )
    digits = load_digits(as_frame=True).frame
    yield Task(
        "digits",
        digits,
        _schema(
            [_number(name, 0, 16) for name in digits.columns[:-1]]
            + [_category("target", map(str, range(10)))]
        ),
        "target",
        "accuracy",
        {"epochs": 40, "batch_size": 256, "learning_rate": "1", "clipping_norm": "1"},
    )
    diabetes = load_diabetes(as_frame=True, scaled=False).frame
    diabetes["sex"] = diabetes["sex"].astype(int)
    numbers = {name: _number(name, *bounds) for name, bounds in DIABETES_BOUNDS.items()}
    yield Task(
        "diabetes",
        diabetes,
        _schema([numbers.get(name) or _category(name, "12") for name in diabetes.columns]),
        "target",
        "r2",
        {"epochs": 50, "batch_size": 64, "learning_rate": "0.2", "clipping_norm": "0.5"},
    )


def _copy_of(column: Any) -> dict[str, Any]:  # noqa: ANN401 - a column of any schema
    taken = {"number": ("min", "max"), "integer": ("min", "max"), "category": ("categories",), "boolean": ()}
    copied = {name: getattr(column, name) for name in taken[column.kind]}
    return {"kind": column.kind, "column": column.name} | copied


def _schema(columns: list[dict[str, Any]]) -> DatasetSchema:
    return validate_document({"columns": columns}, DatasetSchema, document="schema")


def _number(name: str, low: float, high: float) -> dict[str, Any]:
    return {"name": name, "kind": "number", "min": str(low), "max": str(high)}


def _category(name: str, values: Any) -> dict[str, Any]:  # noqa: ANN401 - text by text
    return {"name": name, "kind": "category", "categories": list(values)}
