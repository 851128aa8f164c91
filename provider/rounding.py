"""Rounds the figures of a run before anybody but the data's owner sees them: an algorithm can choose each of them.

The only place with the steps. Receipts, the API and whatever is made of them call these functions. What remains, in bits,
stands in docs/covert-channels.md.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

TIME_STEP_S = 10
CPU_STEP_S = 10
MEMORY_STEP_BYTES = 64 * 1024 * 1024
SIZE_STEP_BYTES = 1024 * 1024


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `value`."""
    return -(-value // step) * step


def round_time(seconds: int) -> int:
    """Return a unix time as the public sees it: rounded up, so that nothing seems to end before it began."""
    return round_up(seconds, TIME_STEP_S)


def round_time_down(seconds: int) -> int:
    """Return a unix time that others compare with deadlines, rounded down: an approval that held then still holds."""
    return seconds // TIME_STEP_S * TIME_STEP_S


def round_size(size_bytes: int, step: int, *, limit: int) -> int:
    """Return a size rounded up, and never more than its limit rounded up: past that it was not used but claimed."""
    return round_up(min(size_bytes, limit), step)


def round_cpu(seconds: str, *, limit: Decimal) -> str:
    """Return decimal seconds of processor time rounded up, and never more than their limit rounded up."""
    used = min(Decimal(seconds), limit)
    return str((used / CPU_STEP_S).to_integral_value(ROUND_CEILING) * CPU_STEP_S)
