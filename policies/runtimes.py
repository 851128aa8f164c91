"""Which container runtime a job gets: gVisor where the engine has it, runc unless the policy demands gVisor.

A job with a GPU gets runc: gVisor hands no device of the host to its containers here, so a policy that demands gVisor
refuses such a job.
"""

from __future__ import annotations

from policies.errors import RuntimeUnavailableError
from policies.policy import Policy

GVISOR = "runsc"
RUNC = "runc"


def find_runtime(policy: Policy, runtimes: frozenset[str], *, gpus: int = 0) -> str | None:
    """Return the runtime for a job with `gpus` under `policy`, None when the engine has none that will do."""
    if gpus == 0 and GVISOR in runtimes:
        return GVISOR
    return RUNC if RUNC in runtimes and policy.runtime != "gvisor" else None


def choose_runtime(policy: Policy, runtimes: frozenset[str], *, gpus: int = 0) -> str:
    """Return the runtime for a job with `gpus` under `policy`.

    Raises:
        RuntimeUnavailableError: the engine has no runtime that the policy allows for such a job.
    """
    found = find_runtime(policy, runtimes, gpus=gpus)
    if found is None:
        raise RuntimeUnavailableError(explain_missing(policy, gpus=gpus), runtimes)
    return found


def explain_missing(policy: Policy, *, gpus: int = 0) -> str:
    """Return why no runtime does for a job with `gpus` under `policy`, and what to change."""
    if policy.runtime == "gvisor" and gpus:
        return (
            "the policy demands gVisor, which hands out no GPU: change the policy's runtime or ask for no GPU"
        )
    if policy.runtime == "gvisor":
        return (
            "the policy demands gVisor: install gVisor (runsc) and register it with the engine, "
            "or change the policy's runtime"
        )
    if gpus:
        return "a job with a GPU needs runc, which the engine doesn't offer: register it with the engine"
    return "the engine offers neither runc nor gVisor (runsc): register one of them with the engine"
