"""Tests of what a model remembers, computed from its scores on rows that it was trained on and rows held back. Pure numpy.

- Loss threshold: who has a smaller loss is taken for a member (Yeom et al. 2018, "Privacy Risk in Machine Learning",
  experiment 1 and adversary 1). Judged by the area under the ROC curve, over every threshold at once.
- Likelihood ratio: logit-scaled confidence under two Gaussians, fitted to members and to rows held back (Carlini et al.
  2022, "Membership Inference Attacks From First Principles", §IV-B and §VI). Global and offline: one pair of Gaussians
  for all rows, cross-fitted over folds; the same with shares of bins in their place, for what mean and deviation don't
  tell. No shadow models are trained, so an attacker who trains some may do better.
- An area is judged by its one-sided upper bound of 90 % (variance: DeLong et al. 1988), never by its point.

A row of scores is a list of probabilities, in the order of the classes, or one number for a regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
UPPER_Z = 1.2815515655446004
"""The 90 % quantile of the standard normal distribution."""
FOLDS = 5
ROWS_PER_BIN = 20
MAX_BINS = 32
HALF_A_ROW = 0.5
MIN_PROBABILITY = 1e-7
SMALLEST = float(np.finfo(np.float64).tiny)
MIN_SPREAD = 1e-3
MIN_SKILL = 0.05
METRIC_Z = 3.0


@dataclass(frozen=True, slots=True)
class Scored:
    """Scored rows: `member` says which ones were trained on. `labels` are indices of classes, or numbers for a regression.

    `scores` has one row each; `is_classification` says how to read it.
    """

    scores: Floats
    labels: Floats
    member: Bools
    is_classification: bool

    @property
    def losses(self) -> Floats:
        """Cross-entropy, or the squared error."""
        if not self.is_classification:
            errors: Floats = np.square(self.scores[:, 0] - self.labels)
            return errors
        losses: Floats = -np.log(self._true_probability)
        return losses

    @property
    def confidence(self) -> Floats:
        """log(p / (1 - p)) of the true class's probability; for a regression the logarithm of the squared error, negated.

        Errors are told apart down to a part of the target's spread, which no answer moves: of the mean error, one answer far
        from the truth would drown all others.
        """
        if not self.is_classification:
            return -np.log(self.losses + max(MIN_PROBABILITY * float(self.labels.var()), SMALLEST))
        chance = self._true_probability
        return np.log(chance) - np.log1p(-chance)

    @property
    def correct(self) -> Floats:
        """1 where the most probable class is the true one."""
        correct: Floats = (self.scores.argmax(axis=1) == self.labels).astype(np.float64)
        return correct

    @property
    def _true_probability(self) -> Floats:
        chosen = self.scores[np.arange(len(self.labels)), self.labels.astype(np.int64)]
        clipped: Floats = np.clip(chosen, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        return clipped


def skill(scored: Scored) -> float:
    """Return by how much the scores of rows held back beat the best constant: 1 - Brier / Brier of the shares, or R squared.

    1 is perfect, 0 no better than a constant. A scorer that knows nothing of these rows can't reach it by lying.
    """
    held = ~scored.member
    scores, labels = scored.scores[held], scored.labels[held]
    if scored.is_classification:
        truth = np.eye(scored.scores.shape[1])[labels.astype(np.int64)]
    else:
        truth = labels[:, None]
    spread = float(np.square(truth - truth.mean(axis=0)).sum())
    return 1 - float(np.square(truth - scores).sum()) / spread if spread > 0 else 0.0


def gap(scored: Scored) -> float:
    """Return accuracy on members minus on rows held back, or how much smaller the mean loss of members is, relatively.

    No squared error counts for more than the target's variance: one member far off would hide all others.
    """
    member = scored.member
    if scored.is_classification:
        return float(scored.correct[member].mean() - scored.correct[~member].mean())
    losses = np.minimum(scored.losses, scored.labels.var())
    held = float(losses[~member].mean())
    return (held - float(losses[member].mean())) / held if held > 0 else 0.0


def differs_from_accuracy(scored: Scored, claimed: float, max_gap: float) -> bool:
    """Tell whether an accuracy that is to leave lies further from that on the rows held back than gap and chance explain."""
    held = scored.correct[~scored.member]
    error = float(np.sqrt(np.maximum(held.var(), 1 / len(held)) / len(held)))
    return abs(claimed - float(held.mean())) > max_gap + METRIC_Z * error


def area(signal: Floats, member: Bools) -> tuple[float, float]:
    """Return the area under the ROC curve of `signal` for telling members, and its one-sided upper bound."""
    inside, outside = signal[member], signal[~member]
    above = _placements(inside, np.sort(outside))
    below = 1 - _placements(outside, np.sort(inside))
    variance = above.var(ddof=1) / len(inside) + below.var(ddof=1) / len(outside)
    value = float(above.mean())
    return value, value + UPPER_Z * float(np.sqrt(variance))


def loss_area(scored: Scored) -> tuple[float, float]:
    """Return area and upper bound of the loss threshold."""
    return area(-scored.losses, scored.member)


def likelihood_area(scored: Scored) -> tuple[float, float]:
    """Return area and upper bound of the likelihood ratio, each fold judged by the others: by whichever density tells more."""
    confidence = scored.confidence
    bins = min(max(len(confidence) // ROWS_PER_BIN, 2), MAX_BINS)
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1]))
    areas = [_ratio_area(scored, _log_density), _ratio_area(scored, partial(_log_share, edges=edges))]
    return max(areas, key=lambda found: found[1])


def _ratio_area(scored: Scored, log_likelihood: Callable[[Floats, Floats], Floats]) -> tuple[float, float]:
    confidence, member = scored.confidence, scored.member
    folds = _folds(member)
    ratio = np.empty_like(confidence)
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        inside = log_likelihood(confidence[here], confidence[rest & member])
        ratio[here] = inside - log_likelihood(confidence[here], confidence[rest & ~member])
    return area(ratio, member)


def _folds(member: Bools) -> NDArray[np.int64]:
    """Deal members and others round to the folds; the rows came in a random order."""
    folds = np.empty(len(member), dtype=np.int64)
    for side in (member, ~member):
        folds[side] = np.arange(int(side.sum())) % FOLDS
    return folds


def _log_density(values: Floats, sample: Floats) -> Floats:
    """Return the logarithm of a fitted Gaussian's density, but for a constant."""
    spread = max(float(sample.std(ddof=1)), MIN_SPREAD)
    density: Floats = -np.log(spread) - np.square((values - sample.mean()) / spread) / 2
    return density


def _log_share(values: Floats, sample: Floats, *, edges: Floats) -> Floats:
    """Return the logarithm of the sample's share in each value's bin, half a row added to every bin."""
    counts = np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1) + HALF_A_ROW
    shares: Floats = np.log(counts / counts.sum())[np.searchsorted(edges, values, side="right")]
    return shares


def _placements(values: Floats, others: Floats) -> Floats:
    """Return for each value the share of the sorted others below it, ties counted half."""
    low = np.searchsorted(others, values, side="left")
    high = np.searchsorted(others, values, side="right")
    shares: Floats = (low + high) / (2 * len(others))
    return shares
