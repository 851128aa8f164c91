"""Shows reviewers what would leave, and takes their decisions. Ends no job: the worker does, once all needed ones are made.

- Who may look are the reviewers that the policies of the job name, without its consumer; to others there is no review.
- Nobody is told of another's decision, or that there is one, before all that are needed are made.
- A decision is final, one for each reviewer, and over the digest of exactly what was shown.
"""

from __future__ import annotations

import json

from policies.canonical import digest_of
from policies.reviews import ReviewOutcome
from provider.auth import Access, Guard, Subject
from provider.errors import BadRequestError, ConflictError, NotFoundError
from provider.held import HeldFiles
from provider.jobs.states import State
from provider.store import Database
from provider.store.records import DecisionRecord, JobRecord, ReviewRecord
from provider.wire import (
    ReviewCheckView,
    ReviewDecideBody,
    ReviewDecisionView,
    ReviewFileView,
    ReviewSummary,
    ReviewsView,
    ReviewView,
    SignedAction,
)

OPEN = "open"
SALT_CHARS = 64
DECIDED = frozenset({ReviewOutcome.RELEASE.value, ReviewOutcome.WITHHOLD.value})


class ReviewDesk:
    """What reviewers ask for and send."""

    def __init__(self, database: Database, held: HeldFiles) -> None:
        self._jobs = database.jobs
        self._reviews = database.reviews
        self._held = held

    def list_mine(self, guard: Guard) -> ReviewsView:
        """Return the reviews that the caller is asked for, or was."""
        guard.check(Access.REVIEW_LIST)
        found = self._reviews.list_for(guard.caller)
        return ReviewsView(reviews=[self._summarise(item, guard.caller) for item in found])

    def get(self, guard: Guard, job_id: str) -> ReviewView:
        """Return what one of its reviewers decides on, and the decisions once all needed are made."""
        review = self._get_allowed(guard, job_id, Access.REVIEW_READ)
        return self._view(review, guard.caller)

    def get_file(self, guard: Guard, job_id: str, name: str) -> bytes:
        """Return a file that would leave.

        Raises:
            NotFoundError: there is none of this name, or the review is over and nothing is held any more.
        """
        review = self._get_allowed(guard, job_id, Access.REVIEW_READ)
        for file in _files(review):
            if file.name == name:
                return self._held.read(job_id, name, file.digest)
        raise NotFoundError("nothing of this name is held", code="not-held")

    def decide(
        self, guard: Guard, signer: str, body: ReviewDecideBody, *, now: int, signed: SignedAction
    ) -> ReviewView:
        """Keep a reviewer's decision; nobody hears of it before all that are needed are made.

        Raises:
            ConflictError: the review is over, this reviewer has decided, or other files were looked at.
            BadRequestError: what is enclosed is not what the body has the digest of.
        """
        review = self._get_allowed(guard, body.job_id, Access.REVIEW_DECIDE, caller=signer)
        if digest_of(signed.enclosed.encode()) != body.reason:
            raise BadRequestError(
                "the text enclosed doesn't have the digest that was signed", code="reason-differs"
            )
        if review.looked_at != body.looked_at:
            raise ConflictError(
                "what waits for review is not what you looked at",
                code="looked-at-other",
                remedy="fetch it again with `sealroom review fetch`",
            )
        if not self._is_open(review) or now >= review.due:
            raise ConflictError("the review is over: nothing can be decided any more", code="review-over")
        record = DecisionRecord(
            reviewer=signer.lower(),
            decision=body.decision,
            reason=body.reason,
            words=signed.enclosed[SALT_CHARS:].strip(),
            nonce=signed.nonce,
            expiry=signed.expiry,
            signature=signed.signature,
            time=now,
        )
        if not self._reviews.decide(body.job_id, record):
            raise ConflictError(
                "you have decided, and a decision is final, or the review is over", code="decided"
            )
        return self._view(review, signer)

    def _get_allowed(
        self, guard: Guard, job_id: str, access: Access, *, caller: str | None = None
    ) -> ReviewRecord:
        review = self._reviews.find(job_id)
        reviewers = frozenset(review.reviewers) if review is not None else frozenset()
        guard.check(access, Subject(reviewers=reviewers), caller=caller)
        if review is None:
            raise NotFoundError("there is no such thing, or it is not for you to see")
        return review

    def _view(self, review: ReviewRecord, caller: str) -> ReviewView:
        job = self._jobs.get(review.job_id)
        return ReviewView(
            review=self._summarise(review, caller, job),
            parameters=json.loads(job.parameters),
            files=_files(review),
            checks=[ReviewCheckView(name=line.name, ok=line.ok, detail=line.detail) for line in review.lines],
            looked_at=review.looked_at,
            salt=review.salt,
            decisions=self._shown_decisions(review),
        )

    def _shown_decisions(self, review: ReviewRecord) -> list[ReviewDecisionView]:
        if review.outcome not in DECIDED:
            return []
        return [
            ReviewDecisionView(
                reviewer=item.reviewer, decision=item.decision, time=item.time, reason=item.words
            )
            for item in self._reviews.decisions(review.job_id)
        ]

    def _summarise(self, review: ReviewRecord, caller: str, job: JobRecord | None = None) -> ReviewSummary:
        job = job or self._jobs.get(review.job_id)
        own = [item for item in self._reviews.decisions(review.job_id) if item.reviewer == caller.lower()]
        return ReviewSummary.model_validate(
            {
                "job_id": job.job_id,
                "consumer": job.consumer,
                "datasets": job.request.datasets,
                "algorithm": job.request.algorithm,
                "purpose": job.request.purpose,
                "opened": review.opened,
                "due": review.due,
                "outcome": review.outcome or OPEN,
                "decided": own[0].decision if own else None,
            }
        )

    def _is_open(self, review: ReviewRecord) -> bool:
        return review.outcome is None and self._jobs.get(review.job_id).state is State.REVIEWING


def _files(review: ReviewRecord) -> list[ReviewFileView]:
    outputs = review.drafts.released.outputs if review.drafts else ()
    return [
        ReviewFileView(name=item.name, digest=item.released_digest, size_bytes=item.size_bytes)
        for item in outputs
        if item.released and item.released_digest is not None
    ]
