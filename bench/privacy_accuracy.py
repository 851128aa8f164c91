"""What privacy costs in accuracy: scores on held-out rows at several epsilons and without privacy, beside Opacus as documented.

Linear models, delta 1e-5, five splits (a fifth is held out; held-out scores are never released, so they cost nothing here), on each
of which noise is drawn five times: with privacy the noise of one training moves a score by more than a hundredth. Ours: the trainer's
own functions, with noise as the provider computes it. Opacus: PrivacyEngine on the same encoded rows, model, optimizer,
epochs, batches and clipping norm, with its own accountant and the last iterate, at whichever of three learning rates gives it the best
mean. The mean over all, and their standard deviation.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from bench.figures import Row, at_least, at_most
from bench.privacy_tasks import DELTA, Task, tasks
from policies.privacy import PrivacyPolicy
from provider.privacy.costs import cost_of
from sandbox.guest.trainer.encoding import Encoded, encode
from sandbox.guest.trainer.losses import make_loss
from sandbox.guest.trainer.model import Model
from sandbox.guest.trainer.noise import Keystream
from sandbox.guest.trainer.training import train_plain, train_private
from sandbox.guest.trainer.units import gather_units
from sandbox.training import TrainingOrders, order_private

SPLITS = 5
DRAWS = 5
HELD_OUT = 0.2
EPSILONS = ("1", "3", "8")
TARGETS = {("breast_cancer", "1"): 0.94, ("breast_cancer", "3"): 0.95}
OPACUS_RATES = (1.0, 0.25, 0.0625)
"""The learning rate of the baseline ÷ that of the recipe: ours was chosen for averaged iterates, which the baseline has not."""

SHORT = {"accuracy": "acc", "r2": "r2"}
Numbers = NDArray[np.float64]


def rows() -> list[Row]:
    """Measure every dataset at every epsilon."""
    torch.set_num_threads(1)
    return [row for task in tasks() for row in measure(task)]


def measure(task: Task, splits: int = SPLITS, draws: int = DRAWS) -> Iterator[Row]:
    """Score one dataset: ours at each epsilon, ours without privacy, then Opacus."""
    prefix = f"{SHORT[task.measure]}_{task.name}"
    trials = list(product(range(splits), range(draws)))
    for epsilon in EPSILONS:
        scores = [score_ours(task, epsilon, *trial) for trial in trials]
        yield _row(f"{prefix}_eps{epsilon}", scores, TARGETS.get((task.name, epsilon)))
    yield _row(f"{prefix}_without", [score_ours(task, None, split) for split in range(splits)], None)
    for epsilon in EPSILONS:
        by_rate = [[score_opacus(task, epsilon, *trial, rate) for trial in trials] for rate in OPACUS_RATES]
        yield _row(f"{prefix}_eps{epsilon}_opacus", max(by_rate, key=statistics.mean), None)


def score_ours(task: Task, epsilon: str | None, number: int, draw: int = 0) -> float:
    """Train as the sealed trainer does on one split, and score."""
    recipe = task.recipe(epsilon)
    train, test = _split(task, number)
    stream = Keystream((number + SPLITS * draw).to_bytes(32, "big"))
    units = gather_units(train, "row", stream)
    document = (
        TrainingOrders(recipe=recipe).document() if epsilon is None else _orders(task, epsilon, len(train))
    )
    data, model = encode(train, document["recipe"]), Model(document["recipe"])
    if epsilon is None:
        train_plain(model, data, document["recipe"])
    else:
        train_private(model, data, units, document, stream)
    return _score(task, model, encode(test, document["recipe"]))


def score_opacus(task: Task, epsilon: str, number: int, draw: int, rate: float) -> float:
    """Train with Opacus on the same split, at a multiple of the recipe's learning rate, and score."""
    from opacus import PrivacyEngine  # noqa: PLC0415 - takes seconds

    document = task.recipe(epsilon).model_dump(mode="json")
    train, test = _split(task, number)
    data, model, loss = encode(train, document), Model(document), make_loss(document)
    torch.manual_seed(number + SPLITS * draw)
    head = torch.nn.Linear(data.inputs.shape[1], task.recipe(epsilon).model_outputs)
    optimizer: Any = torch.optim.SGD(head.parameters(), lr=rate * float(document["learning_rate"]))
    loader: Any = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data.inputs, data.targets), batch_size=document["batch_size"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        private, optimizer, loader = PrivacyEngine().make_private(
            module=head,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=noise_of_opacus(epsilon, len(loader), document["epochs"]),
            max_grad_norm=float(document["privacy"]["clipping_norm"]),
        )
        for _ in range(document["epochs"]):
            for inputs, targets in loader:
                optimizer.zero_grad()
                torch.autograd.backward(loss(private(inputs), targets).mean())
                optimizer.step()
    return _score(task, model, encode(test, document), head)


@cache
def noise_of_opacus(epsilon: str, batches: int, epochs: int) -> float:
    """Return the noise that `make_private_with_epsilon` computes; that takes seconds, and is the same for every split."""
    from opacus.accountants.utils import get_noise_multiplier  # noqa: PLC0415 - takes seconds

    target = {"target_epsilon": float(epsilon), "target_delta": float(DELTA)}
    return float(get_noise_multiplier(**target, sample_rate=1 / batches, epochs=epochs, accountant="prv"))


def _orders(task: Task, epsilon: str, units: int) -> dict[str, Any]:
    recipe = task.recipe(epsilon)
    policy = PrivacyPolicy(mode="differential", delta=DELTA, budget="100")
    cost = cost_of(recipe, policy, units)
    if cost is None:
        raise ValueError("a recipe with privacy costs something")
    return order_private(
        recipe, units=units, noise_multiplier=cost.mechanisms[0].noise_multiplier, unit="row"
    ).document()


def _split(task: Task, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = np.random.default_rng(number).permutation(len(task.table))
    held_out = round(HELD_OUT * len(order))
    return task.table.iloc[order[held_out:]], task.table.iloc[order[:held_out]]


def _score(task: Task, model: Model, test: Encoded, head: torch.nn.Module | None = None) -> float:
    with torch.no_grad():
        said = model.run(test) if head is None else head(test.inputs)
    if task.measure == "r2":
        errors = (said[:, 0] - test.targets).square().sum() / (
            test.targets - test.targets.mean()
        ).square().sum()
        return 1 - float(errors)
    found = said.argmax(dim=1) if said.shape[1] > 1 else (said[:, 0] > 0).long()
    return float((found == test.targets).double().mean())


def _row(name: str, scores: list[float], target: float | None) -> Row:
    mean = statistics.mean(scores)
    words = f"standard deviation {statistics.stdev(scores):.3f}, {len(scores)} trainings"
    return at_most(name, mean, "", None, words) if target is None else at_least(name, mean, "", target, words)
