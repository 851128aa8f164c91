"""The same code at the same addresses on every chain, deployed once and verified ever after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_account import Account

from datatokens import localchain
from datatokens.client import ChainClient
from datatokens.compiled import load_artifact
from datatokens.create2 import (
    PROXY,
    PROXY_CODE,
    PROXY_SIGNER,
    PROXY_TRANSACTION,
    child_address,
    create2_address,
    is_runtime_of,
)
from datatokens.deploy import deploy_contracts, find_deployment, plan_deployment
from datatokens.errors import DeployerMissingError, NotEnoughMoneyError, WrongChainError
from datatokens.gateway import Gateway
from datatokens.localchain import LocalChain, fund, request
from datatokens.model import Deployment
from tests.chain_fixtures import COIN, account_for
from tests.rpc_proxy import refusal, serve_proxy


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    """Another chain, with another id and no contracts."""
    folder = tmp_path_factory.mktemp("other")
    chain = localchain.start(folder / "state.json", localchain.find_free_port(), chain_id=4242)
    fund(chain.rpc_url, account_for("deployer").address, 10 * COIN)
    yield chain
    localchain.stop(chain.pid)


@pytest.fixture
def empty(other: LocalChain) -> Iterator[LocalChain]:
    snapshot = request(other.rpc_url, "evm_snapshot")
    yield other
    request(other.rpc_url, "evm_revert", snapshot)


def deploy(chain: LocalChain, *, with_test_token: bool = True) -> Deployment:
    return deploy_contracts(chain.rpc_url, account_for("deployer"), with_test_token=with_test_token)


def test_the_same_code_has_the_same_addresses_on_every_chain_and_for_every_sender(
    empty: LocalChain, deployment: Deployment
) -> None:
    there = deploy(empty)
    assert there.chain_id == 4242
    for name in ("registry", "escrow", "providers", "receipts", "payment_token"):
        assert getattr(there, name) == getattr(deployment, name)
    assert there.code_hashes["registry"] == deployment.code_hashes["registry"]
    planned = plan_deployment(4242, with_test_token=True)
    assert planned == replace(there, blocks={}, code_hashes={})


def test_what_is_there_is_verified_and_not_deployed_again(empty: LocalChain) -> None:
    first = deploy(empty, with_test_token=False)
    sender = account_for("deployer").address
    count = request(empty.rpc_url, "eth_getTransactionCount", sender, "latest")
    request(empty.rpc_url, "anvil_mine", hex(500))
    assert deploy(empty, with_test_token=False) == first == find_deployment(empty.rpc_url)
    assert request(empty.rpc_url, "eth_getTransactionCount", sender, "latest") == count
    both = deploy(empty)
    assert both.blocks["registry"] == first.blocks["registry"] == first.block
    assert both.blocks["payment_token"] > first.blocks["providers"] + 500


def test_a_manifest_says_at_which_block_each_contract_came(empty: LocalChain) -> None:
    found = deploy(empty)
    gateway = Gateway(empty.rpc_url)
    for name in ("registry", "escrow", "providers", "receipts", "payment_token"):
        address = getattr(found, name)
        assert gateway.code(address, found.blocks[name])
        assert not gateway.code(address, found.blocks[name] - 1)


def test_where_old_state_is_forgotten_events_are_read_from_the_start(empty: LocalChain) -> None:
    deploy(empty)
    with serve_proxy(empty.rpc_url) as proxy:
        pruned = refusal("missing trie node")
        proxy.intercept = lambda call: (
            pruned(call) if call["method"] == "eth_getCode" and call["params"][1] != "latest" else None
        )
        assert (
            find_deployment(proxy.url) or plan_deployment(0, with_test_token=False)
        ).blocks == dict.fromkeys(("registry", "escrow", "providers", "receipts", "payment_token"), 0)


def test_a_chain_without_the_contracts_has_no_deployment(empty: LocalChain) -> None:
    assert find_deployment(empty.rpc_url) is None


def test_other_code_at_an_address_is_never_taken_for_ours(empty: LocalChain) -> None:
    found = deploy(empty)
    code = request(empty.rpc_url, "eth_getCode", found.escrow, "latest")
    request(empty.rpc_url, "anvil_setCode", found.escrow, code[:-2] + "00")
    with pytest.raises(WrongChainError, match="Escrow"):
        deploy(empty)
    with pytest.raises(WrongChainError, match="Escrow"):
        find_deployment(empty.rpc_url)
    with pytest.raises(WrongChainError, match="escrow"):
        ChainClient.connect(empty.rpc_url, found).list_assets()


def test_only_the_places_of_constructor_values_may_differ(empty: LocalChain) -> None:
    found = deploy(empty)
    gateway, artifact = Gateway(empty.rpc_url), load_artifact("Registry")
    code = bytearray(gateway.code(found.registry))
    assert is_runtime_of(artifact, bytes(code))
    free = {at for start, length in artifact.immutables for at in range(start, start + length)}
    assert free
    for at in (*range(0, len(code), 97), *sorted(free)[:3]):
        changed = bytes(code[:at]) + bytes([code[at] ^ 1]) + bytes(code[at + 1 :])
        assert is_runtime_of(artifact, changed) is (at in free)
    assert not is_runtime_of(artifact, bytes(code) + b"\x00")
    assert not is_runtime_of(artifact, b"")


def test_the_escrow_is_where_the_registry_makes_it(empty: LocalChain) -> None:
    found = deploy(empty)
    gateway = Gateway(empty.rpc_url)
    registry = gateway.contract("Registry", found.registry)
    assert gateway.call(registry, "escrow") == found.escrow == child_address(found.registry)


def test_an_account_without_coins_deploys_nothing(empty: LocalChain) -> None:
    with pytest.raises(NotEnoughMoneyError):
        deploy_contracts(empty.rpc_url, account_for("poor"), with_test_token=False)
    assert find_deployment(empty.rpc_url) is None


def test_a_node_that_names_another_chain_later_gets_no_signature_for_that_one(empty: LocalChain) -> None:
    said: list[str] = []
    with serve_proxy(empty.rpc_url) as proxy:
        proxy.edit = lambda call, value: (
            "0x1" if call["method"] == "eth_chainId" and proxy.counts["eth_chainId"] > 1 else value
        )
        deployer = account_for("deployer")
        found = deploy_contracts(proxy.url, deployer, with_test_token=False, say=said.append)
    assert find_deployment(empty.rpc_url) == found
    assert all(f"on chain {found.chain_id} " in line for line in said)


# The proxy


def test_the_proxys_transaction_is_the_well_known_one() -> None:
    assert Account.recover_transaction(PROXY_TRANSACTION) == PROXY_SIGNER


def test_a_chain_without_the_proxy_is_given_it(empty: LocalChain, deployment: Deployment) -> None:
    request(empty.rpc_url, "anvil_setCode", PROXY, "0x")
    said: list[str] = []
    found = deploy_contracts(empty.rpc_url, account_for("deployer"), with_test_token=False, say=said.append)
    assert found.registry == deployment.registry
    assert Gateway(empty.rpc_url).code(PROXY) == PROXY_CODE
    assert PROXY in said[0]


def test_a_chain_that_takes_no_old_transactions_is_said_to_lack_the_proxy(empty: LocalChain) -> None:
    request(empty.rpc_url, "anvil_setCode", PROXY, "0x")
    with serve_proxy(empty.rpc_url) as proxy:
        refuse = refusal("only replay-protected (EIP-155) transactions allowed over RPC")
        old = "0x" + PROXY_TRANSACTION.hex()
        proxy.intercept = lambda call: refuse(call) if call["params"] == [old] else None
        with pytest.raises(DeployerMissingError, match="EIP-155"):
            deploy_contracts(proxy.url, account_for("deployer"), with_test_token=False)
    assert find_deployment(empty.rpc_url) is None


def test_other_code_in_the_proxys_place_is_not_used(empty: LocalChain) -> None:
    request(empty.rpc_url, "anvil_setCode", PROXY, "0x60016001")
    with pytest.raises(DeployerMissingError, match="not the proxy"):
        deploy(empty)


def test_an_address_depends_on_every_byte_of_the_code() -> None:
    artifact = load_artifact("Providers")
    changed = replace(artifact, bytecode=artifact.bytecode + "00")
    assert create2_address(artifact) != create2_address(changed)
