"""What a provider says no with. Each error has a stable code; the table at the end is the only place with HTTP statuses.

ProviderError
├── BadRequestError            the request is not what the interface says
│   ├── BadSignatureError      a signature is malformed or recovers to nobody
│   ├── DatasetError           data can't be described or used as it lies there
│   └── StaleRequestError      expired, or for another provider or chain
├── DeniedError                well formed, and not allowed
├── NotFoundError              no such thing, or not for you to see
├── ConflictError              the thing's state doesn't allow it
└── UnavailableError           the chain or the engine can't be reached now
    └── LogIncompleteError     the log's files don't have what the database has
"""

from __future__ import annotations


class ProviderError(Exception):
    """Base of every error that this package raises on purpose."""

    code = "provider-error"
    default = "the provider could not do this"

    def __init__(self, message: str = "", *, code: str = "", remedy: str = "") -> None:
        super().__init__(message or self.default)
        self.code = code or type(self).code
        self.remedy = remedy


class BadRequestError(ProviderError):
    """The request is not what the interface says."""

    code = "bad-request"


class BadSignatureError(BadRequestError):
    """A signature is malformed or recovers to nobody."""

    code = "bad-signature"
    default = "the signature can't be read as 65 bytes r‖s‖v with a low s over this message"


class DatasetError(BadRequestError):
    """Data can't be described or used as it lies there; the code says why (`dataset-empty`, `dataset-link`, …)."""

    code = "dataset-invalid"
    default = "the data can't be used as it lies there"


class StaleRequestError(BadRequestError):
    """The request has expired, was used, or is meant for another provider or chain."""

    code = "stale-request"


class DeniedError(ProviderError):
    """Well formed, and not allowed."""

    code = "denied"


class NotFoundError(ProviderError):
    """There is no such thing, or it is not for this reader: the two look the same from outside."""

    code = "not-found"


class ConflictError(ProviderError):
    """The thing's state doesn't allow what was asked."""

    code = "conflict"


class UnavailableError(ProviderError):
    """The chain or the engine can't be reached now; the request can be repeated as it is."""

    code = "unavailable"


class LogIncompleteError(UnavailableError):
    """The log's files don't have what the database has; the worker makes them anew."""

    code = "log-incomplete"
    default = "the log's files are being made anew"


HTTP_STATUS: dict[type[ProviderError], int] = {
    BadSignatureError: 400,
    StaleRequestError: 400,
    BadRequestError: 400,
    DeniedError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    UnavailableError: 503,
    ProviderError: 500,
}


def http_status(error: ProviderError) -> int:
    """Return the HTTP status for `error`, by its nearest listed ancestor."""
    return next(HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS)
