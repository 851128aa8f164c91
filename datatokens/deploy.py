"""Puts our contracts on a chain and writes down where they are. Upgrades nothing: there are no proxies to upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datatokens.gateway import Gateway
from datatokens.model import Deployment
from datatokens.reads import named_addresses

if TYPE_CHECKING:
    from datatokens.ethkeys import LocalAccount

DEPLOY_TIMEOUT_S = 30.0


def deploy_contracts(rpc_url: str, sender: LocalAccount, *, with_test_token: bool) -> Deployment:
    """Deploy registry (which creates the escrow and the datatoken), providers and, if asked, the test token.

    Raises:
        ChainUnreachableError: no answer.
        NotEnoughMoneyError: the sender can't pay the gas.
        TransactionFailedError: a deployment failed.
    """
    gateway = Gateway(rpc_url, timeout_s=DEPLOY_TIMEOUT_S)
    block = gateway.block().number
    registry = gateway.deploy("Registry", sender=sender)
    draft = Deployment(
        chain_id=gateway.chain_id(),
        registry=registry,
        escrow=gateway.call(gateway.contract("Registry", registry), "escrow"),
        providers=gateway.deploy("Providers", sender=sender),
        payment_token=gateway.deploy("TestToken", sender=sender) if with_test_token else None,
        block=block,
        code_hashes={},
    )
    for name, address in named_addresses(draft).items():
        draft.code_hashes[name] = gateway.code_hash(address)
    return draft
