"""Whether the consumer is one of those whom the policy lets in."""

from __future__ import annotations

from policies.rules.case import Case, Finding, allow_if


def consumer_allowed(case: Case) -> Finding:
    """Deny a consumer whom the policy doesn't name."""
    consumers = case.policy.consumers
    listed = consumers == "anyone" or case.request.consumer.lower() in consumers
    return allow_if(listed, "the consumer is not among those that the policy names")
