"""May this caller do this? One table, one function, used by every route.

Roles come from facts (a recovered signer, the chain's owner of a dataset, the consumer of a job), never from the caller.
What somebody may not read looks the same as what doesn't exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from provider.errors import DeniedError, NotFoundError, ProviderError


class Role(StrEnum):
    """How a caller stands to a subject."""

    ANYONE = "anyone"
    ACCOUNT = "account"
    REGISTRAR = "registrar"
    CONSUMER = "consumer"
    DATASET_OWNER = "dataset-owner"
    SOLE_OWNER = "sole-owner"
    LOG_READER = "log-reader"
    UPLOADER = "uploader"
    REVIEWER = "reviewer"


class Access(StrEnum):
    """Everything that can be asked of a provider."""

    PROVIDER_READ = "provider.read"
    LOGIN = "login"
    DATASET_READ = "dataset.read"
    DATASET_PREPARE = "dataset.prepare"
    DATASET_PUBLISH = "dataset.publish"
    DATASET_GOVERN = "dataset.govern"
    MEMBERSHIP_READ = "membership.read"
    ALGORITHM_UPLOAD = "algorithm.upload"
    ALGORITHM_READ = "algorithm.read"
    APPROVAL_REQUEST = "approval.request"
    APPROVAL_LIST = "approval.list"
    APPROVAL_DECLINE = "approval.decline"
    JOB_SUBMIT = "job.submit"
    JOB_LIST = "job.list"
    JOB_READ = "job.read"
    JOB_CANCEL = "job.cancel"
    JOB_LOG_READ = "job.log.read"
    JOB_TIMES_READ = "job.times.read"
    RELEASE_READ = "release.read"
    RECEIPT_READ = "receipt.read"
    CHECKPOINT_COSIGN = "checkpoint.cosign"
    REVIEW_LIST = "review.list"
    REVIEW_READ = "review.read"
    REVIEW_DECIDE = "review.decide"


ALLOWED: dict[Access, frozenset[Role]] = {
    Access.PROVIDER_READ: frozenset({Role.ANYONE}),
    Access.LOGIN: frozenset({Role.ANYONE}),
    Access.DATASET_READ: frozenset({Role.ANYONE}),
    Access.RECEIPT_READ: frozenset({Role.ANYONE}),
    Access.CHECKPOINT_COSIGN: frozenset({Role.ANYONE}),
    Access.DATASET_PREPARE: frozenset({Role.REGISTRAR}),
    Access.DATASET_PUBLISH: frozenset({Role.DATASET_OWNER}),
    Access.DATASET_GOVERN: frozenset({Role.DATASET_OWNER}),
    Access.MEMBERSHIP_READ: frozenset({Role.ACCOUNT}),
    Access.ALGORITHM_UPLOAD: frozenset({Role.ACCOUNT}),
    Access.ALGORITHM_READ: frozenset({Role.UPLOADER, Role.DATASET_OWNER}),
    Access.APPROVAL_REQUEST: frozenset({Role.ACCOUNT}),
    Access.APPROVAL_LIST: frozenset({Role.ACCOUNT}),
    Access.APPROVAL_DECLINE: frozenset({Role.DATASET_OWNER}),
    Access.JOB_SUBMIT: frozenset({Role.ACCOUNT}),
    Access.JOB_LIST: frozenset({Role.ACCOUNT}),
    Access.JOB_READ: frozenset({Role.CONSUMER, Role.DATASET_OWNER}),
    Access.JOB_CANCEL: frozenset({Role.CONSUMER, Role.DATASET_OWNER}),
    Access.JOB_LOG_READ: frozenset({Role.SOLE_OWNER, Role.LOG_READER}),
    Access.JOB_TIMES_READ: frozenset({Role.SOLE_OWNER}),
    Access.RELEASE_READ: frozenset({Role.CONSUMER}),
    Access.REVIEW_LIST: frozenset({Role.ACCOUNT}),
    Access.REVIEW_READ: frozenset({Role.REVIEWER}),
    Access.REVIEW_DECIDE: frozenset({Role.REVIEWER}),
}
HIDDEN_WHEN_DENIED = frozenset(
    {
        Access.ALGORITHM_READ,
        Access.JOB_READ,
        Access.JOB_CANCEL,
        Access.JOB_LOG_READ,
        Access.JOB_TIMES_READ,
        Access.RELEASE_READ,
        Access.REVIEW_READ,
        Access.REVIEW_DECIDE,
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who has which role towards the thing that is asked about; addresses compare without case.

    `sole_owners` own every dataset of a job: what its run shows of one owner's data is not for another. `log_readers` are
    those to whom the policy that a job ran under opens what its algorithm printed. `reviewers` decide on its release; its
    consumer is never one of them.
    """

    consumers: frozenset[str] = frozenset()
    dataset_owners: frozenset[str] = frozenset()
    sole_owners: frozenset[str] = frozenset()
    log_readers: frozenset[str] = frozenset()
    uploaders: frozenset[str] = frozenset()
    registrars: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()


