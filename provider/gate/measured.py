"""The privacy tests of the mode `measured`: what they are called, what they need, and what follows from them.

- A test ends as passed, failed or not applicable. Whatever is not passed withholds, or is for people to look at.
- Statistics are computed here from numbers that a scorer wrote, never by code of the algorithm's.
- A scorer may lie. Its scores have to know labels that it was not given (`scores-useful`) and fit the released accuracy;
  what a liar can still hide is bounded by the bits that leave, and by nothing else.

What leaves of all this is the first broken rule's name; no figure does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import numpy as np

from policies.privacy import PRIVACY_TESTS, MeasuredTests
from provider.gate.candidates import AGAIN, RELEASE
from provider.gate.errors import GateError, NotApplicableError
from provider.gate.lowbits import check_low_bits
from provider.gate.membership import (
    MIN_SKILL,
    Floats,
    Scored,
    differs_from_accuracy,
    gap,
    likelihood_area,
    loss_area,
    skill,
)
from provider.gate.mentions import find_in_metrics, find_in_names
from provider.gate.safetensors import parse_header
from provider.gate.sample import Sample
from provider.gate.scores import check_probabilities, parse_scores
from provider.gate.tables import join_rows
from provider.gate.textscan import TextIndex
from provider.gate.verbatim import RowIndex
from sandbox.bundle import OutputsDeclaration, ScorerDeclaration

log = logging.getLogger(__name__)
ACCURACY = "accuracy"
MAX_UNKNOWN_PART = 0.1
MIN_COVERED = 0.5


class Outcome(StrEnum):
    """How a test ended; only the first lets something out."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True)
