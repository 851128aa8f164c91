"""Money as people write it (`5`, `0.25`) and as contracts count it (units of 10^-decimals). Never a float."""

from __future__ import annotations

import re

from cli.errors import InputError
from datatokens.units import COIN_DECIMALS, format_units

MAX_AMOUNT_WEI = 2**96 - 1
MAX_DIGITS = 78
"""As many as 2^256 has: no amount on a chain is longer."""
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


def parse_amount(text: str, decimals: int = COIN_DECIMALS) -> int:
    """Read a decimal amount of a token and return it in the token's units.

    Raises:
        InputError: not a plain decimal number, more decimals than the token has, or more than a price may be (96 bits).
    """
    check_amount(text)
    whole, _, part = text.partition(".")
    if len(part) > decimals:
        raise InputError(
            f"the amount {text} has {len(part)} decimals, and the token has {decimals}",
            code="amount-invalid",
            remedy=f"at most {decimals} digits after the point",
        )
    amount = int(whole + part.ljust(decimals, "0"))
    if amount > MAX_AMOUNT_WEI:
        raise InputError(f"the amount {text} is more than a contract can hold", code="amount-invalid")
    return amount


def parse_positive(text: str, decimals: int = COIN_DECIMALS) -> int:
    """Read an amount that must be more than nothing; see `parse_amount`."""
    amount = parse_amount(text, decimals)
    if amount == 0:
        raise InputError("an amount of zero moves nothing", code="amount-zero", remedy="give more than 0")
    return amount


def check_amount(text: str) -> None:
    """Check that `text` is a plain decimal number, before it is known of which token.

    Raises:
        InputError: it isn't.
    """
    if len(text) > MAX_DIGITS or not _AMOUNT.fullmatch(text):
        raise InputError(
            f"an amount is written like 5 or 0.25, got {text[:40]!r}",
            code="amount-invalid",
            remedy="digits, with a point before the decimals",
        )


def format_amount(amount: int, decimals: int = COIN_DECIMALS) -> str:
    """Write an amount of units as people read it, exactly."""
    return format_units(amount, decimals)
