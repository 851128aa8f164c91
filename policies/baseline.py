"""The facts of a job that a policy allows, computed from the policy, and changed by what a case of its truth table names."""

from __future__ import annotations

from decimal import Decimal

from policies.canonical import digest_of
from policies.casefacts import CaseFacts, ShownCredential
from policies.decide import decide_job
from policies.facts import (
    AlgorithmFacts,
    ApprovalFacts,
    AssetFacts,
    CredentialFacts,
    EnvironmentFacts,
    PeopleFacts,
    PrivacyFacts,
    RequestFacts,
)
from policies.mechanisms import Gaussian, PrivacyCost
from policies.policy import Policy
from policies.privacy import DAY_S, PrivacyPolicy
from policies.terms import can_serve
from policies.verdicts import Decision, Verdict

NOW = 1_800_000_000
OWNER, PROVIDER, SOMEBODY = ("0x" + digit * 40 for digit in "123")
_WEIGHTS_BYTES = 4096
_BITS = 1000
_UNITS = 1000
_EPSILON = Decimal("0.5")


def decide_case(policy: Policy, facts: CaseFacts) -> Decision:
    """Have the engine decide the baseline of a policy, changed by `facts`; without changes it is what the policy allows."""
    consumer = facts.consumer or _first_consumer(policy)
    people = PeopleFacts(
        frozenset(policy.allow_lists) if facts.listed else frozenset(), _shown(policy, facts, consumer)
    )
    purpose = facts.purpose if facts.purpose is not None else _first_purpose(policy)
    expiry = NOW if facts.request_expired else NOW + DAY_S
    return decide_job(
        policy,
        RequestFacts(consumer, purpose, digest_of(b"algorithm"), PROVIDER, expiry, facts.datasets),
        _algorithm(policy, facts),
        _approval(facts),
        AssetFacts("0" * 64, OWNER, PROVIDER, policy.digest, facts.retired),
        EnvironmentFacts(NOW, PROVIDER, frozenset(facts.runtimes), facts.image_present),
        people=people,
        privacy=_privacy(policy.privacy, facts),
    )


def _first_consumer(policy: Policy) -> str:
    reviewers = {reviewer for review in policy.reviews for reviewer in review.reviewers}
    named = (SOMEBODY,) if policy.consumers == "anyone" else policy.consumers
    return next((one for one in named if one not in reviewers), named[0] if named else SOMEBODY)


def _first_purpose(policy: Policy) -> str:
    purposes = [purpose.text for term in policy.purposes for purpose in term.purposes]
    return next((text for text in purposes if can_serve(text, policy.purposes)), "")


def _shown(policy: Policy, facts: CaseFacts, consumer: str) -> tuple[CredentialFacts, ...]:
    issuers = {demand.claim: demand.issuers[0] for demand in policy.credentials}
    shown = facts.credentials
    if shown is None:
        demands = policy.credentials
        shown = tuple(ShownCredential(claim=demand.claim, issuer=demand.issuers[0]) for demand in demands)
    return tuple(
        CredentialFacts(
            issuer=one.issuer or issuers.get(one.claim, SOMEBODY),
            subject=consumer,
            claim=one.claim,
            expires=NOW if one.expired else NOW + DAY_S,
        )
        for one in shown
    )


def _algorithm(policy: Policy, facts: CaseFacts) -> AlgorithmFacts:
    """Return an algorithm that declares a little of all that may leave, where the case doesn't say otherwise."""
    weights, metrics, cap = (
        policy.outputs.weights,
        policy.outputs.metrics,
        policy.outputs.max_information_bits,
    )
    size = facts.weights_bytes
    if size is None and facts.weights is not False and weights is not None:
        size = min(weights.max_bytes, _WEIGHTS_BYTES)
    count, digits, bits = facts.metrics_count, facts.metrics_digits, facts.information_bits
    return AlgorithmFacts(
        image=facts.image or (policy.images[0] if policy.images else digest_of(b"image")),
        weights_bytes=size,
        metrics_count=count if count is not None else int(metrics is not None),
        metrics_digits=digits if digits is not None else (metrics.max_digits if metrics else 0),
        information_bits=bits if bits is not None else min(cap or _BITS, _BITS),
        gpus=facts.gpus,
        scored_target=_scored_target(policy, facts),
        kind=facts.kind or ("recipe" if policy.privacy.mode == "differential" else "code"),
    )


def _scored_target(policy: Policy, facts: CaseFacts) -> str | None:
    tests = policy.privacy.tests
    wanted = tests.target if tests is not None else None
    return (facts.target or wanted or "target") if facts.scorer else None


def _approval(facts: CaseFacts) -> ApprovalFacts | None:
    if facts.approval == "none":
        return None
    return ApprovalFacts(
        approved_at=NOW - DAY_S,
        expires_at=NOW if facts.approval == "expired" else NOW + DAY_S,
        revoked_at=NOW if facts.approval == "revoked" else None,
    )


def _privacy(policy: PrivacyPolicy, facts: CaseFacts) -> PrivacyFacts:
    if policy.mode != "differential" or facts.private is False or facts.kind == "code":
        return PrivacyFacts(fits_schema=facts.fits_schema)
    delta = Decimal(policy.delta or "0.00001")
    most = [policy.job_epsilon, policy.budget, policy.consumer_budget, str(_EPSILON)]
    epsilon = facts.epsilon or format(min(Decimal(limit) for limit in most if limit is not None), "f")
    cost = PrivacyCost(
        epsilon=epsilon, delta=format(delta, "f"), mechanisms=(Gaussian(noise_multiplier="1"),)
    )
    return PrivacyFacts(
        cost=cost,
        units=facts.units if facts.units is not None else min(_UNITS, max(int(1 / delta) - 1, 1)),
        after=Decimal(facts.after or epsilon),
        consumer_after=Decimal(facts.consumer_after or epsilon),
        fits_schema=facts.fits_schema,
    )


def is_baseline_allowed(policy: Policy) -> bool:
    """Tell whether a policy allows anything: the baseline of its table."""
    return decide_case(policy, CaseFacts()).status is Verdict.ALLOW
