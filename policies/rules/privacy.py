"""Whether the job keeps to the privacy that the policy demands."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from policies.mechanisms import PrivacyCost
from policies.rules.case import OK, Case, Finding, allow_if
from policies.verdicts import Verdict


def privacy_mechanism(case: Case) -> Finding:
    """Deny a job whose cost can't be told; under `differential`, all but recipes that keep to what the policy asks of one job."""
    cost, problem = case.privacy.cost, case.privacy.problem
    if problem:
        return Verdict.DENY, problem
    if cost is not None and case.request.datasets != 1:
        return Verdict.DENY, "privacy is counted for one dataset, and the job is on several"
    if case.policy.privacy.mode != "differential":
        return OK
    if case.algorithm.kind != "recipe":
        return Verdict.DENY, "the mode differential admits recipes alone, and this algorithm is code"
    if cost is None:
        return Verdict.DENY, "the recipe asks for no privacy, and the policy does"
    return next(((Verdict.DENY, problem) for problem in _find_problems(case, cost)), OK)


def _find_problems(case: Case, cost: PrivacyCost) -> Iterator[str]:
    policy, units = case.policy.privacy, case.privacy.units
    delta, epsilon = Decimal(cost.delta), Decimal(cost.epsilon)
    if not case.privacy.fits_schema:
        yield "the recipe's columns, bounds or categories are not those of the dataset's schema"
    if units is None or delta * units >= 1:
        yield f"a delta of {cost.delta} is not below one in the number of units, which is {units or 'not known'}"
    if policy.delta is None or delta > Decimal(policy.delta):
        yield f"a delta of {cost.delta} is above the policy's, which is {policy.delta}"
    if policy.job_epsilon is not None and epsilon > Decimal(policy.job_epsilon):
        yield f"the job costs an epsilon of {cost.epsilon}, allowed for one job are {policy.job_epsilon}"


def privacy_budget(case: Case) -> Finding:
    """Deny a job with which the dataset's ledger, or the consumer's, would pass its budget, or stand nobody knows where."""
    policy, facts = case.policy.privacy, case.privacy
    if policy.mode != "differential":
        return OK
    problem = _find_excess("dataset", facts.after, policy.budget or "0")
    if problem is None and policy.consumer_budget is not None:
        problem = _find_excess("consumer", facts.consumer_after, policy.consumer_budget)
    return allow_if(problem is None, problem or "")


def _find_excess(whose: str, after: Decimal | None, budget: str) -> str | None:
    if after is None or after.is_nan():
        return f"what the {whose}'s ledger would stand at can't be told"
    if after > Decimal(budget):
        return f"the {whose}'s ledger would stand at an epsilon of {after}, and its budget is {budget}"
    return None


def privacy_measurable(case: Case) -> Finding:
    """Deny code whose weights could not be tested where nobody would look at them instead, or tested by another column."""
    algorithm, policy = case.algorithm, case.policy
    tests, told = policy.privacy.tests, algorithm.scored_target
    if tests is None or algorithm.kind == "recipe":
        return OK
    if tests.target is not None and told not in {None, tests.target}:
        return Verdict.DENY, f"the privacy tests are of {tests.target}, and the scorer tells {told}"
    measurable = told is not None and algorithm.weights_bytes is not None
    return allow_if(
        measurable or policy.review is not None,
        "the privacy tests need weights and a scorer: add weights to outputs, and a scorer to algorithm.yaml",
    )


def dataset_alone(case: Case) -> Finding:
    """Deny a job on several datasets where one is under a privacy mode: neither its budget nor its tests know the others."""
    mode, count = case.policy.privacy.mode, case.request.datasets
    problem = f"the mode {mode} needs a dataset for itself, and the job is on {count}"
    return allow_if(mode == "none" or count == 1, problem)
