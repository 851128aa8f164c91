"""An attacker against the trainer: neighbouring datasets that are as bad as can be, trainings on them, and what it reads there.

The model is linear and the learning rate small, so that each unit's gradient is known beforehand and clipped at every step. Many
canaries are trained on at once, each with features, and so with noise, of its own: one training then is many trials (Steinke et
al. 2023), which are independent where the trainer is right. The attacker sees the noisy sum of every step, as the accountant
grants it to everybody (Nasr et al. 2021, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from bench.privacy_bounds import Numbers, Trials
from sandbox.guest.trainer import training
from sandbox.guest.trainer.encoding import Encoded
from sandbox.guest.trainer.model import Model
from sandbox.guest.trainer.noise import Keystream
from sandbox.guest.trainer.units import gather_units

FEATURES = 4
"""Of each canary. Its gradient has a norm of about 1, half that of five ones (the bias is the fifth): it is always clipped."""
CLIPPING_NORM = "0.25"
SEED_BYTES = 32
THERE = 0.5


@dataclass(frozen=True, slots=True)
class Scene:
    """What is trained on, and the training that a claim is made of; `noise` and `rate` are decimal text.

    Each of `canaries` is a unit of `rows` rows. With `opposed`, that many units push against the one canary that there is. `score` is what the attacker looks at: the sum of all steps, the difference of two, or of the sum to that of a training
    of its own.
    """

    canaries: int
    noise: str
    rate: str = "1"
    steps: int = 4
    rows: int = 1
    opposed: int = 0
    score: Literal["sum", "steps apart", "trainings apart"] = "sum"

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe, as the trainer gets it: a linear model of one number for each feature, and gradient descent."""
        bounds = {"kind": "number", "min": "-1", "max": "1", "missing": None, "indicator": False}
        width = range(self.canaries * FEATURES)
        return {
            "features": [bounds | {"column": f"x{number}"} for number in width],
            "target": {"kind": "boolean", "column": "y"},
            "layers": [],
            "loss": {"kind": "cross-entropy"},
            "optimizer": {"kind": "sgd", "momentum": None},
            "learning_rate": "0.0001",
            "weight_decay": None,
            "seed": 0,
            "average_last": None,
            "privacy": {"clipping_norm": CLIPPING_NORM},
        }

    @property
    def private(self) -> dict[str, Any]:
        """What the provider tells the trainer of privacy."""
        unit = {"column": "unit", "max_rows": self.rows} if self.rows > 1 else "row"
        return {
            "noise_multiplier": self.noise,
            "sampling_rate": self.rate,
            "steps": self.steps,
            "divisor": "1",
            "unit": unit,
        }


class Attacker:
    """Trains on a scene again and again, each time from the same first weights."""

    def __init__(self, scene: Scene, seeds: np.random.Generator) -> None:
        self._scene = scene
        self._seeds = seeds
        self._model = Model(scene.recipe)
        self._first = self._model.flat.clone()

    def attack(self, trainings: int) -> Trials:
        """Train so often, each time with about half of the canaries, and score every canary in every training."""
        sides: tuple[list[Numbers], list[Numbers]] = ([], [])
        for _ in range(trainings):
            there = self._seeds.random(self._scene.canaries) < THERE
            scores = self._score(there)
            for side, chosen in zip(sides, (~there, there), strict=True):
                side.append(scores[chosen])
        return Trials(*(np.concatenate(side) for side in sides))

    def train(self, there: NDArray[np.bool_]) -> Numbers:
        """Train once, on the canaries that are `there`, and return what is seen.

        One row for each step, one number for each canary: the step's noisy sum along the canary's gradient, in clipping norms.
        """
        scene, stream = self._scene, Keystream(self._seeds.bytes(SEED_BYTES))
        owners, data = _rows(scene, there)
        units = gather_units(pd.DataFrame({"unit": owners}), scene.private["unit"], stream)
        orders = {"recipe": scene.recipe, "private": scene.private}
        self._model.flat.copy_(self._first)
        with _record() as gradients:
            training.train_private(self._model, data, units, orders, stream)
        sums = torch.stack(gradients).double().numpy()[:, : scene.canaries * FEATURES]
        along = sums.reshape(scene.steps, scene.canaries, FEATURES).sum(axis=2) / np.sqrt(FEATURES)
        result: Numbers = along * -_signs(np.arange(scene.canaries)) / float(CLIPPING_NORM)
        return result

    def _score(self, there: NDArray[np.bool_]) -> Numbers:
        steps = self.train(there)
        if self._scene.score == "steps apart":
            apart: Numbers = np.abs(steps[0] - steps[1])
            return apart
        sums: Numbers = steps.sum(axis=0)
        if self._scene.score == "trainings apart":
            sums = sums - self.train(np.zeros_like(there)).sum(axis=0)
        return sums


def _rows(scene: Scene, there: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Encoded]:
    """Return whose each row is, and the rows: a canary's features are 1 where everybody else's are 0."""
    owners = np.flatnonzero(there).repeat(scene.rows)
    blocks = np.concatenate([owners, np.zeros(scene.opposed, np.int64)])
    inputs = torch.zeros(len(blocks), scene.canaries, FEATURES)
    inputs[torch.arange(len(blocks)), torch.from_numpy(blocks)] = 1
    pushes = np.concatenate([_signs(owners), -np.ones(scene.opposed)])
    targets = torch.from_numpy((pushes > 0).astype(np.int64))
    strangers = scene.canaries + np.arange(scene.opposed)
    no_codes = torch.empty((len(blocks), 0), dtype=torch.int64)
    return np.concatenate([owners, strangers]), Encoded(inputs.flatten(1), no_codes, targets)


def _signs(canaries: NDArray[np.int64]) -> Numbers:
    """Return which way each canary pushes, every other one up, so that they don't all push the one bias together."""
    return np.where(canaries % 2, -1.0, 1.0)


@contextmanager
def _record() -> Iterator[list[torch.Tensor]]:
    """Look over the optimizer's shoulder: collect each step's gradient, and let it through unchanged."""
    gradients: list[torch.Tensor] = []
    apply = training.Steps.apply

    def watched(steps: training.Steps, gradient: torch.Tensor) -> None:
        gradients.append(gradient)
        apply(steps, gradient)

    setattr(training.Steps, "apply", watched)  # noqa: B010 - mypy won't have it otherwise
    try:
        yield gradients
    finally:
        setattr(training.Steps, "apply", apply)  # noqa: B010 - see above
