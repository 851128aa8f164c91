"""Which container runtime a job gets: gVisor where the engine has it, runc unless the policy demands gVisor."""

from __future__ import annotations

from policies.errors import RuntimeUnavailableError
from policies.model import Policy

GVISOR = "runsc"
RUNC = "runc"


def find_runtime(policy: Policy, runtimes: frozenset[str]) -> str | None:
    """Return the runtime to use for a job under `policy`, None when the engine has none that will do."""
    if GVISOR in runtimes:
        return GVISOR
    return RUNC if RUNC in runtimes and policy.runtime != "gvisor" else None


def choose_runtime(policy: Policy, runtimes: frozenset[str]) -> str:
    """Return the runtime to use for a job under `policy`.

    Raises:
        RuntimeUnavailableError: the engine has no runtime that the policy allows.
    """
    found = find_runtime(policy, runtimes)
    if found is None:
        wanted = "gVisor (runsc)" if policy.runtime == "gvisor" else "runc or runsc"
        raise RuntimeUnavailableError(wanted, runtimes)
    return found
