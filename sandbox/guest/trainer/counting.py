"""Counts rows in the cells of a synthesis recipe's histograms, and adds noise: all that such a recipe does with data.

A unit adds at most `max_rows` rows, and a row adds 1 to one cell of each histogram. So one unit more or less changes a histogram
by at most `max_rows` in the L2 norm, which it does when all its rows are in one cell; the noise is in proportion to that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sandbox.guest.trainer.encoding import read_booleans, read_codes, read_numbers
from sandbox.guest.trainer.noise import GaussianNoise, Keystream
from sandbox.guest.trainer.units import gather_units

Integers = npt.NDArray[np.int64]


def count_private(
    table: pd.DataFrame, orders: dict[str, Any], stream: Keystream
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the noisy histograms by tensor name, as the orders have them."""
    private = orders["private"]
    units = gather_units(table, private["unit"], stream)
    kept = np.sort(units.used().numpy())
    widths = {
        item["columns"][0]: item["shape"][0] - 1
        for item in private["histograms"]
        if len(item["columns"]) == 1
    }
    cells = {
        feature["column"]: place(table[feature["column"]], feature, widths[feature["column"]])[kept]
        for feature in orders["recipe"]["features"]
    }
    most = 1 if private["unit"] == "row" else int(private["unit"]["max_rows"])
    deviation = float(private["noise_multiplier"]) * most
    noise = GaussianNoise(stream)
    found = {}
    for number, histogram in enumerate(private["histograms"], start=1):
        counts = count(tuple(cells[name] for name in histogram["columns"]), tuple(histogram["shape"]))
        noisy = noise.add(counts.ravel(), deviation)
        found[f"count{number}"] = noisy.reshape(counts.shape).astype(np.float32)
    return found


def count(cells: tuple[Integers, ...], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return how many rows are in each cell."""
    flat = np.ravel_multi_index(cells, shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def place(column: pd.Series[Any], feature: dict[str, Any], width: int) -> Integers:
    """Return the cell, of `width`, that each value is in; what is missing or unknown is in one more, the last."""
    kind = feature["kind"]
    if kind == "boolean":
        signs = read_booleans(column)
        return np.where(signs == 0, width, signs > 0).astype(np.int64)
    if kind == "category":
        found = read_codes(column, feature["categories"])
        return np.where(found < 0, width, found)
    low, high, values = float(feature["min"]), float(feature["max"]), read_numbers(column)
    part = (np.clip(np.nan_to_num(values), low, high) - low) / (high - low)
    part = np.sqrt(part) if kind == "number" and feature["scale"] == "root" else part
    inside = np.minimum((part * width).astype(np.int64), width - 1)
    return np.where(np.isnan(values), width, inside)
