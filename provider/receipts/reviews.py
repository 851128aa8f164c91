"""Checks reviewers' decisions in a receipt: who had to look, that enough did, and that each signed this very decision.

- A release that a demand applies to has as many decisions to release it as the demand needs, and none to withhold it.
- Reviewers are accounts that a demand lists, each once, and never the job's consumer.
- What they looked at is what was released: the digest that they signed is that of the files and checks in the receipt.

Written against EIP-712 with keccak alone, as `request` is. Not checked here: that the demands are those of the policy; its
digest stands beside them.
"""

from __future__ import annotations

from eth_hash.auto import keccak

from policies.canonical import canonical_json, digest_of
from policies.reviews import (
    ReviewDecision,
    ReviewOutcome,
    is_wanted,
    judge_reviews,
    list_reviewers,
)
from provider.receipts.errors import StatementRefusedError
from provider.receipts.facts import DecisionFacts, ReceiptFacts, ReviewDemandFacts, ReviewFacts
from provider.receipts.request import MAX_EXPIRY, address_word, domain_separator
from provider.receipts.signatures import checksum_address, find_recovered_from_digest

REVIEW_STEP = "reviews"
REVIEW_WITHHELD = "review-withheld"
"""The rule of a job that its reviewers withheld."""
REVIEW_LATE = "review-late"
"""The rule of a job whose review was not done in time: whoever decided by then stays unknown."""
REVIEW_CANCELLED = "cancelled-reviewing"
"""The rule of a job that was cancelled while reviewers looked."""
REVIEW_ENDS = {REVIEW_WITHHELD: "withheld", REVIEW_LATE: "withheld", REVIEW_CANCELLED: "cancelled"}
"""The rules of jobs that stayed after a review had begun, and the outcome of each."""
REVIEW_ACTION = "review.decide"
ACTION_TYPE = b"Action(string action,bytes32 body,address provider,bytes32 nonce,uint64 expiry)"
WHEN = ("always", "not-passed")
MAX_REVIEWERS = 16
MAX_NEEDED = 2
RELEASED = "RELEASED"
_DEMANDS, _REVIEW = "predicate.policy.reviews", "predicate.egress.review"


def looked_at_digest(files: dict[str, str], checks: list[tuple[str, bool]], salt: str) -> str:
    """Return the digest of what reviewers are shown: released digests by name, the gate's checks, and 32 random bytes.

    SHA-256 of canonical JSON; `salt` (64 hex digits) keeps anybody from testing a guess of what was withheld.
    """
    shown = {
        "checks": [[name, ok] for name, ok in checks],
        "files": [[name, files[name]] for name in sorted(files)],
        "salt": salt,
    }
    return digest_of(canonical_json(shown))


def decision_body(decision: str, *, job_id: str, looked_at: str, reason: str) -> dict[str, str]:
    """Return the body of the action that a reviewer signs."""
    return {"decision": decision, "job_id": job_id, "looked_at": looked_at, "reason": reason}


def check_reviewed(facts: ReceiptFacts) -> None:
    """Check that demands and decisions agree with how the job ended. Not checked here: signatures.

    Raises:
        StatementRefusedError: they don't.
    """
    for demand in facts.policy.reviews:
        _check_demand(demand)
    if len(facts.policy.reviews) > len(facts.inputs.datasets):
        raise StatementRefusedError(_DEMANDS, "are more demands than there are datasets")
    if facts.egress.review is not None:
        _check_decisions(facts, facts.egress.review)
    _check_outcome(facts)


def check_review_signatures(facts: ReceiptFacts, chain_id: int, escrow: str) -> None:
    """Check that each reviewer signed that decision on this job, and that what was released is what they looked at.

    Raises:
        StatementRefusedError: a signature is another's or over something else, or other files left.
    """
    review = facts.egress.review
    if review is None:
        return
    for decision in review.decisions:
        digest = _signed_digest(decision, review, facts, domain_separator(chain_id, escrow))
        signer = find_recovered_from_digest(bytes.fromhex(decision.signature[2:]), digest)
        if signer != checksum_address(decision.reviewer):
            raise StatementRefusedError(_REVIEW, f"a decision is not signed by {decision.reviewer}")
    if review.salt is not None and review.looked_at != _released_digest(facts, review.salt):
        raise StatementRefusedError(_REVIEW, "what was released is not what the reviewers looked at")