class PrivacyResult:
    """One test's stable name and how it ended; `detail` says the policy's bounds and nothing that was measured."""

    name: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the tests look at: `weights` and `metrics` are those that would leave, rounded; `unit` is the column of units.

    `scores` has what the scorer wrote about each candidate (see `candidates`); a run that did not end well has none.
    """

    outputs: OutputsDeclaration
    mantissa_bits: int | None
    tests: MeasuredTests
    sample: Sample
    scorer: ScorerDeclaration | None
    unit: str | None
    weights: Path | None
    metrics: Mapping[str, Decimal]
    scores: Mapping[str, bytes]

    def read_scores(self, candidate: str) -> Floats:
        """Return what the scorer said of a candidate.

        Raises:
            NotApplicableError: it has said nothing.
            ScoresRefusedError: it has said something else than scores.
        """
        if self.scorer is None or candidate not in self.scores:
            raise NotApplicableError("there are no scores")
        columns = len(self.scorer.classes) or 1
        scores = parse_scores(self.scores[candidate], rows=len(self.sample.scored), columns=columns)
        return check_probabilities(scores) if self.scorer.classes else scores

    def scored(self) -> Scored:
        """Return the scores of the weights that would leave, with the labels that the scorer did not get.

        Raises:
            NotApplicableError: see `useful`, which also refuses scores that know nothing.
        """
        scores = self.read_scores(RELEASE)
        if self.scorer is None or not np.array_equal(scores, self.read_scores(AGAIN)):
            raise NotApplicableError("the scorer answers differently when it is asked again")
        labels = _labels(self.sample.column(self.scorer.target), self.scorer)
        known = np.isfinite(labels)
        if known.mean() < 1 - MAX_UNKNOWN_PART:
            raise NotApplicableError("too many rows have no label, or one that the scorer doesn't name")
        member = np.array(self.sample.member)[known]
        return Scored(scores[known], labels[known], member, bool(self.scorer.classes))

    def useful(self) -> Scored:
        """Return the scores, when they are worth a test.

        Raises:
            NotApplicableError: there are too few rows, the scores tell no label of a row held back, or numbers are too large.
        """
        scored = self.scored()
        if min(scored.member.sum(), (~scored.member).sum()) < self.tests.min_rows:
            raise NotApplicableError("too few rows")
        if not skill(scored) >= MIN_SKILL:
            raise NotApplicableError("the scores are no better than a constant")
        if not np.isfinite(scored.confidence).all():
            raise NotApplicableError("labels are too large to compute with")
        return scored


def _rows_held_back(evidence: Evidence) -> bool:
    return min(evidence.sample.members, evidence.sample.held_back) >= evidence.tests.min_rows


def _scores_useful(evidence: Evidence) -> bool:
    """Check that the scores are of the model that leaves: they know labels, and fit the accuracy that is released."""
    scored, claimed = evidence.useful(), evidence.metrics.get(ACCURACY)
    if claimed is None or not scored.is_classification:
        return True
    return not differs_from_accuracy(scored, float(claimed), float(evidence.tests.max_gap))


def _generalisation_gap(evidence: Evidence) -> bool:
    return gap(evidence.useful()) <= float(evidence.tests.max_gap)


def _membership_loss(evidence: Evidence) -> bool:
    return loss_area(evidence.useful())[1] < float(evidence.tests.max_auc)


def _membership_likelihood(evidence: Evidence) -> bool:
    return likelihood_area(evidence.useful())[1] < float(evidence.tests.max_auc)


def _rows_verbatim(evidence: Evidence) -> bool:
    rows, outputs = evidence.sample.scanned, evidence.outputs
    names = [tensor.name for tensor in outputs.weights.tensors] if outputs.weights else []
    names += [metric.name for metric in outputs.metrics.values] if outputs.metrics else []
    columns = "\n".join(evidence.sample.columns).lower()
    foreign = [name for name in names if name.lower() not in columns]
    if find_in_names(foreign, rows) or find_in_metrics(list(evidence.metrics.values()), rows):
        return False
    return evidence.weights is None or not _stand_in_weights(evidence, evidence.weights)


def _stand_in_weights(evidence: Evidence, weights: Path) -> bool:
    """Tell whether rows stand in the weights, as text or as numbers.

    Raises:
        NotApplicableError: they don't, but too few of the rows would be known again.
    """
    rows, columns = evidence.sample.scanned, evidence.sample.columns
    text = TextIndex(join_rows(rows))
    names = {evidence.unit, evidence.scorer.target if evidence.scorer else None}
    apart = [place for place, name in enumerate(columns) if name in names]
    index = RowIndex(rows, evidence.sample.moments, apart=apart)
    with weights.open("rb") as file:
        entries = parse_header(file, weights.stat().st_size)
        if any(
            found.stands_in(file, entries, mantissa_bits=evidence.mantissa_bits) for found in (text, index)
        ):
            return True
    if index.covers < MIN_COVERED:
        raise NotApplicableError("most rows have too few different numbers to be known again")
    return False


def _low_bits(evidence: Evidence) -> bool:
    if evidence.weights is None:
        return True
    with evidence.weights.open("rb") as file:
        entries = parse_header(file, evidence.weights.stat().st_size)
        return check_low_bits(file, entries, mantissa_bits=evidence.mantissa_bits)


def _spare_tensors(evidence: Evidence) -> bool:
    """Check that each tensor does something: overwritten, it changes a score."""
    declared = evidence.outputs.weights.tensors if evidence.outputs.weights else []
    names = [tensor.name for tensor in declared if tensor.elements]
    evidence.useful()
    whole = evidence.read_scores(RELEASE)
    return all(not np.array_equal(evidence.read_scores(name), whole) for name in names)


TESTS: tuple[tuple[str, Callable[[Evidence], bool]], ...] = (
    ("rows-held-back", _rows_held_back),
    ("scores-useful", _scores_useful),
    ("generalisation-gap", _generalisation_gap),
    ("membership-loss", _membership_loss),
    ("membership-likelihood", _membership_likelihood),
    ("rows-verbatim", _rows_verbatim),
    ("low-bits", _low_bits),
    ("spare-tensors", _spare_tensors),
)
"""Every test by its stable name, in order; the names are `PRIVACY_TESTS`."""


def run_tests(evidence: Evidence) -> tuple[PrivacyResult, ...]:
    """Make every test; one that crashes is not applicable."""
    details = state_bounds(evidence.tests)
    return tuple(PrivacyResult(name, _outcome(name, test, evidence), details[name]) for name, test in TESTS)


def not_applicable(tests: MeasuredTests) -> tuple[PrivacyResult, ...]:
    """Return every test as not applicable: where there is nothing to test with."""
    details = state_bounds(tests)
    return tuple(PrivacyResult(name, Outcome.NOT_APPLICABLE, details[name]) for name in PRIVACY_TESTS)


def state_bounds(tests: MeasuredTests) -> dict[str, str]:
    """Return what the policy asks of each test, as a receipt states it; empty where there is no bound to choose."""
    area = f"upper bound of the area below {tests.max_auc}"
    said = {
        "rows-held-back": f"{tests.hold_back} held back, at least {tests.min_rows} rows on each side",
        "generalisation-gap": f"at most {tests.max_gap}",
        "membership-loss": area,
        "membership-likelihood": area,
    }
    return {name: said.get(name, "") for name in PRIVACY_TESTS}


def _outcome(name: str, test: Callable[[Evidence], bool], evidence: Evidence) -> Outcome:
    try:
        outcome = Outcome.PASSED if test(evidence) else Outcome.FAILED
    except GateError as exc:
        log.info("privacy test %s is not applicable: %s", name, exc)
        return Outcome.NOT_APPLICABLE
    except Exception as exc:  # noqa: BLE001 - hole 17: a test that can't be finished, for whatever reason, is not passed
        log.error("privacy test %s crashed: %s", name, type(exc).__name__)  # noqa: TRY400 - a message could hold a row
        return Outcome.NOT_APPLICABLE
    return outcome


def _labels(values: Sequence[str], scorer: ScorerDeclaration) -> Floats:
    """Return indices of classes, or numbers; NaN for what is neither. `1` and `1.0` are one class."""
    if not scorer.classes:
        return np.array([_number(value) for value in values])
    places: dict[object, float] = {}
    for place, name in enumerate(scorer.classes):
        places |= {name: float(place), _as_class(name): float(place)}
    return np.array([places.get(value, places.get(_as_class(value), float("nan"))) for value in values])


def _as_class(text: str) -> object:
    number = _number(text)
    return text.strip() if np.isnan(number) else number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
