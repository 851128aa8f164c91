"""Whether the people who have to look at a release can be others than who asked for it."""

from __future__ import annotations

from policies.reviews import can_be_met, list_independent
from policies.rules.case import OK, Case, Finding
from policies.verdicts import Verdict


def reviewers_independent(case: Case) -> Finding:
    """Deny a job whose consumer is needed among the reviewers: nobody reviews what leaves to themselves."""
    for demand in case.policy.reviews:
        if not can_be_met(demand, case.request.consumer):
            left = len(list_independent(demand, case.request.consumer))
            problem = f"{demand.needed} reviewers other than the consumer are needed, the policy names {left}"
            return Verdict.DENY, problem
    return OK
