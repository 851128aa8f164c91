"""The typed client of one deployment on any EVM chain: one class, its reads and writes kept in modules of their own."""

from __future__ import annotations

from typing import Self

from datatokens.gateway import Gateway
from datatokens.model import Deployment
from datatokens.writes import ProviderWrites

DEFAULT_TIMEOUT_S = 10.0


class ChainClient(ProviderWrites):
    """Reads and changes one deployment; see `ChainReader`, `OwnerWrites`, `ConsumerWrites`, `ProviderWrites`.

    Not checked until asked by `check`: that the node is on the right chain and the contracts are ours.
    """

    @classmethod
    def connect(cls, rpc_url: str, deployment: Deployment, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Self:
        """Return a client; makes no request yet. `timeout_s` is for each request."""
        return cls(Gateway(rpc_url, timeout_s=timeout_s), deployment)
