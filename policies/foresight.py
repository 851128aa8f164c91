"""Foresees a decision where some facts can't be known: decided in every way that they might be, and compared.

What comes out the same each time is foreseen; what doesn't is unknown, and never guessed. When the facts that will be judged
are among those considered, what is foreseen is what will be decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from policies.verdicts import Decision, RuleVerdict, Verdict


class Foresight(StrEnum):
    """What a rule, or all rules together, will say."""

    ALLOW = "allow"
    DENY = "deny"
    WAIT = "wait"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RuleForecast:
    """One rule's verdict as far as it is foreseen; where it is unknown, `detail` is of what might stand against it."""

    name: str
    verdict: Foresight
    detail: str
    asset_id: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is foreseen of one job: all rules, and every way in which they might end together."""

    rules: tuple[RuleForecast, ...]
    statuses: frozenset[Verdict]

    @property
    def status(self) -> Foresight:
        """What will be decided; unknown unless it is the same in every case."""
        if len(self.statuses) != 1:
            return Foresight.UNKNOWN
        return Foresight(next(iter(self.statuses)).value)


def foresee(decisions: Sequence[Decision]) -> Forecast:
    """Return what is foreseen of one dataset from the decisions in every case that can't be told apart."""
    verdicts = [{rule.name: rule for rule in decision.rules} for decision in decisions]
    names = dict.fromkeys(name for found in verdicts for name in found)
    rules = tuple(_foresee_rule([found.get(name) for found in verdicts]) for name in names)
    return Forecast(rules, frozenset(decision.status for decision in decisions))


def combine_forecasts(forecasts: Iterable[Forecast]) -> Forecast:
    """Return what is foreseen of a job on several datasets: denied as soon as one is, allowed when all are."""
    parts = list(forecasts)
    statuses = frozenset(_worst(case) for case in product(*(part.statuses for part in parts)) if case)
    return Forecast(tuple(rule for part in parts for rule in part.rules), statuses)


def _worst(statuses: tuple[Verdict, ...]) -> Verdict:
    return next(item for item in (Verdict.DENY, Verdict.WAIT, Verdict.ALLOW) if item in statuses)


def _foresee_rule(found: Sequence[RuleVerdict | None]) -> RuleForecast:
    known = [rule for rule in found if rule is not None]
    against = next((rule for rule in known if rule.verdict is not Verdict.ALLOW), known[0])
    same = len(known) == len(found) and len({rule.verdict for rule in known}) == 1
    verdict = Foresight(known[0].verdict.value) if same else Foresight.UNKNOWN
    return RuleForecast(against.name, verdict, against.detail, against.asset_id)
