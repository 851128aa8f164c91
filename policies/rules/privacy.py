"""Whether the job keeps to the privacy that the policy demands."""

from __future__ import annotations

from policies.rules.case import Case, Finding, allow_if


def privacy_enforced(case: Case) -> Finding:
    """Deny a mode that nothing enforces."""
    mode = case.policy.privacy.mode
    return allow_if(mode != "differential", f"the mode {mode} can't be enforced by this version")


def privacy_measurable(case: Case) -> Finding:
    """Deny code whose weights could not be tested, where nobody would look at them instead."""
    algorithm, policy = case.algorithm, case.policy
    measurable = algorithm.kind == "recipe" or (algorithm.has_scorer and algorithm.weights_bytes is not None)
    holds = policy.privacy.mode != "measured" or measurable or policy.review is not None
    return allow_if(
        holds,
        "the privacy tests need weights and a scorer: add weights to outputs, and a scorer to algorithm.yaml",
    )


def dataset_alone(case: Case) -> Finding:
    """Deny a job on several datasets where one is under a privacy mode: neither its budget nor its tests know the others."""
    mode, count = case.policy.privacy.mode, case.request.datasets
    problem = f"the mode {mode} needs a dataset for itself, and the job is on {count}"
    return allow_if(mode == "none" or count == 1, problem)
