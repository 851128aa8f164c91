"""Reads the orders and the data, trains, and writes what was declared: the weights, and a metric where the recipe has one.

An end that is no success says the kind of error and nothing more: messages may quote what they are about.
"""

from __future__ import annotations

import json
import os
import sys
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy
import torch

from sandbox.guest.trainer.counting import count_private
from sandbox.guest.trainer.encoding import encode
from sandbox.guest.trainer.evaluation import evaluate
from sandbox.guest.trainer.model import MAX_THREADS, Model
from sandbox.guest.trainer.noise import SEED_BYTES, Keystream
from sandbox.guest.trainer.scoring import score
from sandbox.guest.trainer.tables import ColumnMissingError, concat, read_tables
from sandbox.guest.trainer.training import train_plain, train_private
from sandbox.guest.trainer.units import gather_units, split_units

ORDERS_FILE = "trainerOrders.json"
VERSION = 1
SCORE = "--score"


def main() -> None:
    """Do what the module says, once, where the environment says that inputs and outputs are."""
    sys.excepthook = _say_kind
    inputs, outputs = os.environ["INPUTS"], os.environ["OUTPUTS"]
    with open(f"{inputs}/{ORDERS_FILE}", encoding="utf-8") as stream:
        orders: dict[str, Any] = json.load(stream)
    if SCORE in sys.argv[1:]:
        score(orders["recipe"], inputs, outputs)
        return
    folders = [f"{inputs}/{asset}" for asset in json.loads(os.environ["DIDS"])]
    try:
        if orders["recipe"]["task"] == "synthesis":
            safetensors.numpy.save_file(
                run_counting(orders, folders, seed=os.urandom(SEED_BYTES)), f"{outputs}/model.safetensors"
            )
            return
        model, metrics = run(orders, folders, seed=os.urandom(SEED_BYTES))
    except ColumnMissingError:
        sys.exit("the data has not the columns that the recipe reads")
    write(model, metrics, outputs)


def run(orders: dict[str, Any], folders: list[str], *, seed: bytes) -> tuple[Model, dict[str, float]]:
    """Train on the tables in these folders, and return the model and its metrics. `seed` is for all that is to be secret.

    Raises:
        ColumnMissingError: a table lacks a column.
        ValueError: orders of another version, or several datasets where privacy is counted for one.
    """
    recipe, private = orders["recipe"], orders["private"]
    if orders["version"] != VERSION or (private is None) != (recipe["privacy"] is None):
        raise ValueError("orders that this trainer doesn't know")
    if private is not None and len(folders) != 1:
        raise ValueError("privacy is counted for one dataset")
    table = read_all(folders, recipe, private["unit"] if private else "row")
    stream = Keystream(seed) if private else Keystream(recipe["seed"].to_bytes(SEED_BYTES, "big"))
    units = gather_units(table, private["unit"] if private else "row", stream)
    units, held_out = split_units(units, (recipe["evaluation"] or {"hold_out": "0"})["hold_out"], stream)
    data, model = encode(table, recipe), Model(recipe)
    if private:
        torch.set_num_threads(min(MAX_THREADS, torch.get_num_threads()))
        train_private(model, data, units, orders, stream)
    else:
        train_plain(model, data.take(units.used()), recipe)
    secret = stream if private else None
    return model, evaluate(model, data, held_out, recipe, secret) if recipe["evaluation"] else {}


def run_counting(
    orders: dict[str, Any], folders: list[str], *, seed: bytes
) -> dict[str, npt.NDArray[np.float32]]:
    """Count what a synthesis recipe counts in the tables of the one folder, with noise, and return the tensors.

    Raises:
        ColumnMissingError: a table lacks a column.
        ValueError: orders of another version or without noise, or several datasets, for which no privacy is counted.
    """
    private = orders["private"]
    if orders["version"] != VERSION or private is None or len(folders) != 1:
        raise ValueError("orders that this trainer doesn't know")
    named = [feature["column"] for feature in orders["recipe"]["features"]]
    named += [] if private["unit"] == "row" else [private["unit"]["column"]]
    return count_private(read_tables(folders[0], named), orders, Keystream(seed))


def read_all(folders: list[str], recipe: dict[str, Any], unit: Any) -> pd.DataFrame:  # noqa: ANN401 - "row" or a mapping
    """Return every column that the recipe or the unit names, of all folders' tables."""
    target = recipe["target"]
    named = [
        column for feature in recipe["features"] for column in feature.get("pixels", [feature.get("column")])
    ]
    named += [target[key] for key in ("column", "time", "event") if key in target]
    if unit != "row":
        named.append(unit["column"])
    return concat([read_tables(folder, named) for folder in folders])


def write(model: Model, metrics: dict[str, float], folder: str) -> None:
    """Write the weights, and the metrics when there are any."""
    tensors = {name: parameter.detach().to(torch.float32).numpy() for name, parameter in model.named()}
    safetensors.numpy.save_file(tensors, f"{folder}/model.safetensors")
    if metrics:
        with open(f"{folder}/metrics.json", "w", encoding="utf-8") as stream:
            json.dump(metrics, stream)


def _say_kind(kind: type[BaseException], _error: BaseException, _where: TracebackType | None) -> None:
    sys.stderr.write(f"the trainer ended by {kind.__name__}\n")
