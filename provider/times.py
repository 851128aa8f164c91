"""Writes unix times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(unix_s: int) -> str:
    """Write a unix time in ISO 8601, UTC; one that no calendar has, which a receipt or a deadline can state, as it is."""
    try:
        return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"unix time {unix_s}"
