"""One job over several datasets: what every owner allows, and the strictest of their limits.

Refuses to invent: no policies give no limits, and no decisions give a deny.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from policies.decide import Decision
from policies.errors import PolicyInvalidError
from policies.model import LimitsPolicy, MetricsAllowance, OutputsPolicy, Policy, WeightsAllowance


def combine_decisions(decisions: Sequence[Decision]) -> Decision:
    """Return one decision that lists every rule of every dataset: all must allow."""
    if any(not decision.rules for decision in decisions):
        return Decision(())
    return Decision(tuple(rule for decision in decisions for rule in decision.rules))


def _check_some(policies: Sequence[Policy]) -> None:
    if not policies:
        raise PolicyInvalidError("policies: expected at least one to combine, got none; name a dataset")


def combine_limits(policies: Sequence[Policy]) -> LimitsPolicy:
    """Return the strictest of every limit.

    Raises:
        PolicyInvalidError: no policies.
    """
    _check_some(policies)
    limits = [policy.limits for policy in policies]
    return LimitsPolicy(
        time_s=min(item.time_s for item in limits),
        memory_bytes=min(item.memory_bytes for item in limits),
        cpus=min((item.cpus for item in limits), key=Decimal),
        pids=min(item.pids for item in limits),
        scratch_bytes=min(item.scratch_bytes for item in limits),
        output_bytes=min(item.output_bytes for item in limits),
        output_files=min(item.output_files for item in limits),
        log_bytes=min(item.log_bytes for item in limits),
    )


def combine_outputs(policies: Sequence[Policy]) -> OutputsPolicy:
    """Return what all of the policies let out; one that doesn't name an output forbids it.

    Raises:
        PolicyInvalidError: no policies.
    """
    _check_some(policies)
    outputs = [policy.outputs for policy in policies]
    caps = [item.max_information_bits for item in outputs if item.max_information_bits is not None]
    return OutputsPolicy(
        weights=_strictest_weights([item.weights for item in outputs]),
        metrics=_strictest_metrics([item.metrics for item in outputs]),
        max_information_bits=min(caps) if caps else None,
    )


def _strictest_weights(items: Sequence[WeightsAllowance | None]) -> WeightsAllowance | None:
    present = [item for item in items if item is not None]
    if len(present) < len(items):
        return None
    return WeightsAllowance(max_bytes=min(item.max_bytes for item in present))


def _strictest_metrics(items: Sequence[MetricsAllowance | None]) -> MetricsAllowance | None:
    present = [item for item in items if item is not None]
    if len(present) < len(items):
        return None
    return MetricsAllowance(
        max_count=min(item.max_count for item in present), max_digits=min(item.max_digits for item in present)
    )


def combine_logs(policies: Sequence[Policy]) -> Literal["owner", "nobody"]:
    """Return `owner` only when every policy lets its owner read the algorithm's log.

    Raises:
        PolicyInvalidError: no policies.
    """
    _check_some(policies)
    return "owner" if all(policy.logs == "owner" for policy in policies) else "nobody"
