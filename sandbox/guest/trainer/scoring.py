"""Says what released weights say of rows, for the privacy tests: a line for each row, for each class a probability.

Runs in a sealed container of its own, on rows without the target; a regression's one number is in the target's unit.
"""

from __future__ import annotations

import os
from typing import Any

import safetensors.numpy
import torch

from sandbox.guest.trainer.encoding import encode_features
from sandbox.guest.trainer.model import Model
from sandbox.guest.trainer.tables import read_csv

ROWS_FILE = "rows.csv"
MODELS_FOLDER = "models"
SCORED_ROWS = 4096
DIGITS = 9


def score(recipe: dict[str, Any], inputs: str, outputs: str) -> None:
    """Write `<n>.csv` for every `models/<n>.safetensors`."""
    columns = [
        name for feature in recipe["features"] for name in feature.get("pixels", [feature.get("column")])
    ]
    data = encode_features(read_csv(f"{inputs}/{ROWS_FILE}", columns), recipe)
    model = Model(recipe)
    for name in sorted(os.listdir(f"{inputs}/{MODELS_FOLDER}")):
        model.load(safetensors.numpy.load_file(f"{inputs}/{MODELS_FOLDER}/{name}"))
        with torch.no_grad():
            parts = torch.split(torch.arange(len(data.inputs)), SCORED_ROWS)
            said = torch.cat([model.run(data.take(part)) for part in parts])
        lines = [
            ",".join(f"{value:.{DIGITS}f}" for value in row)
            for row in _scores(said, recipe["target"]).tolist()
        ]
        with open(f"{outputs}/{name.rpartition('.')[0]}.csv", "w", encoding="ascii") as stream:
            stream.write("".join(f"{line}\n" for line in lines))


def _scores(said: torch.Tensor, target: dict[str, Any]) -> torch.Tensor:
    said = said.double()
    if target["kind"] in {"number", "integer"}:
        low, high = float(target["min"]), float(target["max"])
        return ((said + 1) / 2).clamp(0, 1) * (high - low) + low
    if said.shape[1] > 1:
        return torch.softmax(said, dim=1)
    yes = torch.sigmoid(said)
    return torch.cat([1 - yes, yes], dim=1)
