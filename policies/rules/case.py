"""What every rule is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policies.facts import (
    AlgorithmFacts,
    ApprovalFacts,
    AssetFacts,
    EnvironmentFacts,
    PeopleFacts,
    PrivacyFacts,
    RequestFacts,
)
from policies.policy import Policy
from policies.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Case:
    """One job on one dataset, under that dataset's policy."""

    policy: Policy
    request: RequestFacts
    algorithm: AlgorithmFacts
    approval: ApprovalFacts | None
    asset: AssetFacts
    environment: EnvironmentFacts
    people: PeopleFacts
    privacy: PrivacyFacts


Finding = tuple[Verdict, str]
"""A verdict, and the detail in plain words; empty when there is nothing to add."""
Rule = Callable[[Case], Finding]
OK: Finding = (Verdict.ALLOW, "")


def allow_if(holds: bool, otherwise: str) -> Finding:  # noqa: FBT001 - the condition itself
    """Allow when the condition holds, else deny with the reason."""
    return OK if holds else (Verdict.DENY, otherwise)
