"""What the accounting of privacy says no with.

PrivacyError
├── NotAccountableError   the mechanisms have no finite cost, or none that can be computed in bounded time
└── UnreachableError      no noise within bounds gives so little epsilon
"""

from __future__ import annotations


class PrivacyError(Exception):
    """Base of every error that the accounting of privacy raises."""

    code = "privacy-error"


class NotAccountableError(PrivacyError):
    """The mechanisms have no finite cost at this delta, or none that can be computed in bounded time and memory."""

    code = "privacy-not-accountable"


class UnreachableError(PrivacyError):
    """No noise within bounds brings the cost down to the epsilon that was asked for."""

    code = "privacy-unreachable"
