"""The contracts of one deployment, handed out only once the node was seen to have them: the right chain, the right code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from web3.contract import Contract

from datatokens.errors import WrongChainError
from datatokens.gateway import Gateway, checksum
from datatokens.history import History, LogBook
from datatokens.model import Deployment


class TrustedContracts:
    """What every reader and writer of a deployment starts from; the first use of any contract checks all of them."""

    def __init__(self, gateway: Gateway, deployment: Deployment, book: LogBook | None = None) -> None:
        self._gateway = gateway
        self._deployment = deployment
        self._history = History(gateway, deployment.block, book)
        self._contracts: dict[tuple[str, str], Contract] = {}
        self._code_checked = False

    @property
    def deployment(self) -> Deployment:
        """The deployment that this client was given."""
        return self._deployment

    @property
    def chain_id(self) -> int:
        """The deployment's chain id; `check` asks the node for its own."""
        return self._deployment.chain_id

    def check(self) -> None:
        """Check that the node is on the deployment's chain and that the contracts there have its code.

        The code is read once: it can't change on a chain. A node can be pointed at another chain, so its id is read each
        time.

        Raises:
            WrongChainError: the chain id or a code hash differs.
            ChainUnreachableError: no answer.
        """
        got = self._gateway.chain_id()
        if got != self.chain_id:
            raise WrongChainError("chain id", expected=str(self.chain_id), got=str(got))
        if self._code_checked:
            return
        for name, address in named_addresses(self._deployment).items():
            code_hash = self._gateway.code_hash(address)
            expected = self._deployment.code_hashes.get(name, "a hash in the deployment file")
            if code_hash != expected:
                raise WrongChainError(f"code of the {name} contract", expected=expected, got=code_hash)
        self._code_checked = True

    @property
    def _registry(self) -> Contract:
        return self._trusted("Registry", self._deployment.registry)

    @property
    def _escrow(self) -> Contract:
        return self._trusted("Escrow", self._deployment.escrow)

    @property
    def _providers(self) -> Contract:
        return self._trusted("Providers", self._deployment.providers)

    @property
    def _receipts(self) -> Contract:
        return self._trusted("Receipts", self._deployment.receipts)

    def _token(self, address: str) -> Contract:
        """Return somebody's ERC-20 on the right chain; its code is whatever its maker wrote."""
        return self._trusted("TestToken", checksum(address))

    def _trusted(self, name: str, address: str) -> Contract:
        if not self._code_checked:
            self.check()
        key = (name, address)  # a stranger's asset may name one of our contracts as its token
        if key not in self._contracts:
            self._contracts[key] = self._gateway.contract(name, address)
        return self._contracts[key]

    def _logs(
        self, contract: Contract, event: str, filters: Mapping[str, object], *, last: int | None = None
    ) -> list[Any]:
        """Return the decoded events since the deployment, up to block `last`, oldest first."""
        return self._history.all(contract, event, filters, last=last)


def named_addresses(deployment: Deployment) -> dict[str, str]:
    """Return the address of each deployed contract by the name that its code hash stands under."""
    found = {
        "registry": deployment.registry,
        "escrow": deployment.escrow,
        "providers": deployment.providers,
        "receipts": deployment.receipts,
    }
    return found | ({"payment_token": deployment.payment_token} if deployment.payment_token else {})
