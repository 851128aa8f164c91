"""Who may use a dataset, as a policy names them: accounts, Merkle allow-lists, and the credentials that they must show."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from policies.documents import StrictModel

MAX_LIST_ITEMS = 1000
MAX_ISSUERS = 64
MAX_CREDENTIALS = 16
SLUG_PATTERN = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def _check_address(value: object, index: int) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ValueError(f"item {index}: expected an address, 0x and 40 hex digits")
    return value.lower()


def _read_consumers(value: object) -> object:
    """Take `anyone` or a list of addresses, which are put in lower case.

    Raises:
        ValueError: anything else, or more than `MAX_LIST_ITEMS`.
    """
    if value == "anyone":
        return value
    if not isinstance(value, (list, tuple)) or len(value) > MAX_LIST_ITEMS:
        raise ValueError(
            f"expected the word anyone, or a list of at most {MAX_LIST_ITEMS} addresses (an empty list allows nobody)"
        )
    return tuple(_check_address(item, index) for index, item in enumerate(value))


def _check_issuers(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_check_address(item, index) for index, item in enumerate(value))


AddressText = Annotated[str, Field(pattern=f"^{_ADDRESS.pattern}$")]
Slug = Annotated[str, Field(pattern=f"^{SLUG_PATTERN}$", max_length=64)]
"""The name of a claim, such as `not-for-profit`."""
ListRoot = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Consumers = Annotated[
    Literal["anyone"] | tuple[str, ...],
    BeforeValidator(_read_consumers, json_schema_input_type=Literal["anyone"] | list[AddressText]),
]
"""`anyone`, or lower-case addresses."""


class CredentialDemand(StrictModel):
    """The consumer has to show that one of `issuers` signed the claim about the account, and that it has not expired."""

    claim: Annotated[Slug, Field(description="What is claimed, such as not-for-profit or ethics-approval.")]
    issuers: Annotated[
        tuple[AddressText, ...],
        Field(
            strict=False,
            min_length=1,
            max_length=MAX_ISSUERS,
            description="Accounts, one of which has signed the credential.",
        ),
        AfterValidator(_check_issuers),
    ]


class AllowList(StrictModel):
    """Accounts known by the Merkle root of their list alone; the provider keeps the list."""

    root: Annotated[ListRoot, Field(description="Root that `sealroom policy root` prints.")]


class AllowListed(StrictModel):
    """Consumers are those on an allow-list."""

    allow_list: AllowList


def _tag(value: object) -> str:
    return "allow-list" if isinstance(value, (dict, AllowListed)) else "accounts"


AnyConsumers = Annotated[
    Annotated[Consumers, Tag("accounts")] | Annotated[AllowListed, Tag("allow-list")], Discriminator(_tag)
]
"""`anyone`, addresses, or an allow-list."""