def _check_demand(demand: ReviewDemandFacts) -> None:
    reviewers = {reviewer.lower() for reviewer in demand.reviewers}
    if len(reviewers) != len(demand.reviewers) or len(reviewers) > MAX_REVIEWERS:
        raise StatementRefusedError(_DEMANDS, f"expected up to {MAX_REVIEWERS} reviewers, each once")
    if demand.when not in WHEN or not 1 <= demand.needed <= min(MAX_NEEDED, len(reviewers)):
        raise StatementRefusedError(_DEMANDS, "demand something that no policy does")


def _check_decisions(facts: ReceiptFacts, review: ReviewFacts) -> None:
    listed = list_reviewers(wanted_reviews(facts), facts.job.consumer)
    made = [decision.reviewer.lower() for decision in review.decisions]
    if not made or len(set(made)) != len(made) or not set(made) <= set(listed):
        raise StatementRefusedError(
            _REVIEW, "expected decisions of listed reviewers other than the consumer, one of each"
        )
    words = set(ReviewDecision)
    for decision in review.decisions:
        if decision.decision not in words or not 0 <= decision.expiry < MAX_EXPIRY:
            raise StatementRefusedError(_REVIEW, "a decision is none, or has no time")
    if (review.salt is not None) != (facts.egress.verdict == RELEASED):
        raise StatementRefusedError(
            _REVIEW, "what was looked at is opened for what was released, and only then"
        )


def _check_outcome(facts: ReceiptFacts) -> None:
    """Check that nothing left without the decisions that it needed, and that a review's word was kept."""
    egress, wanted = facts.egress, wanted_reviews(facts)
    decisions = egress.review.decisions if egress.review else ()
    said = {item.reviewer.lower(): ReviewDecision(item.decision) for item in decisions}
    outcome = judge_reviews(wanted, said, facts.job.consumer)
    if egress.verdict == RELEASED:
        if wanted and outcome is not ReviewOutcome.RELEASE:
            raise StatementRefusedError(_REVIEW, "is RELEASED without as many reviewers' word as is needed")
        return
    withheld = outcome is ReviewOutcome.WITHHOLD and egress.outcome == "withheld"
    if (egress.review is not None or egress.rule == REVIEW_WITHHELD) and not (
        withheld and egress.rule == REVIEW_WITHHELD
    ):
        raise StatementRefusedError(_REVIEW, "and how the job ended contradict each other")


def wanted_reviews(facts: ReceiptFacts) -> tuple[ReviewDemandFacts, ...]:
    """Return the demands that apply, by what the gate's checks said."""
    passed = all(check.ok for check in facts.egress.checks)
    return tuple(demand for demand in facts.policy.reviews if is_wanted(demand, passed=passed))


def _released_digest(facts: ReceiptFacts, salt: str) -> str:
    files = {item.name: item.released_digest or "" for item in facts.outputs if item.released}
    return looked_at_digest(files, [(check.name, check.ok) for check in facts.egress.checks], salt)


def _signed_digest(decision: DecisionFacts, review: ReviewFacts, facts: ReceiptFacts, domain: bytes) -> bytes:
    """Return the 32 bytes that a reviewer signed: keccak-256(0x19 0x01 ‖ domain ‖ struct) (EIP-712)."""
    body = decision_body(
        decision.decision, job_id=facts.job.id, looked_at=review.looked_at, reason=decision.reason
    )
    struct = keccak(
        keccak(ACTION_TYPE)
        + keccak(REVIEW_ACTION.encode())
        + bytes.fromhex(digest_of(canonical_json(body)).removeprefix("sha256:"))
        + address_word(facts.provider.address)
        + bytes.fromhex(decision.nonce)
        + decision.expiry.to_bytes(32)
    )
    return keccak(b"\x19\x01" + domain + struct)
