"""Writes amounts as people read them. Pure, exact, never a float."""

from __future__ import annotations

COIN_DECIMALS = 18


def format_units(amount: int, decimals: int) -> str:
    """Write an amount, counted in units of 10^-decimals, as a decimal number without trailing zeros."""
    whole, part = divmod(amount, 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{whole}.{digits}" if digits else str(whole)
