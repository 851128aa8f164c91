"""Turns rows into numbers by the recipe alone: a row's encoding depends on that row and on nothing else of the data.

Every value gives a number within the recipe's bounds, whatever stands in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Encoded:
    """Rows as the model takes them: inputs, codes of the features that have an embedding, and targets.

    `targets` has a class number, a scaled number, or for survival (scaled time, 1 for an event) in each row.
    """

    inputs: torch.Tensor
    codes: torch.Tensor
    targets: torch.Tensor

    def take(self, rows: torch.Tensor) -> Encoded:
        """Return these rows, in this order."""
        codes = self.codes.index_select(0, rows) if self.codes.shape[1] else self.codes
        return Encoded(self.inputs.index_select(0, rows), codes, self.targets.index_select(0, rows))


def encode(table: pd.DataFrame, recipe: dict[str, Any]) -> Encoded:
    """Encode every row."""
    features = encode_features(table, recipe)
    return Encoded(features.inputs, features.codes, _encode_target(table, recipe["target"]))


def encode_features(table: pd.DataFrame, recipe: dict[str, Any]) -> Encoded:
    """Encode every row of a table that has no target; the targets are zeros."""
    features = recipe["features"]
    parts = [part for feature in features for part in _encode_feature(table, feature)]
    inputs = torch.from_numpy(np.stack(parts, axis=1).astype(np.float32))
    if features[0]["kind"] == "image":
        inputs = inputs.reshape(-1, *features[0]["shape"])
    embedded = [read_codes(table[f["column"]], f["categories"]) for f in features if f.get("embedding")]
    codes = np.stack(embedded, axis=1) if embedded else np.empty((len(table), 0), dtype=np.int64)
    return Encoded(inputs, torch.from_numpy(codes + 1), torch.zeros(len(table)))


def _encode_feature(table: pd.DataFrame, feature: dict[str, Any]) -> list[Floats]:
    """Return the feature's inputs; one with an embedding has zeros here, to be replaced in the model."""
    kind = feature["kind"]
    if kind == "image":
        return [_scaled(table[pixel], feature, missing=feature["min"]) for pixel in feature["pixels"]]
    column = table[feature["column"]]
    if kind == "boolean":
        return [read_booleans(column)]
    if kind == "category":
        if feature["embedding"]:
            return [np.zeros(len(column))] * feature["embedding"]
        codes = read_codes(column, feature["categories"])
        return [(codes == code).astype(np.float64) for code in range(len(feature["categories"]))]
    scaled = _scaled(column, feature, missing=feature["missing"])
    return [scaled, np.isnan(read_numbers(column)).astype(np.float64)] if feature["indicator"] else [scaled]


def _encode_target(table: pd.DataFrame, target: dict[str, Any]) -> torch.Tensor:
    kind = target["kind"]
    if kind == "category":
        return torch.from_numpy(np.maximum(read_codes(table[target["column"]], target["categories"]), 0))
    if kind == "boolean":
        return torch.from_numpy((read_booleans(table[target["column"]]) > 0).astype(np.int64))
    if kind == "survival":
        event = (read_booleans(table[target["event"]]) > 0).astype(np.float64)
        times = _scaled(table[target["time"]], target, missing=target["min"])
        return torch.from_numpy(np.stack([times, event], axis=1).astype(np.float32))
    return torch.from_numpy(_scaled(table[target["column"]], target, missing=None).astype(np.float32))


def read_numbers(column: pd.Series[Any]) -> Floats:
    """Return the finite number that stands in each place, NaN where none does."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isinf(numbers), np.nan, numbers)


def _scaled(column: pd.Series[Any], bounds: dict[str, Any], *, missing: str | None) -> Floats:
    """Clip to the bounds and scale to [-1, 1]; `missing` is in the column's unit, the middle when None."""
    low, high = float(bounds["min"]), float(bounds["max"])
    replacement = (low + high) / 2 if missing is None else float(missing)
    numbers = np.nan_to_num(read_numbers(column), nan=replacement)
    place = (np.clip(numbers, low, high) - low) / (high - low)
    return 2 * (np.sqrt(place) if bounds.get("scale") == "root" else place) - 1


def read_words(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return each value as text, the empty one where none stands."""
    return column.astype(object).where(column.notna(), "").map(str)


def read_booleans(column: pd.Series[Any]) -> Floats:
    """Return 1 for true, -1 for false, 0 for what is neither."""
    words = read_words(column).str.strip().str.lower()
    return words.isin(TRUE).to_numpy(dtype=np.float64) - words.isin(FALSE).to_numpy(dtype=np.float64)


def read_codes(column: pd.Series[Any], categories: list[str]) -> npt.NDArray[np.int64]:
    """Return each value's place among the categories, -1 for one that is missing or unknown."""
    place = {category: number for number, category in enumerate(categories)}
    numbers = read_words(column).map(lambda word: place.get(word, -1))
    return np.asarray(numbers.to_numpy(), dtype=np.int64)
