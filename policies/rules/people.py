"""Whether the consumer is one of those whom the policy lets in."""

from __future__ import annotations

from policies.people import CredentialDemand
from policies.rules.case import Case, Finding, allow_if


def consumer_allowed(case: Case) -> Finding:
    """Deny a consumer whom the policy doesn't name."""
    consumers = case.policy.consumers
    named = consumers == "anyone" or case.request.consumer.lower() in consumers
    listed = all(root in case.people.lists for root in case.policy.allow_lists)
    return allow_if(named and listed, "the consumer is not among those that the policy names")


def credentials_held(case: Case) -> Finding:
    """Deny a consumer who doesn't show every credential that the policy demands, by an issuer that it trusts, unexpired."""
    missing = [demand.claim for demand in case.policy.credentials if not _is_held(case, demand)]
    return allow_if(not missing, f"no valid credential was shown for {', '.join(missing)}")


def _is_held(case: Case, demand: CredentialDemand) -> bool:
    consumer, now = case.request.consumer.lower(), case.environment.now
    return any(
        shown.claim == demand.claim
        and shown.subject.lower() == consumer
        and shown.issuer.lower() in demand.issuers
        and shown.expires > now
        for shown in case.people.credentials
    )