def roles_of(caller: str | None, subject: Subject) -> frozenset[Role]:
    """Return every role of `caller`, a recovered address or None, towards `subject`."""
    if caller is None:
        return frozenset({Role.ANYONE})
    holders = {
        Role.CONSUMER: subject.consumers,
        Role.DATASET_OWNER: subject.dataset_owners,
        Role.SOLE_OWNER: subject.sole_owners,
        Role.LOG_READER: subject.log_readers,
        Role.UPLOADER: subject.uploaders,
        Role.REGISTRAR: subject.registrars,
        Role.REVIEWER: subject.reviewers,
    }
    held = {
        role for role, people in holders.items() if caller.lower() in {person.lower() for person in people}
    }
    return frozenset({Role.ANYONE, Role.ACCOUNT} | held)


@dataclass(slots=True)
class Guard:
    """One request's caller, and whether anybody asked what it may do: a route that didn't ask gets no answer out."""

    find_caller: Callable[[], str | None]
    asked: bool = field(default=False)

    @property
    def caller(self) -> str:
        """The address that logged in or signed.

        Raises:
            DeniedError: nobody did.
        """
        caller = self.find_caller()
        if caller is None:
            raise DeniedError(
                "this needs a login: the bearer token is missing, unknown or expired",
                code="login-required",
                remedy="log in again",
            )
        return caller

    def check(self, access: Access, subject: Subject | None = None, *, caller: str | None = None) -> None:
        """Pass if some role of the caller is allowed `access` to `subject`.

        Raises:
            DeniedError: it is not, or there is no caller where one is needed.
            NotFoundError: it is not, and that must look like absence.
        """
        self.asked = True
        authorise(access, caller or self.find_caller(), subject or Subject())


def may(access: Access, caller: str | None, subject: Subject) -> bool:
    """Whether some role of `caller` towards `subject` is allowed `access`."""
    return bool(ALLOWED[access] & roles_of(caller, subject))


def authorise(access: Access, caller: str | None, subject: Subject) -> None:
    """Pass if some role of `caller` towards `subject` is allowed `access`.

    Raises:
        DeniedError: it is not.
        NotFoundError: it is not, and that must look like absence.
    """
    if may(access, caller, subject):
        return
    raise _denial(access, caller)


def _denial(access: Access, caller: str | None) -> ProviderError:
    if caller is None:
        return DeniedError(
            "this needs a login", code="login-required", remedy="log in and send the bearer token"
        )
    if access in HIDDEN_WHEN_DENIED:
        return NotFoundError("there is no such thing, or it is not for you to see")
    wanted = " or ".join(sorted(ALLOWED[access]))
    return DeniedError(f"{access} is for {wanted}; you are {caller}", code="not-allowed")
