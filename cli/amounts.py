"""Money as people write it (`5`, `0.25`) and as contracts count it (an integer of 10^-18 units). Never a float."""

from __future__ import annotations

import re

from cli.errors import InputError

DECIMALS = 18
ONE_TOKEN_WEI = 10**18
MAX_AMOUNT_WEI = 2**96 - 1
_AMOUNT = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?", re.ASCII)


def parse_amount(text: str) -> int:
    """Read a decimal amount of tokens with 18 decimals and return it in wei.

    Raises:
        InputError: not a plain decimal number, more than 18 decimals, or more than a price may be (96 bits).
    """
    if not _AMOUNT.fullmatch(text):
        raise InputError(
            f"an amount is written like 5 or 0.25, got {text[:40]!r}",
            code="amount-invalid",
            remedy="digits, with at most 18 after the point",
        )
    whole, _, part = text.partition(".")
    amount_wei = int(whole) * ONE_TOKEN_WEI + int(part.ljust(DECIMALS, "0"))
    if amount_wei > MAX_AMOUNT_WEI:
        raise InputError(f"the amount {text} is more than a contract can hold", code="amount-invalid")
    return amount_wei


def format_amount(amount_wei: int, decimals: int = DECIMALS) -> str:
    """Write an amount of a token's smallest units as people read it, exactly."""
    whole, part = divmod(amount_wei, 10**decimals)
    digits = f"{part:0{decimals}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
