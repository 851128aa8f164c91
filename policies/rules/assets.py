"""Whether this dataset, under this policy, is the one that the registry has."""

from __future__ import annotations

from policies.rules.case import Case, Finding, allow_if


def asset_active(case: Case) -> Finding:
    """Deny a job on a dataset that was taken back."""
    return allow_if(not case.asset.retired, "the dataset is retired")


def policy_current(case: Case) -> Finding:
    """Deny by a policy that is not the registered one."""
    same = case.policy.digest != "" and case.policy.digest == case.asset.policy_digest
    return allow_if(same, "the policy at hand is not the one registered for the dataset")


def provider_matches(case: Case) -> Finding:
    """Deny a request, a dataset or a service of another provider."""
    named = {case.request.provider.lower(), case.asset.provider.lower(), case.environment.provider.lower()}
    return allow_if(len(named) == 1, "the request, the dataset and this service name different providers")
