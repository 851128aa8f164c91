"""Whether the request, its purpose and its approval hold."""

from __future__ import annotations

from policies.rules.case import OK, Case, Finding, allow_if
from policies.terms import can_serve
from policies.verdicts import Verdict


def request_current(case: Case) -> Finding:
    """Deny a request that has expired."""
    return allow_if(
        case.environment.now < case.request.expiry, f"the request expired at {case.request.expiry}"
    )


def purpose_allowed(case: Case) -> Finding:
    """Deny a purpose that is not within one that the policy allows."""
    terms = case.policy.purposes
    if can_serve(case.request.purpose, terms):
        return OK
    return Verdict.DENY, f"the purpose is not within {', '.join(term.text for term in terms)}"


def algorithm_approved(case: Case) -> Finding:
    """Wait for the approval of the algorithm's digest; deny one that no longer holds."""
    approval, now = case.approval, case.environment.now
    if approval is None:
        return Verdict.WAIT, "the owner has not approved this algorithm"
    if approval.revoked_at is not None:
        return Verdict.DENY, f"the owner revoked the approval at {approval.revoked_at}"
    if approval.expires_at <= now:
        return Verdict.DENY, f"the approval expired at {approval.expires_at}"
    return allow_if(approval.approved_at <= now, "the approval lies in the future")
