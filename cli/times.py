"""Writes the times of a chain as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_PRINTABLE_TIME = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def format_time(unix_s: int) -> str:
    """Write a unix time in ISO 8601, UTC; one after the year 9999, which a deadline on chain can be, as it is."""
    if unix_s > LAST_PRINTABLE_TIME:
        return f"unix time {unix_s}"
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
