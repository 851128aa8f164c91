"""What travels between reviewers and a provider; see `provider.wire`."""

from __future__ import annotations

from typing import Any, Literal

from provider.wire import Address, Digest, Hex32, Purpose, UnixTime, WireModel


class ReviewDecideBody(WireModel):
    """Body of `review.decide`: what a reviewer says of what was looked at; final.

    `looked_at` commits to the files and checks that were shown. `reason` is the digest of the text that is enclosed: 64
    random hex digits, a space, and the reviewer's words, which the random digits keep anybody from guessing.
    """

    job_id: Hex32
    looked_at: Digest
    decision: Literal["release", "withhold"]
    reason: Digest


class ReviewSummary(WireModel):
    """A job whose release waits, or waited, for people, as a reviewer sees it; `decided` is the caller's own decision.

    `outcome` is `open` until every decision needed is made, the time is over or the job was cancelled.
    """

    job_id: Hex32
    consumer: Address
    datasets: list[Hex32]
    algorithm: Digest
    purpose: Purpose
    opened: UnixTime
    due: UnixTime
    outcome: Literal["open", "release", "withhold", "late", "cancelled"]
    decided: str | None = None


class ReviewsView(WireModel):
    """GET /v1/reviews."""

    reviews: list[ReviewSummary]


class ReviewFileView(WireModel):
    """A file that would leave."""

    name: str
    digest: Digest
    size_bytes: int


class ReviewCheckView(WireModel):
    """One line of the gate's table; `detail` is for reviewers alone."""

    name: str
    ok: bool
    detail: str


class ReviewDecisionView(WireModel):
    """One reviewer's decision, shown once all that are needed are made."""

    reviewer: Address
    decision: str
    time: UnixTime
    reason: str


class ReviewView(WireModel):
    """GET /v1/reviews/{job_id}: what a reviewer decides on; `looked_at` is the digest of `files`, `checks` and `salt`.

    Files and checks are gone once the review is over.
    """

    review: ReviewSummary
    parameters: dict[str, Any]
    files: list[ReviewFileView]
    checks: list[ReviewCheckView]
    looked_at: Digest
    salt: Hex32
    decisions: list[ReviewDecisionView]
