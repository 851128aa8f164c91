"""Whether the job keeps to the privacy that the policy demands."""

from __future__ import annotations

from policies.rules.case import Case, Finding, allow_if


def privacy_enforced(case: Case) -> Finding:
    """Deny a mode that nothing enforces."""
    mode = case.policy.privacy.mode
    return allow_if(mode == "none", f"the mode {mode} can't be enforced by this version")


def dataset_alone(case: Case) -> Finding:
    """Deny a job on several datasets where one is under a privacy mode: neither its budget nor its tests know the others."""
    mode, count = case.policy.privacy.mode, case.request.datasets
    problem = f"the mode {mode} needs a dataset for itself, and the job is on {count}"
    return allow_if(mode == "none" or count == 1, problem)
