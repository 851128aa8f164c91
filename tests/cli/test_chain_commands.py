from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.context import Session
from cli.errors import ExitCode
from cli.main import run
from cli.operating import StackOptions, ensure_chain
from cli.output import Output
from datatokens import localchain
from datatokens.accounts import import_keystore
from datatokens.localchain import LocalChain, fund, request
from datatokens.model import load_deployment
from tests.chain_fixtures import COIN, account_for
from tests.rpc_proxy import serve_proxy

PASSWORD = "correct horse"
CHAIN_ID = 4243


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    state = tmp_path_factory.mktemp("node") / "state.json"
    chain = localchain.start(state, localchain.find_free_port(), chain_id=CHAIN_ID)
    fund(chain.rpc_url, account_for("deployer").address, 10 * COIN)
    yield chain
    localchain.stop(chain.pid)


@pytest.fixture
def empty(node: LocalChain) -> Iterator[LocalChain]:
    snapshot = request(node.rpc_url, "evm_snapshot")
    yield node
    request(node.rpc_url, "evm_revert", snapshot)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    import_keystore(
        tmp_path / "keys", "deployer", PASSWORD, bytes(account_for("deployer").key), kdf_iterations=2
    )
    return tmp_path


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Return what runs a command in the home folder and returns its JSON document."""

    def call(*words: str, expect: ExitCode = ExitCode.OK) -> Any:
        session = Session(
            environ={"SEALROOM_PASSWORD": PASSWORD}, output=Output(), interactive=False, home_path=home
        )
        assert run(["--json", *words], session) is expect
        return json.loads(capsys.readouterr().out)

    return call


def test_what_is_deployed_is_kept_by_chain_id_shown_and_checked(
    command: Callable[..., Any], empty: LocalChain, home: Path
) -> None:
    deployed = command("chain", "deploy", "--rpc-url", empty.rpc_url)
    path = home / "chain" / "deployments" / f"{CHAIN_ID}.json"
    assert deployed.pop("manifest") == str(path)
    assert deployed["payment_token"] is None
    assert (
        set(deployed["code_hashes"])
        == {"registry", "escrow", "providers", "receipts"}
        == set(deployed["blocks"])
    )
    assert json.loads(path.read_text()) == deployed
    assert command("chain", "show", "--chain-id", str(CHAIN_ID)) == deployed
    assert command("chain", "check", "--rpc-url", empty.rpc_url) == deployed | {"checked": True}
    again = command("chain", "deploy", "--rpc-url", empty.rpc_url)
    assert again == deployed | {"manifest": str(path)}


def test_a_node_on_another_chain_than_the_manifest_is_found_out(
    command: Callable[..., Any], empty: LocalChain, home: Path
) -> None:
    command("chain", "deploy", "--rpc-url", empty.rpc_url)
    manifest = str(home / "chain" / "deployments" / f"{CHAIN_ID}.json")
    with serve_proxy(empty.rpc_url) as proxy:
        proxy.edit = lambda call, value: "0x1" if call["method"] == "eth_chainId" else value
        words = ("chain", "check", "--rpc-url", proxy.url)
        refused = command(*words, "--deployment", manifest, expect=ExitCode.VERIFICATION)
        assert refused["error"]["code"] == "wrong-chain"
        assert command(*words, expect=ExitCode.USAGE)["error"]["code"] == "manifest-missing"


def test_other_code_than_the_manifests_is_found_out(command: Callable[..., Any], empty: LocalChain) -> None:
    deployed = command("chain", "deploy", "--rpc-url", empty.rpc_url)
    request(empty.rpc_url, "anvil_setCode", deployed["providers"], "0x60016001")
    words = ("--rpc-url", empty.rpc_url)
    assert command("chain", "check", *words, expect=ExitCode.VERIFICATION)["error"]["code"] == "wrong-chain"
    assert command("chain", "deploy", *words, expect=ExitCode.VERIFICATION)["error"]["code"] == "wrong-chain"


def test_a_node_that_is_away_is_unreachable(command: Callable[..., Any]) -> None:
    words = ("chain", "deploy", "--rpc-url", f"http://127.0.0.1:{localchain.find_free_port()}")
    assert command(*words, expect=ExitCode.UNREACHABLE)["error"]["code"] == "chain-unreachable"


def test_a_fee_above_the_limit_is_not_offered(command: Callable[..., Any], empty: LocalChain) -> None:
    command("chain", "deploy", "--rpc-url", empty.rpc_url, "--max-tip-gwei", "0", "--max-fee-gwei", "5")
    block = request(empty.rpc_url, "eth_getBlockByNumber", "latest", True)  # noqa: FBT003 - with its transactions
    (sent,) = block["transactions"]
    assert int(sent["maxPriorityFeePerGas"], 16) == 0
    assert int(sent["maxFeePerGas"], 16) <= 5 * 10**9


def test_a_stack_on_a_chain_that_was_deployed_to_from_here_needs_no_file(
    command: Callable[..., Any], empty: LocalChain, home: Path
) -> None:
    command("chain", "deploy", "--rpc-url", empty.rpc_url)
    session = Session(environ={}, output=Output(), interactive=False, home_path=home)
    assert ensure_chain(session.home, StackOptions(rpc_url=empty.rpc_url)) == empty.rpc_url
    assert load_deployment(session.home.manifest_file(CHAIN_ID)).chain_id == CHAIN_ID
