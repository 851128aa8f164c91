"""The losses of a recipe: one number for each row, so that each row has a gradient of its own; Cox's is the exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

RowLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""What the model said of rows, and their targets, to one loss for each row."""


def make_loss(recipe: dict[str, Any]) -> RowLoss:
    """Return the recipe's loss by rows."""
    kind = recipe["loss"]["kind"]
    if kind == "cross-entropy":
        return cross_entropy
    if kind == "discrete-hazard":
        return discrete_hazard
    measures: dict[str, Callable[..., torch.Tensor]] = {
        "squared-error": F.mse_loss,
        "absolute-error": F.l1_loss,
        "huber": F.huber_loss,
    }
    measure = measures[kind]
    return lambda said, targets: measure(said[:, 0], targets, reduction="none")


def cross_entropy(said: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood of each row's class; one number says two classes, by its sigmoid."""
    if said.shape[1] > 1:
        return F.cross_entropy(said, targets, reduction="none")
    return F.binary_cross_entropy_with_logits(said[:, 0], targets.to(said.dtype), reduction="none")


def discrete_hazard(said: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood of each row's survival (Gensheimer and Narasimhan 2019, equation 3).

    `said` is the logit of the hazard in each interval of equal length over time scaled to [-1, 1]. An interval was survived
    when its end was reached without an event or, censored, its middle (as there, section "Loss function").
    """
    count = said.shape[1]
    time, event = (targets[:, :1] + 1) / 2 * count, targets[:, 1:] > 0
    starts = torch.arange(count, dtype=said.dtype)
    at = time.floor().clamp(max=count - 1)
    survived = torch.where(event, starts < at, starts + 0.5 <= time)
    died = event & (starts == at)
    return (F.softplus(said) * survived + F.softplus(-said) * died).sum(dim=1)


def cox(said: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the negative log partial likelihood of a batch, for each event (Cox 1972; ties as Breslow 1974)."""
    time, event, risk = targets[:, 0], targets[:, 1] > 0, said[:, 0]
    at_risk = time[None, :] >= time[:, None]
    total = torch.logsumexp(torch.where(at_risk, risk[None, :], -torch.inf), dim=1)
    return ((total - risk) * event).sum() / event.sum().clamp(min=1)
