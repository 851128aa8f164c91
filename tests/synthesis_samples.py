"""A recipe that counts three columns of the sample table, and a table in which two of them depend on each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from policies.documents import validate_document
from sandbox.counting import SynthesisRecipe

FEATURES: tuple[dict[str, Any], ...] = (
    {"kind": "number", "column": "dose", "min": "0", "max": "10.5", "bins": 7},
    {"kind": "boolean", "column": "smoker"},
    {"kind": "category", "column": "stage", "categories": ["I", "II", "III", "IV"]},
)
STAGES = ("I", "II", "III", "IV")


def make_recipe(**changes: Any) -> SynthesisRecipe:
    value = {
        "task": "synthesis",
        "features": list(FEATURES),
        "target": "smoker",
        "privacy": {"epsilon": "8", "delta": "0.00001"},
    }
    return validate_document(value | changes, SynthesisRecipe, document="recipe")


def planted(rows: int, *, seed: int) -> pd.DataFrame:
    """Return rows in which smokers get high doses and are mostly in stage IV, others low ones and mostly in stage I."""
    source = np.random.default_rng(seed)
    smoker = source.random(rows) < 0.3
    dose = np.where(smoker, source.uniform(7, 10.5, rows), source.uniform(0, 3, rows))
    likely = source.random(rows) < 0.8
    stage = np.where(likely, np.where(smoker, 3, 0), source.integers(0, 4, rows))
    return pd.DataFrame(
        {
            "patient": [f"P-{number // 3}" for number in range(rows)],
            "age": source.integers(20, 90, rows),
            "dose": dose,
            "smoker": smoker,
            "stage": [STAGES[at] for at in stage],
            "admitted": "2020-01-01",
            "note": "",
        }
    )
