"""Finds the account that somebody means: by address, or by the name of a key in this home folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cli.errors import AccountUnknownError, InputError
from cli.ids import has_checksum
from datatokens.accounts import list_accounts

if TYPE_CHECKING:
    from cli.home import Home

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def resolve_address(home: Home, who: str) -> str:
    """Return the checksummed address of a key name or an address.

    Raises:
        AccountUnknownError: it is neither.
        InputError: it is an address whose checksum (EIP-55) is wrong.
    """
    known = list_accounts(home.keys)
    if who in known:
        return known[who]
    if not _ADDRESS.fullmatch(who):
        raise AccountUnknownError(f"{who[:60]!r} is neither an address nor a key in this home folder")
    if not has_checksum(who):
        raise InputError(
            f"the checksum of {who} is wrong", code="address-checksum", remedy="copy the address anew, whole"
        )
    from provider.receipts.signatures import checksum_address

    return checksum_address(who)
