"""Whether the job can run where and as the policy demands."""

from __future__ import annotations

from policies.rules.case import Case, Finding, allow_if
from policies.runtimes import explain_missing, find_runtime


def image_allowed(case: Case) -> Finding:
    """Deny an image that the policy doesn't name."""
    images = case.policy.images
    allowed = images is None or case.algorithm.image in images
    return allow_if(allowed, "the algorithm's image is not among those that the policy names")


def image_present(case: Case) -> Finding:
    """Deny an image that would have to be pulled."""
    return allow_if(case.environment.image_present, "the provider doesn't have the algorithm's image")


def runtime_available(case: Case) -> Finding:
    """Deny where no runtime will do."""
    gpus, runtimes = case.algorithm.gpus, case.environment.runtimes
    found = find_runtime(case.policy, runtimes, gpus=gpus)
    return allow_if(found is not None, explain_missing(case.policy, gpus=gpus))


def gpus_allowed(case: Case) -> Finding:
    """Deny more graphics processors than the policy hands out."""
    asked, allowed = case.algorithm.gpus, case.policy.limits.gpus
    return allow_if(
        asked <= allowed, f"the algorithm asks for {asked} of the host's GPUs, allowed are {allowed}"
    )
