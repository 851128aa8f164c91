"""Trains a model: with privacy by DP-SGD (Abadi et al. 2016, algorithm 1), without it by plain batches.

With privacy the number of steps, the probability of a batch, the divisor and the noise are given; nothing that is decided
here depends on the data but the sums that get noise. A batch without units is noise alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from sandbox.guest.trainer.clipping import ClippedSum
from sandbox.guest.trainer.encoding import Encoded
from sandbox.guest.trainer.losses import cox, make_loss
from sandbox.guest.trainer.model import Mask, Model
from sandbox.guest.trainer.noise import Bernoulli, GaussianNoise, Keystream
from sandbox.guest.trainer.units import Units

MASK_LEVELS = 2**16


class Steps:
    """Applies gradients to a model, and keeps the mean of its last iterates where the recipe wants that."""

    def __init__(self, model: Model, recipe: dict[str, Any], count: int) -> None:
        self._weights = torch.nn.Parameter(model.flat)
        self._optimizer = _make_optimizer(self._weights, recipe)
        self._left = count
        part = recipe["average_last"]
        self._kept = 0 if part is None else max(1, int(count * Decimal(part)))
        self._sum = torch.zeros(len(model.flat), dtype=torch.float64)

    def apply(self, gradient: torch.Tensor) -> None:
        """Make one step."""
        self._weights.grad = gradient
        self._optimizer.step()
        self._left -= 1
        if self._left < self._kept:
            self._sum += self._weights.detach()

    def finish(self) -> None:
        """Leave the mean of the last iterates in the model, where that is wanted."""
        if self._kept:
            self._weights.data.copy_(self._sum / self._kept)


def train_private(
    model: Model, data: Encoded, units: Units, orders: dict[str, Any], stream: Keystream
) -> None:
    """Train on `units` by DP-SGD as the orders say."""
    recipe, private = orders["recipe"], orders["private"]
    norm = float(recipe["privacy"]["clipping_norm"])
    deviation = math.nextafter(float(private["noise_multiplier"]) * norm, math.inf)
    divisor = float(private["divisor"])
    batch = Bernoulli(stream, private["sampling_rate"])
    noise = GaussianNoise(stream)
    clipped = ClippedSum(model, data, make_loss(recipe), norm=norm, mask=_secret_mask(stream))
    steps = Steps(model, recipe, private["steps"])
    for _ in range(private["steps"]):
        total = clipped.of(units.take(batch.draw(len(units))))
        noisy = noise.add(total.numpy(), deviation)
        steps.apply(torch.from_numpy(noisy / divisor).to(torch.float32))
    steps.finish()


def train_plain(model: Model, data: Encoded, recipe: dict[str, Any]) -> None:
    """Train on all rows, each once in every epoch, in an order that the recipe's seed decides."""
    parameters = [parameter for _, parameter in model.named()]
    order = torch.Generator().manual_seed(recipe["seed"])
    loss = _batch_loss(recipe)
    batches = -(-len(data.inputs) // recipe["batch_size"])
    steps = Steps(model, recipe, recipe["epochs"] * batches)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe["seed"])
        for rows in _iterate(len(data.inputs), recipe, order):
            batch = data.take(rows)
            value = loss(model.run(batch, mask=_plain_mask), batch.targets)
            gradients = torch.autograd.grad(value, parameters)
            steps.apply(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    steps.finish()


def _iterate(rows: int, recipe: dict[str, Any], order: torch.Generator) -> Iterator[torch.Tensor]:
    for _ in range(recipe["epochs"]):
        yield from torch.split(torch.randperm(rows, generator=order), recipe["batch_size"])


def _batch_loss(recipe: dict[str, Any]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    if recipe["loss"]["kind"] == "cox":
        return cox
    by_row = make_loss(recipe)
    return lambda said, targets: by_row(said, targets).mean()


def _make_optimizer(weights: torch.nn.Parameter, recipe: dict[str, Any]) -> torch.optim.Optimizer:
    settings, rate = recipe["optimizer"], float(recipe["learning_rate"])
    decay = float(recipe["weight_decay"] or 0)
    if settings["kind"] == "adam":
        betas = (float(settings["beta1"]), float(settings["beta2"]))
        return torch.optim.Adam([weights], lr=rate, betas=betas, weight_decay=decay)
    return torch.optim.SGD([weights], lr=rate, momentum=float(settings["momentum"] or 0), weight_decay=decay)


def _plain_mask(values: torch.Tensor, rate: float) -> torch.Tensor:
    return F.dropout(values, rate)


def _secret_mask(stream: Keystream) -> Mask:
    """Return dropout whose masks nobody can foresee: a unit's gradient must not depend on its place in a batch."""

    def mask(values: torch.Tensor, rate: float) -> torch.Tensor:
        words = np.frombuffer(stream.draw(2 * values.numel()), dtype=np.uint16)
        kept = words >= round(rate * MASK_LEVELS)
        return values * torch.from_numpy(kept.astype(np.float32)).view_as(values) / (1 - rate)

    return mask
