"""The client's own settings: which chain endpoint, which provider, and which account that provider must answer for."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field

from cli.errors import InputError
from cli.home import DEFAULT_PROVIDER_URL, Home, read_file, write_file
from policies.documents import MAX_DOCUMENT_BYTES, StrictModel, parse_document

Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+", max_length=500)]


class ClientSettings(StrictModel):
    """`client.json` of a home folder. `provider` is pinned: a service that answers for another account is refused.

    `local_chain` says that `sealroom up` starts the chain itself. The most that is offered for a unit of gas is in gwei.
    """

    version: Literal[1] = 1
    rpc_url: Url
    provider_url: Url = DEFAULT_PROVIDER_URL
    provider: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")] | None = None
    local_chain: bool = False
    max_tip_gwei: Annotated[int, Field(ge=0)] | None = None
    max_fee_gwei: Annotated[int, Field(ge=1)] | None = None


def find_settings(home: Home) -> ClientSettings | None:
    """Return the settings of `home`, or None before `up` or `provider connect`.

    Raises:
        DocumentError: the file is not what it should be.
    """
    if not home.client_file.exists():
        return None
    data = read_file(home.client_file, what="client settings", max_bytes=MAX_DOCUMENT_BYTES)
    return parse_document(data, ClientSettings, document="client.json")


def load_settings(home: Home) -> ClientSettings:
    """Return the settings of `home`.

    Raises:
        InputError: there are none yet.
    """
    settings = find_settings(home)
    if settings is None:
        raise InputError(
            "this home folder knows no chain and no provider yet",
            code="not-connected",
            remedy="run `sealroom up`, or `sealroom provider connect` for one that runs elsewhere",
        )
    return settings


def save_settings(home: Home, settings: ClientSettings) -> None:
    """Write the settings of `home` in one step."""
    text = json.dumps(settings.model_dump(), indent=2, sort_keys=True) + "\n"
    write_file(home.client_file, text.encode())
