"""What a scientist's home keeps of each job: the signed request, its limits, its result key, and whether it has ended.

Written before anything is sent, so that a kill at any point is continued with the same request, and a job is never
ordered twice. The chain is asked before every order all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cli.errors import InputError
from cli.home import Home, read_file, write_file
from policies.documents import StrictModel, parse_document
from provider.wire import MAX_DATASETS_PER_JOB, Address, Digest, Hex32, JobSubmission

REQUEST_FILE = "request.json"
KEY_FILE = "result-key.json"
DONE_FILE = "done.json"
MAX_RECORD_BYTES = 256 * 1024
TokenId = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,77}$")]


class Submission(StrictModel):
    """`request.json` of a job folder. `order` is the digest of what was asked for, apart from nonce and key.

    `token_ids` are those of the request's datasets, in their order.
    """

    version: Literal[1] = 1
    job_id: Hex32
    consumer: Address
    order: Digest
    token_ids: Annotated[list[TokenId], Field(min_length=1, max_length=MAX_DATASETS_PER_JOB)]
    max_price: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$", max_length=78)]
    deadline_s: int | None
    with_datatoken: bool = False
    submission: JobSubmission


def save_submission(home: Home, record: Submission, sealed_key: bytes) -> None:
    """Write a job's folder; `request.json` comes last, so a folder that has one is whole."""
    folder = home.jobs / record.job_id
    write_file(folder / KEY_FILE, sealed_key)
    write_file(folder / REQUEST_FILE, record.model_dump_json(indent=2).encode() + b"\n")


def mark_done(home: Home, job_id: str) -> None:
    """Note that a job has ended: the same job.yaml then makes a new job."""
    write_file(home.jobs / job_id / DONE_FILE, b'{"version": 1}\n')


def load_submission(home: Home, job_id: str) -> Submission:
    """Read what was saved of a job.

    Raises:
        InputError: this home has no such job.
        DocumentError: the record is damaged.
    """
    path = home.jobs / job_id / REQUEST_FILE
    if not path.exists():
        raise InputError(
            f"this home folder has no request for job {job_id}",
            code="job-unknown",
            remedy="use the home folder that submitted it",
        )
    data = read_file(path, what="job record", max_bytes=MAX_RECORD_BYTES)
    return parse_document(data, Submission, document=REQUEST_FILE)


def load_sealed_key(home: Home, job_id: str) -> bytes:
    """Read the sealed result key of a job.

    Raises:
        InputError: this home has none.
    """
    return read_file(home.jobs / job_id / KEY_FILE, what="result key", max_bytes=MAX_RECORD_BYTES)


def list_open(home: Home, *, order: str, consumer: str) -> list[Submission]:
    """Return the saved requests for the same thing by the same account whose end was not noted, latest expiry first."""
    same = [
        record
        for record in _load_open(home)
        if record.order == order and record.consumer.lower() == consumer.lower()
    ]
    return sorted(same, key=lambda record: record.submission.request.expiry, reverse=True)


def _load_open(home: Home) -> Iterator[Submission]:
    for path in sorted(home.jobs.glob(f"*/{REQUEST_FILE}")):
        if not (path.parent / DONE_FILE).exists():
            yield load_submission(home, path.parent.name)
