"""Which container runtime a job gets: gVisor where the engine has it, runc unless some policy demands gVisor."""

from __future__ import annotations

from collections.abc import Sequence

from policies.errors import RuntimeUnavailableError
from policies.model import Policy

GVISOR = "runsc"
RUNC = "runc"


def find_runtime(policies: Sequence[Policy], runtimes: frozenset[str]) -> str | None:
    """Return the runtime to use for a job under all of `policies`, None when the engine has none that will do."""
    if GVISOR in runtimes:
        return GVISOR
    demanded = any(policy.runtime == "gvisor" for policy in policies)
    return RUNC if RUNC in runtimes and not demanded else None


def choose_runtime(policy: Policy, runtimes: frozenset[str]) -> str:
    """Return the runtime to use under one policy; see `choose_shared_runtime`.

    Raises:
        RuntimeUnavailableError: the engine has no runtime that the policy allows.
    """
    return choose_shared_runtime((policy,), runtimes)


def choose_shared_runtime(policies: Sequence[Policy], runtimes: frozenset[str]) -> str:
    """Return the runtime that satisfies every policy of a job.

    Raises:
        RuntimeUnavailableError: the engine has no runtime that all of them allow.
    """
    found = find_runtime(policies, runtimes)
    if found is None:
        demanded = any(policy.runtime == "gvisor" for policy in policies)
        raise RuntimeUnavailableError("gVisor (runsc)" if demanded else "runc or runsc", runtimes)
    return found
