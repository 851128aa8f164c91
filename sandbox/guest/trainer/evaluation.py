"""Says how good a model is on units that were held out: one number, with noise when there is privacy.

Each unit counts once, by the mean over its rows of a value between 0 and 1. So the pair (value, 1 - value) summed over units
has sensitivity 1 in the L2 norm when a unit comes or goes, and gets Gaussian noise as one mechanism.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sandbox.guest.trainer.encoding import Encoded
from sandbox.guest.trainer.losses import make_loss
from sandbox.guest.trainer.model import Model
from sandbox.guest.trainer.noise import GaussianNoise, Keystream
from sandbox.guest.trainer.units import Units

DIGITS = 4
MAX_LOSS = 10.0
EVALUATED_ROWS = 4096
Floats = npt.NDArray[np.float64]


def evaluate(
    model: Model, data: Encoded, units: Units, recipe: dict[str, Any], stream: Keystream | None
) -> dict[str, float]:
    """Return the recipe's metric on these units; with noise from `stream` when there is one."""
    target = recipe["target"]
    if target["kind"] == "survival" and stream is None:
        return {"concordance": round(_concordance(model, data, units.used(), recipe), DIGITS)}
    sums = np.zeros(2)
    for block in units.blocks():
        rows = block.rows.reshape(-1)
        values = _values(_say(model, data, rows), data.take(rows).targets, recipe)
        by_unit = (values.double().view_as(block.present) * block.present).sum(dim=1) / block.present.sum(
            dim=1
        )
        sums += by_unit.sum().item(), (1 - by_unit).sum().item()
    if stream is not None:
        deviation = math.nextafter(float(recipe["evaluation"]["noise_multiplier"]), math.inf)
        sums = GaussianNoise(stream).add(sums, deviation)
    return _metric(_share(sums), target)


def _share(sums: Floats) -> float:
    """Return the first sum's part of both, between 0 and 1; a half where noise left nothing to divide by."""
    total = float(sums.sum())
    return min(1.0, max(0.0, float(sums[0]) / total)) if total > 0 else 0.5


def _metric(share: float, target: dict[str, Any]) -> dict[str, float]:
    if target["kind"] == "survival":
        return {"mean_loss": round(share * MAX_LOSS, DIGITS)}
    if target["kind"] in {"category", "boolean"}:
        return {"accuracy": round(share, DIGITS)}
    return {"mean_absolute_error": round(share * (float(target["max"]) - float(target["min"])), DIGITS)}


def _values(said: torch.Tensor, targets: torch.Tensor, recipe: dict[str, Any]) -> torch.Tensor:
    """Return each row's value between 0 and 1: whether it is right, its error as part of the range, or its part of MAX_LOSS."""
    kind = recipe["target"]["kind"]
    if kind == "survival":
        values = make_loss(recipe)(said, targets) / MAX_LOSS
    elif kind in {"category", "boolean"}:
        found = said.argmax(dim=1) if said.shape[1] > 1 else (said[:, 0] > 0).long()
        values = (found == targets).float()
    else:
        values = (said[:, 0] - targets).abs() / 2
    return torch.nan_to_num(values, nan=1.0).clamp(0, 1)


def _say(model: Model, data: Encoded, rows: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        parts = torch.split(rows, EVALUATED_ROWS)
        return torch.cat([model.run(data.take(model.fill_up(part)))[: len(part)] for part in parts])


def _concordance(model: Model, data: Encoded, rows: torch.Tensor, recipe: dict[str, Any]) -> float:
    if len(rows) == 0:
        return 0.5
    return harrell(_say(model, data, rows)[:, 0].numpy(), data.take(rows).targets.numpy(), recipe)


def harrell(said: Floats, targets: Floats, recipe: dict[str, Any]) -> float:
    """Return how often of two rows the one with the higher risk has its event first (Harrell et al. 1982).

    Rows are comparable when the earlier one's event was seen; equal risks count half. A half when none are comparable.
    """
    risk = said if recipe["loss"]["kind"] == "cox" else -said
    time, event = targets[:, 0], targets[:, 1] > 0
    right = pairs = 0.0
    for index in np.flatnonzero(event):
        later = time > time[index]
        pairs += later.sum()
        right += (risk[index] > risk[later]).sum() + 0.5 * (risk[index] == risk[later]).sum()
    return float(right / pairs) if pairs else 0.5
