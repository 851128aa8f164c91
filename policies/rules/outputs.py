"""Whether what the algorithm declares may leave; the gate asks the same of what it wrote."""

from __future__ import annotations

from policies.policy import OutputsPolicy
from policies.rules.case import Case, Finding, allow_if
from policies.verdicts import Verdict


def find_weights_excess(outputs: OutputsPolicy, size_bytes: int | None) -> str | None:
    """Return why a weights file of `size_bytes` may not leave; None when it may, or when there is none."""
    allowed = outputs.weights
    if size_bytes is None:
        return None
    if allowed is None:
        return "weights may not leave"
    if size_bytes > allowed.max_bytes:
        return f"the weights take {size_bytes} bytes, allowed are {allowed.max_bytes}"
    return None


def find_metrics_excess(outputs: OutputsPolicy, count: int, digits: int) -> str | None:
    """Return why `count` metrics of `digits` digits may not leave; None when they may, or when there are none."""
    allowed = outputs.metrics
    if count == 0:
        return None
    if allowed is None:
        return "metrics may not leave"
    if count > allowed.max_count:
        return f"{count} metrics are declared, allowed are {allowed.max_count}"
    if digits > allowed.max_digits:
        return f"metrics have {digits} digits, allowed are {allowed.max_digits}"
    return None


def find_information_excess(outputs: OutputsPolicy, bits: int) -> str | None:
    """Return why outputs that can carry `bits`, with a log that the consumer may read, may not leave; None when they may."""
    cap = outputs.max_information_bits
    return None if cap is None or bits <= cap else f"what leaves can carry {bits} bits, allowed are {cap}"


def outputs_allowed(case: Case) -> Finding:
    """Deny an algorithm that declares nothing, or more than the policy lets out."""
    outputs, declared = case.policy.outputs, case.algorithm
    if declared.weights_bytes is None and declared.metrics_count == 0:
        return Verdict.DENY, "the algorithm declares no outputs"
    excess = (
        find_weights_excess(outputs, declared.weights_bytes)
        or find_metrics_excess(outputs, declared.metrics_count, declared.metrics_digits)
        or find_information_excess(outputs, declared.information_bits + case.policy.side_information_bits)
    )
    return allow_if(excess is None, excess or "")
