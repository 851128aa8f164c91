"""Reads the ids that people type, so that a slip is told before anything is asked or signed."""

from __future__ import annotations

import re
from typing import Any

import click

from policies.purposes import PURPOSE_PATTERN

_HEX32 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,1024}")
_PURPOSE = re.compile(PURPOSE_PATTERN)


class _Pattern(click.ParamType[str]):
    """Text of one exact form."""

    def __init__(self, name: str, pattern: re.Pattern[str], form: str) -> None:
        self.name = name
        self._pattern = pattern
        self._form = form

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's
        """Return the text, or fail with the form that was expected."""
        if not self._pattern.fullmatch(str(value)):
            self.fail(f"expected {self._form}, got {str(value)[:80]!r}", param, ctx)
        return str(value)


class _Address(_Pattern):
    """An account or contract; one written in mixed case is held to its checksum."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's
        """Return the address, or fail when it isn't one or its checksum (EIP-55) is wrong."""
        text = super().convert(value, param, ctx)
        if not has_checksum(text):
            self.fail(f"the checksum of {text} is wrong: copy the address anew, whole", param, ctx)
        return text


class _RoleAddress(click.ParamType[tuple[str, str]]):
    """A role and the account in it."""

    name = "role=address"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, str]:
        """Return role and address, or fail with the form that was expected."""
        role, separator, address = str(value).partition("=")
        if not separator or not role:
            self.fail(f"expected ROLE=ADDRESS, got {str(value)[:80]!r}", param, ctx)
        return role, ADDRESS.convert(address, param, ctx)


def has_checksum(address: str) -> bool:
    """Tell whether an address has the capitals of EIP-55; one in a single case has none that could be wrong."""
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        return True
    from provider.receipts.signatures import checksum_address

    return checksum_address(address) == address


ASSET_ID = _Pattern("asset id", _HEX32, "64 lower-case hex digits")
JOB_ID = _Pattern("job id", _HEX32, "64 lower-case hex digits")
DIGEST = _Pattern("digest", _DIGEST, "sha256:<64 lower-case hex digits>")
ADDRESS = _Address("address", _ADDRESS, "0x and 40 hex digits")
SIGNATURE = _Pattern("signature", _SIGNATURE, "0x and 1 to 1024 bytes in hex")
ROLE_ADDRESS = _RoleAddress()
PURPOSE = _Pattern(
    "purpose", _PURPOSE, "a Data Use Ontology term such as DUO:0000042, or DUO:0000007[MONDO:0007254]"
)


def is_digest(text: str) -> bool:
    """Tell whether `text` is the edge form of a SHA-256 digest."""
    return _DIGEST.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Tell whether `text` is 0x and 40 hex digits."""
    return _ADDRESS.fullmatch(text) is not None


def is_job_id(text: str) -> bool:
    """Tell whether `text` has the form of a job id."""
    return _HEX32.fullmatch(text) is not None
