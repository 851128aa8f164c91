"""What follows from reviewers' decisions: whether enough were made, and whether they let a release out.

- A demand counts only decisions of accounts that it lists, and never the job's consumer's.
- Every decision made counts: one that withholds is enough to withhold, whoever made it.
- Nothing follows before each demand has as many decisions as it needs.

Decides on what it is given: who signed what is for the caller to verify.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol


class ReviewDemand(Protocol):
    """What a policy asks: `needed` of the `reviewers`, always or where a test did not pass."""

    @property
    def when(self) -> str:
        """`always` or `not-passed`."""
        ...

    @property
    def needed(self) -> int:
        """How many decisions are needed."""
        ...

    @property
    def reviewers(self) -> tuple[str, ...]:
        """The accounts that may decide."""
        ...


class ReviewDecision(StrEnum):
    """What one reviewer says of a release."""

    RELEASE = "release"
    WITHHOLD = "withhold"


class ReviewOutcome(StrEnum):
    """What follows from all decisions together."""

    OPEN = "open"
    RELEASE = "release"
    WITHHOLD = "withhold"


def is_wanted(demand: ReviewDemand, *, passed: bool) -> bool:
    """Whether somebody has to look at a release of which every test `passed`, or not."""
    return demand.when == "always" or not passed


def list_independent(demand: ReviewDemand, consumer: str) -> tuple[str, ...]:
    """Return the reviewers of a demand, in lower case, without the consumer."""
    known = dict.fromkeys(reviewer.lower() for reviewer in demand.reviewers)
    return tuple(reviewer for reviewer in known if reviewer != consumer.lower())


def can_be_met(demand: ReviewDemand, consumer: str) -> bool:
    """Whether enough reviewers remain when the consumer is none of them."""
    return len(list_independent(demand, consumer)) >= demand.needed


def list_reviewers(demands: Iterable[ReviewDemand], consumer: str) -> tuple[str, ...]:
    """Return who may look at a job's release and decide: the reviewers of any demand, without the consumer."""
    return tuple(
        dict.fromkeys(account for demand in demands for account in list_independent(demand, consumer))
    )


def judge_reviews(
    demands: Sequence[ReviewDemand], decisions: Mapping[str, ReviewDecision], consumer: str
) -> ReviewOutcome:
    """Return what follows from `decisions`, by account in lower case, about a release that these demands apply to.

    Without a demand nothing was asked, and nothing is released by this.
    """
    counted = {account: decision for account, decision in decisions.items() if account != consumer.lower()}
    if not demands or not all(_has_enough(demand, counted, consumer) for demand in demands):
        return ReviewOutcome.OPEN
    all_release = all(decision is ReviewDecision.RELEASE for decision in counted.values())
    return ReviewOutcome.RELEASE if all_release else ReviewOutcome.WITHHOLD


def _has_enough(demand: ReviewDemand, decisions: Mapping[str, ReviewDecision], consumer: str) -> bool:
    made = sum(account in decisions for account in list_independent(demand, consumer))
    return made >= max(demand.needed, 1)
