"""A policy's limits as a sealed run has them, and as a receipt states them: one mapping for who runs a job and who repeats it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from policies.model import LimitsPolicy, Policy
from provider.receipts.errors import FieldError
from sandbox.spec import Limits

OPEN_FILES = 1024
CPUS = "cpus"
ORDER_MARGIN_S = 300
"""How long before an order's deadline the last thing happens that it pays for: time to stage, start, collect, gate and anchor."""


def longest_run_s(policy: Policy) -> int:
    """Return how many seconds a job's containers may take together: where privacy is measured, a scorer follows the run."""
    return policy.limits.time_s * (2 if policy.privacy.tests is not None else 1)


def run_limits(limits: LimitsPolicy) -> Limits:
    """Return what one run under these limits may use."""
    return Limits(
        time_s=limits.time_s,
        memory_bytes=limits.memory_bytes,
        cpus=limits.cpus,
        pids=limits.pids,
        scratch_bytes=limits.scratch_bytes,
        output_bytes=limits.output_bytes,
        output_files=limits.output_files,
        log_bytes=limits.log_bytes,
        open_files=OPEN_FILES,
        file_bytes=max(limits.scratch_bytes, limits.output_bytes),
    )


def state_limits(limits: LimitsPolicy) -> dict[str, str]:
    """Return the limits as they stand in a receipt, numbers as text."""
    return {name: str(value) for name, value in limits.model_dump().items()}


def parse_limits(stated: Mapping[str, object]) -> LimitsPolicy:
    """Read the limits that a receipt states.

    Raises:
        FieldError: one is missing, unknown here, or out of range.
    """
    missing = LimitsPolicy.model_fields.keys() - stated.keys()
    if missing:
        raise FieldError(f"predicate.sandbox.limits.{min(missing)}", "is missing")
    try:
        values = {name: value if name == CPUS else int(str(value)) for name, value in stated.items()}
        return LimitsPolicy.model_validate(values)
    except (ValidationError, ValueError) as exc:
        raise FieldError("predicate.sandbox.limits", "are not limits that this version knows") from exc
