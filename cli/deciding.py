"""A reviewer's side of a release: fetches what would leave, and signs a decision on exactly that.

What is signed is computed from the files as they lie in the reviewer's folder, compared with what the provider holds, and
shown before it is signed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from cli.errors import InputError, MismatchError, RefusedError
from cli.home import read_file, write_file
from cli.output import fields, plain
from cli.reviewing import ask
from policies.canonical import DIGEST_PREFIX, digest_of
from policies.documents import MAX_DOCUMENT_BYTES, StrictModel, parse_document
from provider.receipts.reviews import looked_at_digest
from provider.reviews import ReviewDecideBody, ReviewsView, ReviewView
from provider.wire import MAX_ENCLOSED_CHARS, Digest, Hex32

if TYPE_CHECKING:
    from cli.context import Session

REPORT_FILE = "review.json"
MAX_FILE_BYTES = 4 * 1024**3
MAX_REASON_CHARS = 2000
FILE_MODE = 0o600
SALT_BYTES = 32
OPEN = "open"


class FetchedCheck(StrictModel):
    """One line of the gate's table."""

    name: str
    ok: bool
    detail: str


class FetchedReview(StrictModel):
    """`review.json` beside fetched files: what they are, and what the gate said of them."""

    job_id: Hex32
    looked_at: Digest
    salt: Hex32
    files: Annotated[dict[str, Digest], Field(min_length=1)]
    checks: Annotated[tuple[FetchedCheck, ...], Field(strict=False)]


def list_reviews(session: Session) -> ReviewsView:
    """Return the reviews that this account is asked for, or was."""
    return session.get_api().get_model("/v1/reviews", ReviewsView, login=True)


def get_review(session: Session, job_id: str) -> ReviewView:
    """Return what waits for this reviewer, whose digest is that of its files and checks.

    Raises:
        MismatchError: it isn't.
    """
    view = session.get_api().get_model(f"/v1/reviews/{job_id}", ReviewView, login=True)
    if view.review.job_id != job_id:
        raise MismatchError(f"review: asked for job {job_id}, the provider answered with another")
    if view.review.outcome == OPEN:
        files = {file.name: file.digest for file in view.files}
        checks = [(check.name, check.ok) for check in view.checks]
        if looked_at_digest(files, checks, view.salt) != view.looked_at:
            raise MismatchError("review: the digest to sign is not that of the files and checks shown")
    return view


def fetch_review(session: Session, job_id: str, target: Path) -> FetchedReview:
    """Download what would leave, and the gate's table, into `target`.

    Raises:
        RefusedError: the review is over, and nothing is held any more.
        MismatchError: a file is not the one that waits.
    """
    view = get_review(session, job_id)
    if view.review.outcome != OPEN:
        raise RefusedError(f"the review is over: {view.review.outcome}", code="review-over")
    for file in view.files:
        if Path(file.name).name != file.name or file.name.startswith(".") or file.name == REPORT_FILE:
            raise InputError(f"review: {file.name[:60]!r} is not a plain file name", code="release-name")
        path = f"/v1/reviews/{job_id}/files/{file.name}"
        data = session.get_api().get_bytes(path, login=True, max_bytes=MAX_FILE_BYTES)
        if digest_of(data) != file.digest:
            raise MismatchError(f"review: {file.name} is not the file that waits")
        write_file(target / file.name, data, mode=FILE_MODE)
    fetched = FetchedReview(
        job_id=job_id,
        looked_at=view.looked_at,
        salt=view.salt,
        files={file.name: file.digest for file in view.files},
        checks=tuple(FetchedCheck(name=c.name, ok=c.ok, detail=c.detail) for c in view.checks),
    )
    text = json.dumps(fetched.model_dump(mode="json"), indent=2)
    write_file(target / REPORT_FILE, text.encode() + b"\n", mode=FILE_MODE)
    return fetched


def decide_review(
    session: Session,
    job_id: str,
    folder: Path,
    *,
    decision: Literal["release", "withhold"],
    reason: str,
) -> ReviewView:
    """Sign a decision on the files in `folder` and send it.

    Raises:
        MismatchError: the files are not those that wait, or not of this job.
        DeclinedError: who was asked said no; nothing is signed.
    """
    if len(reason) > MAX_REASON_CHARS:
        raise InputError(f"the reason has {len(reason)} characters, at most {MAX_REASON_CHARS} are kept")
    fetched, looked_at = read_fetched(folder, job_id)
    view = get_review(session, job_id)
    if view.looked_at != looked_at:
        raise MismatchError(
            "review: the files in this folder are not those that wait",
            remedy=f"fetch them again with `sealroom review fetch {job_id}`",
        )
    session.output.say(_what_is_signed(session, view, fetched, decision, reason))
    ask(session)
    enclosed = f"{secrets.token_hex(SALT_BYTES)} {reason}"[:MAX_ENCLOSED_CHARS]
    body = ReviewDecideBody(
        job_id=job_id, looked_at=looked_at, decision=decision, reason=digest_of(enclosed.encode())
    )
    return session.get_api().act("review.decide", body, ReviewView, enclosed=enclosed)


def read_fetched(folder: Path, job_id: str) -> tuple[FetchedReview, str]:
    """Return what was fetched into a folder, and the digest of what lies there now.

    Raises:
        InputError: a file is missing.
        DocumentError: `review.json` is none.
        MismatchError: it is another job's.
    """
    report = read_file(folder / REPORT_FILE, what="fetched review", max_bytes=MAX_DOCUMENT_BYTES)
    fetched = parse_document(report, FetchedReview, document=REPORT_FILE)
    if fetched.job_id != job_id:
        raise MismatchError(f"review: {folder} has the files of job {fetched.job_id}")
    files = {name: _digest_file(folder / Path(name).name) for name in fetched.files}
    checks = [(check.name, check.ok) for check in fetched.checks]
    return fetched, looked_at_digest(files, checks, fetched.salt)


def _digest_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return DIGEST_PREFIX + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"{path} can't be read: {exc.strerror}", code="file-unreadable") from exc


def _what_is_signed(
    session: Session, view: ReviewView, fetched: FetchedReview, decision: str, reason: str
) -> str:
    lines = {
        "to sign": f"a decision to {decision}, which is final",
        "as": session.get_address(),
        "job": view.review.job_id,
        "of": view.review.consumer,
        **{f"  {name}": digest for name, digest in sorted(fetched.files.items())},
        **{f"  check {check.name}": "passed" if check.ok else "NOT passed" for check in fetched.checks},
        "looked at": fetched.looked_at,
        "reason": plain(reason) or "none",
        "": "the reason is kept by the provider; the receipt has a digest that hides it",
    }
    return fields(lines)
