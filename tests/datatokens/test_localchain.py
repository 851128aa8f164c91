from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from datatokens import localchain
from datatokens.client import ChainClient
from datatokens.deploy import deploy_contracts
from datatokens.errors import ContractRefusedError, LocalChainError
from tests.chain_fixtures import COIN, account_for

DEPLOYER = account_for("deployer")


def wait_until_saved(state: Path, block: int) -> None:
    """Wait until the state file holds `block`: it is written every second."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if int(json.loads(state.read_bytes())["best_block_number"]) >= block:
                return
        except (OSError, ValueError, KeyError, TypeError):
            continue
    raise TimeoutError


def test_a_restart_keeps_contracts_balances_and_events(tmp_path: Path) -> None:
    state, port = tmp_path / "chain" / "state.json", localchain.find_free_port()
    chain = localchain.start(state, port, log_file=tmp_path / "anvil.log")
    try:
        localchain.fund(chain.rpc_url, DEPLOYER.address, COIN)
        deployment = deploy_contracts(chain.rpc_url, DEPLOYER, with_test_token=False)
        client = ChainClient.connect(chain.rpc_url, deployment)
        client.anchor(1, b"\x01" * 32, sender=DEPLOYER)
        anchored, balance = client.list_anchors(DEPLOYER.address), client.native_balance(DEPLOYER.address)
        localchain.stop(chain.pid)
        chain = localchain.start(state, port)
        client.check()
        assert client.list_anchors(DEPLOYER.address) == anchored
        assert client.native_balance(DEPLOYER.address) == balance
        client.anchor(2, b"\x02" * 32, sender=DEPLOYER)
    finally:
        localchain.stop(chain.pid)
    assert deployment.payment_token is None
    assert set(deployment.code_hashes) == {"registry", "escrow", "providers", "receipts"}


def test_a_killed_chain_comes_back_with_what_was_saved(tmp_path: Path) -> None:
    state, port = tmp_path / "state.json", localchain.find_free_port()
    chain = localchain.start(state, port)
    try:
        localchain.fund(chain.rpc_url, DEPLOYER.address, COIN)
        deployment = deploy_contracts(chain.rpc_url, DEPLOYER, with_test_token=False)
        client = ChainClient.connect(chain.rpc_url, deployment)
        block = client.anchor(1, b"\x01" * 32, sender=DEPLOYER).block
        wait_until_saved(state, block.number)
        os.kill(chain.pid, signal.SIGKILL)
        localchain.stop(chain.pid)
        chain = localchain.start(state, port)
        assert client.get_block(block.number) == block
        assert len(client.list_anchors(DEPLOYER.address)) == 1
    finally:
        localchain.stop(chain.pid)


def test_a_state_file_cut_short_is_replaced_by_the_last_good_copy(tmp_path: Path) -> None:
    state, port = tmp_path / "state.json", localchain.find_free_port()
    chain = localchain.start(state, port)
    localchain.fund(chain.rpc_url, DEPLOYER.address, 77)
    localchain.stop(chain.pid)
    localchain.stop(localchain.start(state, port).pid)  # a start keeps the copy
    state.write_bytes(state.read_bytes()[:100])
    chain = localchain.start(state, port)
    try:
        assert int(localchain.request(chain.rpc_url, "eth_getBalance", DEPLOYER.address, "latest"), 16) == 77
    finally:
        localchain.stop(chain.pid)


def test_a_damaged_state_file_without_a_copy_is_refused_and_kept(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{")
    with pytest.raises(LocalChainError, match="damaged"):
        localchain.start(state, localchain.find_free_port())
    assert state.read_text() == "{"


def test_hole_9_the_chain_has_no_accounts_with_known_keys(tmp_path: Path) -> None:
    chain = localchain.start(tmp_path / "state.json", localchain.find_free_port())
    try:
        assert localchain.request(chain.rpc_url, "eth_accounts") == []
    finally:
        localchain.stop(chain.pid)


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    port = localchain.find_free_port()
    chain = localchain.start(tmp_path / "state.json", port)
    try:
        with pytest.raises(LocalChainError, match="taken"):
            localchain.start(tmp_path / "other.json", port)
    finally:
        localchain.stop(chain.pid)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: int) -> None:
    with pytest.raises(LocalChainError):
        localchain.start(tmp_path / "state.json", port)


def test_a_program_that_is_not_anvil_is_said_to_have_ended(tmp_path: Path) -> None:
    with pytest.raises(LocalChainError, match="ended"):
        localchain.start(tmp_path / "state.json", localchain.find_free_port(), anvil=Path("/bin/false"))
    with pytest.raises(LocalChainError, match="can't be started"):
        localchain.start(tmp_path / "state.json", localchain.find_free_port(), anvil=tmp_path / "none")


def test_stopping_what_is_gone_is_no_error(tmp_path: Path) -> None:
    chain = localchain.start(tmp_path / "state.json", localchain.find_free_port())
    localchain.stop(chain.pid)
    localchain.stop(chain.pid)


def test_coins_are_made_only_on_a_local_chain(
    monkeypatch: pytest.MonkeyPatch, anvil: localchain.LocalChain
) -> None:
    with pytest.raises(LocalChainError):
        localchain.fund(f"http://127.0.0.1:{localchain.find_free_port()}", DEPLOYER.address, 1)
    calls: list[str] = []

    def real_chain(_: str, method: str, *_params: object) -> str:
        calls.append(method)
        return "Geth/v1.16.0"

    monkeypatch.setattr(localchain, "request", real_chain)
    with pytest.raises(LocalChainError, match="expected a local anvil"):
        localchain.fund(anvil.rpc_url, DEPLOYER.address, 1)
    assert calls == ["web3_clientVersion"]


def test_anvil_is_found_and_is_the_program_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.access(localchain.find_anvil(), os.X_OK)
    assert localchain.find_anvil().suffix != ".mjs"
    monkeypatch.setattr(localchain, "_REPOSITORY", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalChainError, match="npm ci"):
        localchain.find_anvil(home=tmp_path)


def test_npms_launcher_is_followed_to_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "node" / "node_modules"
    launcher = packages / "@foundry-rs" / "anvil" / "bin.mjs"
    program = packages / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
    for path in (launcher, program):
        path.parent.mkdir(parents=True)
        path.write_text("")
        path.chmod(0o700)
    (packages / ".bin").mkdir()
    (packages / ".bin" / "anvil").symlink_to(launcher)
    monkeypatch.setenv("PATH", str(packages / ".bin"))
    assert localchain.find_anvil() == program


def test_an_operation_that_the_node_does_not_know_is_an_error_of_ours(anvil: localchain.LocalChain) -> None:
    with pytest.raises(LocalChainError, match="sealroom_nothing"):
        localchain.request(anvil.rpc_url, "sealroom_nothing")


def test_contract_refusals_keep_their_name_after_a_restart_of_the_client(
    anvil: localchain.LocalChain, chain: ChainClient
) -> None:
    fresh = ChainClient.connect(anvil.rpc_url, chain.deployment)
    with pytest.raises(ContractRefusedError) as caught:
        fresh.anchor(0, b"\x01" * 32, sender=DEPLOYER)
    assert caught.value.name == "AnchorNotGrowing"
