"""How fast the trainer makes steps with privacy, against Opacus as its documentation shows it, and against itself without.

Opacus: PrivacyEngine.make_private on a model of PyTorch's layers, an SGD optimizer and a DataLoader, then the plain loop. The
same layers, rows, expected batch, noise multiplier and clipping norm on both sides, one thread, several seeds; the three take
turns, and a figure is the ratio of medians of samples per second. Opacus' noise comes from PyTorch's generator, as it does by
default; ours from AES-256.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.figures import Row, at_least, at_most
from sandbox.guest.trainer.encoding import Encoded
from sandbox.guest.trainer.model import Model
from sandbox.guest.trainer.noise import SEED_BYTES, Keystream
from sandbox.guest.trainer.training import train_plain, train_private
from sandbox.guest.trainer.units import each_row
from sandbox.recipe import TrainingRecipe
from sandbox.training import TrainingOrders, order_private

SEEDS = 7
NOISE = "1.1"
FEATURES = 30
CONVOLUTION = {"kind": "conv", "size": 3, "padding": 1}


@dataclass(frozen=True, slots=True)
class Case:
    """One model: as a recipe's layers, and the same as PyTorch's."""

    recipe: TrainingRecipe
    make_model: Callable[[], nn.Module]
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    rows: int
    classes: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """One pass over the rows, by each of the three, once for each seed."""

    private: list[float]
    plain: list[float]
    opacus: list[float]


def rows() -> list[Row]:
    """Measure both models and return the figures."""
    return measure_training()


def measure_training(seeds: int = SEEDS, *, size: float = 1.0) -> list[Row]:
    """Measure both models with so many seeds; `size` makes them smaller for a trial."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        mlp, conv = (_measure(case, seeds) for case in (make_mlp(size), make_conv(size)))
    finally:
        torch.set_num_threads(threads)
    return [
        at_least("dp_speedup_mlp", _ratio(mlp.opacus, mlp.private), "ratio", 2.0, _words(mlp)),
        at_least("dp_speedup_conv", _ratio(conv.opacus, conv.private), "ratio", 1.3, _words(conv)),
        at_most("dp_over_plain_mlp", _ratio(mlp.private, mlp.plain), "ratio", 3.0, _words(mlp)),
        at_most("dp_over_plain_conv", _ratio(conv.private, conv.plain), "ratio", None, _words(conv)),
    ]


def make_mlp(size: float) -> Case:
    """Return a small network on a table: 30 numbers, layers of 64 and 32, two classes, batches of 256."""
    features = [{"kind": "number", "column": f"n{i}", "min": "0", "max": "1"} for i in range(FEATURES)]
    layers = [
        {"kind": "linear", "units": 64},
        {"kind": "relu"},
        {"kind": "linear", "units": 32},
        {"kind": "relu"},
    ]
    target = {"kind": "boolean", "column": "y"}
    return Case(
        recipe=_recipe(features=features, layers=layers, target=target, batch_size=256),
        make_model=lambda: nn.Sequential(
            nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
        ),
        loss=lambda said, targets: nn.functional.binary_cross_entropy_with_logits(
            said[:, 0], targets.float()
        ),
        rows=int(20_000 * size),
        classes=2,
    )


def make_conv(size: float) -> Case:
    """Return a small network on images of 28 x 28: convolutions of 16 and 32, ten classes, batches of 64."""
    pixels = {
        "kind": "image",
        "pixels": [f"p{i}" for i in range(784)],
        "shape": [1, 28, 28],
        "min": "0",
        "max": "1",
    }
    pooling = {"kind": "max-pool", "size": 2}
    layers = [
        *(CONVOLUTION | {"channels": 16}, {"kind": "relu"}, pooling),
        *(CONVOLUTION | {"channels": 32}, {"kind": "relu"}, pooling),
        *({"kind": "flatten"}, {"kind": "linear", "units": 32}, {"kind": "relu"}),
    ]
    target = {"kind": "category", "column": "y", "categories": [str(digit) for digit in range(10)]}
    return Case(
        recipe=_recipe(features=[pixels], layers=layers, target=target, batch_size=64),
        make_model=lambda: nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(1568, 32), nn.ReLU(), nn.Linear(32, 10)),
        ),
        loss=nn.functional.cross_entropy,
        rows=int(2_000 * size),
        classes=10,
    )


def _recipe(**changes: Any) -> TrainingRecipe:  # noqa: ANN401 - parts of a document
    value = {
        "task": "classification",
        "loss": {"kind": "cross-entropy"},
        "optimizer": {"kind": "sgd"},
        "epochs": 1,
        "learning_rate": "0.1",
    }
    return TrainingRecipe.model_validate(value | changes)


def _measure(case: Case, seeds: int) -> Seconds:
    seconds = Seconds([], [], [])
    for seed in range(-1, seeds):  # the first warms up
        torch.manual_seed(seed)
        shape = case.recipe.input_shape
        inputs, targets = torch.randn(case.rows, *shape), torch.randint(0, case.classes, (case.rows,))
        times = (
            _train(case, inputs, targets),
            _train_plain(case, inputs, targets),
            _opacus(case, inputs, targets),
        )
        if seed >= 0:
            for side, taken in zip((seconds.private, seconds.plain, seconds.opacus), times, strict=True):
                side.append(taken)
    return seconds


def _train(case: Case, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    recipe = TrainingRecipe.model_validate(
        case.recipe.model_dump(mode="json") | {"privacy": {"epsilon": "1"}}
    )
    orders = order_private(recipe, units=case.rows, noise_multiplier=NOISE, unit="row").document()
    model, data = Model(orders["recipe"]), _encoded(inputs, targets)
    units = each_row(case.rows)
    begun = time.perf_counter()
    train_private(model, data, units, orders, Keystream(bytes(SEED_BYTES)))
    return time.perf_counter() - begun


def _train_plain(case: Case, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    recipe = TrainingOrders(recipe=case.recipe).document()["recipe"]
    model, data = Model(recipe), _encoded(inputs, targets)
    begun = time.perf_counter()
    train_plain(model, data, recipe)
    return time.perf_counter() - begun


def _opacus(case: Case, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    model = case.make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=case.recipe.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its generator is no cryptographic one, and hooks of PyTorch's
        private, optimizer, loader = PrivacyEngine().make_private(
            module=model,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=float(NOISE),
            max_grad_norm=1.0,
        )
        begun = time.perf_counter()
        for batch, wanted in loader:
            optimizer.zero_grad()
            case.loss(private(batch), wanted).backward()  # type: ignore[no-untyped-call]  # torch's stub
            optimizer.step()
        return time.perf_counter() - begun


def _encoded(inputs: torch.Tensor, targets: torch.Tensor) -> Encoded:
    return Encoded(inputs, torch.zeros(len(inputs), 0, dtype=torch.int64), targets)


def _ratio(upper: list[float], lower: list[float]) -> float:
    return statistics.median(upper) / statistics.median(lower)


def _words(seconds: Seconds) -> str:
    private, plain, opacus = map(statistics.median, (seconds.private, seconds.plain, seconds.opacus))
    return f"ours {private:.3f} s, without privacy {plain:.3f} s, Opacus {opacus:.3f} s a pass"
