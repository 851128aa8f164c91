"""Puts our contracts on any chain, at the same addresses everywhere, and writes down where and since when they are there.

What is there already is verified and not deployed again. Upgrades nothing: there are no proxies to upgrade.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from datatokens.compiled import Artifact, load_artifact
from datatokens.create2 import (
    PROXY,
    PROXY_CODE,
    PROXY_COST_WEI,
    PROXY_SIGNER,
    PROXY_TRANSACTION,
    SALT,
    child_address,
    create2_address,
    creation_code,
    is_runtime_of,
)
from datatokens.errors import DeployerMissingError, NodeRefusedError, WrongChainError
from datatokens.fees import FeeLimits
from datatokens.gateway import DEFAULT_FEES, DEFAULT_PATIENCE, Gateway
from datatokens.intent import Review
from datatokens.model import Deployment
from datatokens.patience import Patience
from datatokens.trusted import named_addresses

if TYPE_CHECKING:
    from datatokens.ethkeys import LocalAccount

Say = Callable[[str], None]


def plan_deployment(chain_id: int, *, with_test_token: bool) -> Deployment:
    """Return where this version's contracts are on every chain that has them; blocks and code hashes are not known yet."""
    registry, providers = (create2_address(load_artifact(name)) for name in ("Registry", "Providers"))
    escrow = child_address(registry)
    return Deployment(
        chain_id=chain_id,
        registry=registry,
        escrow=escrow,
        providers=providers,
        receipts=create2_address(load_artifact("Receipts"), escrow, providers),
        payment_token=create2_address(load_artifact("TestToken")) if with_test_token else None,
        blocks={},
        code_hashes={},
    )


def deploy_contracts(
    rpc_url: str,
    sender: LocalAccount,
    *,
    with_test_token: bool,
    patience: Patience = DEFAULT_PATIENCE,
    fees: FeeLimits = DEFAULT_FEES,
    say: Say = lambda _: None,
    review: Review | None = None,
) -> Deployment:
    """Deploy what is missing of registry (which creates the escrow), providers, receipts and, if asked, the test token.

    Raises:
        ChainUnreachableError: no answer.
        DeployerMissingError: the chain doesn't have the proxy and doesn't take the transaction that makes it.
        NotEnoughMoneyError: the sender can't pay the gas.
        TransactionFailedError: a deployment failed.
        WrongChainError: other code stands at one of the addresses.
    """
    chain_id = Gateway(
        rpc_url, patience=patience
    ).chain_id()  # asked once: all is signed for the chain that is said
    gateway = Gateway(rpc_url, chain_id=chain_id, patience=patience, fees=fees, review=review)
    draft = plan_deployment(chain_id, with_test_token=with_test_token)
    addresses = named_addresses(draft)
    missing = [name for name, address in addresses.items() if name != "escrow" and not gateway.code(address)]
    if missing:
        _ensure_proxy(gateway, sender, say)
    for name in missing:
        say(f"deploying {_ARTIFACTS[name]} on chain {chain_id} at {addresses[name]}")
        gateway.execute(PROXY, SALT + _creation_code(name, draft), sender=sender)
    return _describe(gateway, draft)


def find_deployment(rpc_url: str, *, patience: Patience = DEFAULT_PATIENCE) -> Deployment | None:
    """Return this version's contracts as they stand on a chain, verified; None when they are not all there.

    Raises:
        ChainUnreachableError: no answer.
        WrongChainError: other code stands at one of the addresses.
    """
    gateway = Gateway(rpc_url, patience=patience)
    token = bool(gateway.code(create2_address(load_artifact("TestToken"))))
    draft = plan_deployment(gateway.chain_id(), with_test_token=token)
    if not all(gateway.code(address) for address in named_addresses(draft).values()):
        return None
    return _describe(gateway, draft)


def _describe(gateway: Gateway, draft: Deployment) -> Deployment:
    """Verify the code at every address, and write down its hash and its first block."""
    head = gateway.block().number
    blocks: dict[str, int] = {}
    hashes: dict[str, str] = {}
    for name, address in named_addresses(draft).items():
        _check_code(gateway, _ARTIFACTS[name], address)
        hashes[name] = gateway.code_hash(address)
        blocks[name] = _first_block(gateway, address, head) if name != "escrow" else blocks["registry"]
    return replace(draft, blocks=blocks, code_hashes=hashes)


_ARTIFACTS = {
    "registry": "Registry",
    "escrow": "Escrow",
    "providers": "Providers",
    "receipts": "Receipts",
    "payment_token": "TestToken",
}


def _creation_code(name: str, draft: Deployment) -> bytes:
    arguments = (draft.escrow, draft.providers) if name == "receipts" else ()
    return creation_code(load_artifact(_ARTIFACTS[name]), *arguments)


def _check_code(gateway: Gateway, name: str, address: str) -> None:
    artifact: Artifact = load_artifact(name)
    if not is_runtime_of(artifact, gateway.code(address)):
        raise WrongChainError(
            f"code of {name} at {address}", expected="that of this version", got="other code"
        )


def _first_block(gateway: Gateway, address: str, head: int) -> int:
    """Return the block that created a contract, by halving; 0 where the node has forgotten old state.

    An earlier block than the right one costs time when events are read, and hides nothing.
    """
    first, last = 0, head
    while first < last:
        middle = (first + last) // 2
        try:
            there = bool(gateway.code(address, middle))
        except NodeRefusedError:
            return 0
        first, last = (first, middle) if there else (middle + 1, last)
    return first


def _ensure_proxy(gateway: Gateway, sender: LocalAccount, say: Say) -> None:
    code = gateway.code(PROXY)
    if not code:
        say(f"deploying the deterministic deployment proxy at {PROXY}")
        _deploy_proxy(gateway, sender)
        code = gateway.code(PROXY)
    if code != PROXY_CODE:
        raise DeployerMissingError(PROXY, "what stands there is not the proxy")


def _deploy_proxy(gateway: Gateway, sender: LocalAccount) -> None:
    """Pay for and send the one transaction that makes the proxy: it was signed for every chain, before EIP-155."""
    lacking = PROXY_COST_WEI - gateway.native_balance(PROXY_SIGNER)
    try:
        if lacking > 0:
            gateway.execute(PROXY_SIGNER, b"", value_wei=lacking, sender=sender)
        gateway.await_mined(gateway.broadcast(PROXY_TRANSACTION))
    except NodeRefusedError as exc:
        raise DeployerMissingError(PROXY, f"the chain doesn't take its transaction: {exc.words}") from exc
