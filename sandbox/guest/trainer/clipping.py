"""The sum over a batch of every unit's gradient, each clipped to a norm: what DP-SGD adds its noise to.

One pass backwards gives the gradients of the layers' outputs; with the layers' inputs they give each unit's norm, and then,
weighted by the clipping factors, the sum (book-keeping: Bu et al. 2023, "Differentially private optimization on large model
at small cost", algorithm 1). No gradient of the learnt numbers is computed twice, and for linear layers none of one unit is
ever formed (Goodfellow 2015). Where one has to be formed, Opacus' rules do it (Yousefpour et al. 2021).

No unit changes what is computed of another, not even by rounding: batches are filled up to sizes at which matrix products
treat all rows alike. The sums are of double precision, and a unit is clipped to a little less than the norm (`SLACK`): so
much is kept for how those sums round, and for processors that would still make others' gradients a little different.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from sandbox.guest.trainer.encoding import Encoded
from sandbox.guest.trainer.losses import RowLoss
from sandbox.guest.trainer.model import Mask, Model, Seen
from sandbox.guest.trainer.units import Block, Units

SLACK = 2.0**-7
MAX_FORMED = 2**25
"""Numbers of gradients of single units held at once; a batch with more is summed in parts."""


@dataclass(frozen=True)
class Factored:
    """Gradients of a linear layer, a row for each unit, as the two factors of each, doubles: weight's is `given` by `taken`."""

    taken: torch.Tensor
    given: torch.Tensor

    def squares(self) -> torch.Tensor:
        """Return the squared norm of each unit's gradient."""
        given, taken = _squares(self.given), _squares(self.taken)
        return given * (1 + taken)

    def weigh(self, factors: torch.Tensor) -> list[torch.Tensor]:
        """Return the sums over units, each times its factor."""
        given = self.given * factors[:, None]
        return [(given.T @ self.taken).reshape(-1), given.sum(dim=0)]


@dataclass(frozen=True)
class Formed:
    """Gradients of any layer, formed: one tensor (units, numbers) for each learnt tensor."""

    gradients: list[torch.Tensor]

    def squares(self) -> torch.Tensor:
        """Return the squared norm of each unit's gradient."""
        return torch.stack([_squares(part) for part in self.gradients]).sum(dim=0)

    def weigh(self, factors: torch.Tensor) -> list[torch.Tensor]:
        """Return the sums over units, each times its factor."""
        return [factors @ part.double() for part in self.gradients]


class ClippedSum:
    """Sums the clipped gradients of a model's loss over units."""

    def __init__(self, model: Model, data: Encoded, loss: RowLoss, *, norm: float, mask: Mask) -> None:
        self._model = model
        self._data = data
        self._loss = loss
        self._norm = norm * (1 - SLACK)
        self._mask = mask

    def of(self, units: Units) -> torch.Tensor:
        """Return the sum as one vector of doubles, in the order of the model's flat tensor; zeros for no units."""
        sums = (self._sum(piece.rows, piece.present) for piece in self._cut(units))
        return sum(sums, start=torch.zeros(len(self._model.flat), dtype=torch.float64))

    def _cut(self, units: Units) -> Iterator[Block]:
        """Yield the units in blocks of which each needs no more memory than `MAX_FORMED` says, or is of one unit."""
        for block in units.blocks():
            step = max(1, MAX_FORMED // block.rows.shape[1] // len(self._model.flat))
            for start in range(0, len(block), step):
                yield Block(block.rows[start : start + step], block.present[start : start + step])

    def _sum(self, rows: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        parts = self._gradients(rows, present)
        norms = torch.stack([part.squares() for part in parts]).sum(dim=0).sqrt()
        factors = (self._norm / norms).clamp(max=1)
        if not math.isfinite(norms.sum().item()):
            factors, parts = _without_infinite(norms, factors, parts)
        return torch.cat([value for part in parts for value in part.weigh(factors)])

    def _gradients(self, rows: torch.Tensor, present: torch.Tensor) -> list[Factored | Formed]:
        """Return what each learnt layer's gradients are made of. A unit's loss is the sum over its rows."""
        seen: list[Seen] = []
        batch = self._data.take(self._model.fill_up(rows.reshape(-1)))
        said = self._model.run(batch, mask=self._mask, seen=seen)
        losses = self._loss(said, batch.targets)[: rows.numel()]
        backwards = torch.autograd.grad((losses * present.reshape(-1)).sum(), [item.given for item in seen])
        return [
            _form(item.layer, item.taken.detach()[: rows.numel()], given[: rows.numel()], len(rows))
            for item, given in zip(seen, backwards, strict=True)
        ]


def _find_rule(layer: nn.Module) -> Callable[..., dict[nn.Parameter, torch.Tensor]]:
    """Return Opacus' rule for the gradients of single rows in this kind of layer; loading Opacus takes seconds."""
    from opacus.grad_sample import GradSampleModule  # noqa: PLC0415 - see above

    rule: Callable[..., dict[nn.Parameter, torch.Tensor]] = GradSampleModule.GRAD_SAMPLERS[type(layer)]
    return rule


def _squares(vectors: torch.Tensor) -> torch.Tensor:
    """Return squared norms as doubles: squares of small floats would be zero, and what has no norm is not clipped."""
    norms: torch.Tensor = torch.linalg.vector_norm(vectors, dim=1, dtype=torch.float64)
    return norms.square()


def _form(layer: nn.Module, taken: torch.Tensor, given: torch.Tensor, units: int) -> Factored | Formed:
    width = len(given) // units
    if isinstance(layer, nn.Linear):
        if width == 1:
            return Factored(taken.double(), given.double())
        taken, given = taken.reshape(units, width, -1), given.reshape(units, width, -1)
    by_parameter = _find_rule(layer)(layer, [taken], given)
    gradients = [by_parameter[parameter] for parameter in layer.parameters()]
    return Formed([part.reshape(units, len(part) // units, -1).sum(dim=1) for part in gradients])


def _without_infinite(
    norms: torch.Tensor, factors: torch.Tensor, parts: list[Factored | Formed]
) -> tuple[torch.Tensor, list[Factored | Formed]]:
    """Leave out units whose gradient is not finite: they count as zero, whatever the others are."""
    fine = torch.isfinite(norms)
    factors = torch.where(fine, factors, 0)
    cleaned: list[Factored | Formed] = []
    for part in parts:
        if isinstance(part, Factored):
            cleaned.append(Factored(_blank(part.taken, fine), _blank(part.given, fine)))
        else:
            cleaned.append(Formed([_blank(gradient, fine) for gradient in part.gradients]))
    return factors, cleaned


def _blank(values: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    return torch.where(fine[:, None], values, 0)
