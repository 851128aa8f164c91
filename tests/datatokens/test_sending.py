"""Transactions of one account by several senders, stuck, replaced, forgotten: on a real anvil that mines when told to."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ChainUnreachableError, NotEnoughMoneyError, TransactionFailedError
from datatokens.fees import GWEI, FeeLimits
from datatokens.gateway import Gateway
from datatokens.localchain import LocalChain, find_anvil, find_free_port, fund, request
from datatokens.model import TxResult
from datatokens.patience import Patience
from tests.chain_fixtures import COIN, People, account_for
from tests.rpc_proxy import Call, Reply, refusal, result, serve_proxy

ROOT = Path(__file__).resolve().parent.parent.parent
QUICK = Patience(stuck_s=0.4, mined_s=60)
WAIT_S = 30
FAUCETS = """
import sys
from pathlib import Path
from datatokens.client import ChainClient
from datatokens.model import load_deployment
from datatokens.patience import Patience
from tests.chain_fixtures import account_for
chain = ChainClient.connect(sys.argv[1], load_deployment(Path(sys.argv[2])), patience=Patience(stuck_s=1))
sender = account_for("scientist")
chain.check()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    chain.faucet(1, sender=sender)
"""


def wait_for(condition: Callable[[], Any]) -> Any:
    """Return what the condition becomes, once it is true."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)  # between two looks at a condition
    raise TimeoutError


class Miner:
    """A chain that makes blocks only when a test says so."""

    def __init__(self, rpc_url: str, chain: ChainClient) -> None:
        self.rpc_url = rpc_url
        self.chain = chain

    def mine_at_once(self, *, on: bool) -> None:
        request(self.rpc_url, "evm_setAutomine", on)

    def mine(self) -> None:
        request(self.rpc_url, "evm_mine")

    def pool(self) -> list[Call]:
        """Return the transactions that wait."""
        pending = request(self.rpc_url, "txpool_content")["pending"]
        return [tx for account in pending.values() for tx in account.values()]

    def only(self) -> Call | None:
        """Return the one transaction that waits, if there is one."""
        pool = self.pool()
        return pool[0] if len(pool) == 1 else None

    def count(self, account: str) -> int:
        return int(request(self.rpc_url, "eth_getTransactionCount", account, "latest"), 16)


@pytest.fixture
def miner(anvil: LocalChain, chain: ChainClient) -> Iterator[Miner]:
    found = Miner(anvil.rpc_url, chain)
    found.mine_at_once(on=False)
    yield found
    request(anvil.rpc_url, "anvil_dropAllTransactions")
    request(anvil.rpc_url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))  # a revert doesn't bring it back
    found.mine_at_once(on=True)


@pytest.fixture
def send(chain: ChainClient, anvil: LocalChain, people: People) -> Iterator[Callable[..., Future[TxResult]]]:
    """Return what begins to take test tokens for the scientist, and a client with little patience."""
    with ThreadPoolExecutor() as pool:

        def begin(rpc_url: str = anvil.rpc_url, *, fees: FeeLimits | None = None) -> Future[TxResult]:
            limits = fees or FeeLimits()
            client = ChainClient.connect(rpc_url, chain.deployment, patience=QUICK, fees=limits)
            return pool.submit(client.faucet, 1, sender=people.scientist)

        yield begin


def tokens(chain: ChainClient, people: People) -> int:
    return chain.token_balance(chain.deployment.payment_token or "", people.scientist.address) - 1000 * COIN


# Numbers


def test_transactions_of_one_account_in_one_process_take_one_number_each(
    miner: Miner, chain: ChainClient, people: People, send: Callable[..., Future[TxResult]]
) -> None:
    before = miner.count(people.scientist.address)
    sent = [send() for _ in range(6)]
    wait_for(lambda: len(miner.pool()) == 6)
    miner.mine()
    assert len({future.result().tx_hash for future in sent}) == 6
    assert (miner.count(people.scientist.address) - before, tokens(chain, people)) == (6, 6)


@pytest.mark.parametrize("mines_at_once", [True, False])
def test_two_processes_that_send_at_once_for_one_account_both_get_through(
    miner: Miner, chain: ChainClient, people: People, tmp_path: Path, *, mines_at_once: bool
) -> None:
    chain.deployment.save(tmp_path / "deployment.json")
    miner.mine_at_once(on=mines_at_once)
    command = [sys.executable, "-c", FAUCETS, miner.rpc_url, str(tmp_path / "deployment.json"), "6"]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    while not mines_at_once and any(process.poll() is None for process in started):
        miner.mine()
        time.sleep(0.05)  # between two blocks
    ended = [process.communicate(timeout=WAIT_S) for process in started]
    assert [process.returncode for process in started] == [0, 0], [words[1].decode() for words in ended]
    assert tokens(chain, people) == 12


def test_whoever_is_displaced_by_another_sender_begins_anew_with_the_next_number(
    miner: Miner, chain: ChainClient, people: People, send: Callable[..., Future[TxResult]]
) -> None:
    sent = send()
    ours = wait_for(miner.only)
    rival = people.scientist.sign_transaction(
        {
            "to": people.owner.address,
            "value": 7,
            "gas": 21_000,
            "nonce": int(ours["nonce"], 16),
            "chainId": chain.chain_id,
            "maxFeePerGas": 50 * int(ours["maxFeePerGas"], 16),
            "maxPriorityFeePerGas": 50 * GWEI,
        }
    )
    request(miner.rpc_url, "eth_sendRawTransaction", "0x" + bytes(rival.raw_transaction).hex())
    miner.mine()
    again = wait_for(miner.only)
    assert int(again["nonce"], 16) == int(ours["nonce"], 16) + 1
    miner.mine()
    sent.result(WAIT_S)
    assert tokens(chain, people) == 1


def test_what_was_mined_is_not_sent_again_while_half_of_the_node_lags_behind(
    chain: ChainClient, people: People, anvil: LocalChain, send: Callable[..., Future[TxResult]]
) -> None:
    with serve_proxy(anvil.rpc_url) as proxy:
        none_yet = result(None)
        proxy.intercept = lambda call: (
            none_yet(call)
            if call["method"] == "eth_getTransactionReceipt" and proxy.counts["eth_getTransactionCount"] < 12
            else None
        )
        send(proxy.url).result(WAIT_S)
        assert proxy.counts["eth_sendRawTransaction"] == 1
    assert tokens(chain, people) == 1


def test_a_transaction_that_the_node_knows_already_was_sent(
    chain: ChainClient, people: People, anvil: LocalChain
) -> None:
    with serve_proxy(anvil.rpc_url) as proxy:

        def deaf(call: Call) -> Reply | None:
            """Pass the transaction on, and lose the answer the first time."""
            if call["method"] == "eth_sendRawTransaction" and proxy.counts["eth_sendRawTransaction"] == 1:
                request(anvil.rpc_url, call["method"], *call["params"])
                return Reply(status=502)
            return None

        proxy.intercept = deaf
        client = ChainClient.connect(proxy.url, chain.deployment, patience=Patience(repeat_s=20))
        client.faucet(1, sender=people.scientist)
        assert proxy.counts["eth_sendRawTransaction"] == 2
    assert tokens(chain, people) == 1


# Stuck


def test_a_transaction_that_a_rise_in_fees_left_behind_is_replaced_under_its_number(
    miner: Miner, chain: ChainClient, people: People, send: Callable[..., Future[TxResult]]
) -> None:
    before = miner.count(people.scientist.address)
    sent = send()
    first = wait_for(miner.only)
    spike = 20 * int(first["maxFeePerGas"], 16)
    request(miner.rpc_url, "anvil_setNextBlockBaseFeePerGas", hex(spike))
    miner.mine()
    second = wait_for(lambda: found if (found := miner.only()) and found["hash"] != first["hash"] else None)
    assert second["nonce"] == first["nonce"]
    assert int(second["maxFeePerGas"], 16) >= spike
    for field in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(second[field], 16) * 8 >= int(first[field], 16) * 9
    miner.mine()
    assert sent.result(WAIT_S).tx_hash == second["hash"]
    assert miner.count(people.scientist.address) == before + 1
    assert tokens(chain, people) == 1


def test_the_result_is_known_when_the_first_is_mined_after_its_replacement_was_sent(
    miner: Miner, chain: ChainClient, people: People, send: Callable[..., Future[TxResult]]
) -> None:
    with serve_proxy(miner.rpc_url) as proxy:
        asked: list[Call] = []

        def lose_replacements(call: Call) -> Reply | None:
            if call["method"] != "eth_sendRawTransaction":
                return None
            asked.append(call)
            return result("0x" + "00" * 32)(call) if len(asked) > 1 else None

        proxy.intercept = lose_replacements
        sent = send(proxy.url)
        first = wait_for(miner.only)
        request(miner.rpc_url, "anvil_setNextBlockBaseFeePerGas", hex(20 * int(first["maxFeePerGas"], 16)))
        miner.mine()
        wait_for(lambda: len({call["params"][0] for call in asked}) == 2)
        request(miner.rpc_url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        request(miner.rpc_url, "eth_sendRawTransaction", *asked[0]["params"])
        miner.mine()
        assert sent.result(WAIT_S).tx_hash == first["hash"]
    assert tokens(chain, people) == 1


def test_a_transaction_that_the_node_has_forgotten_is_sent_to_it_again(
    miner: Miner, chain: ChainClient, people: People, send: Callable[..., Future[TxResult]]
) -> None:
    sent = send()
    first = wait_for(miner.only)
    request(miner.rpc_url, "anvil_dropTransaction", first["hash"])
    assert wait_for(miner.only)["hash"] == first["hash"]
    miner.mine()
    assert sent.result(WAIT_S).tx_hash == first["hash"]
    assert tokens(chain, people) == 1


def test_nothing_is_replaced_while_no_blocks_are_made(
    miner: Miner, send: Callable[..., Future[TxResult]]
) -> None:
    with serve_proxy(miner.rpc_url) as proxy:
        sent = send(proxy.url)
        wait_for(miner.only)
        wait_for(lambda: proxy.counts["eth_blockNumber"] > 8)
        assert proxy.counts["eth_sendRawTransaction"] == 1
        miner.mine()
        sent.result(WAIT_S)


def test_more_than_the_limit_is_never_offered(miner: Miner, send: Callable[..., Future[TxResult]]) -> None:
    with serve_proxy(miner.rpc_url) as proxy:
        sent = send(proxy.url, fees=FeeLimits(tip_wei=GWEI // 2, total_wei=4 * GWEI))
        first = wait_for(miner.only)
        assert int(first["maxPriorityFeePerGas"], 16) == GWEI // 2
        assert int(first["maxFeePerGas"], 16) <= 4 * GWEI
        request(miner.rpc_url, "anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
        miner.mine()
        looks = proxy.counts["eth_blockNumber"]
        wait_for(lambda: proxy.counts["eth_blockNumber"] > looks + 8)
        assert miner.pool() == []  # the node has put it out, and is offered no more
        request(miner.rpc_url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        assert wait_for(miner.only)["hash"] == first["hash"]
        miner.mine()
        sent.result(WAIT_S)


def test_what_is_not_mined_in_time_is_said_with_its_hash(
    miner: Miner, chain: ChainClient, people: People
) -> None:
    patience = Patience(stuck_s=10, mined_s=0.3)
    client = ChainClient.connect(miner.rpc_url, chain.deployment, patience=patience)
    with pytest.raises(TransactionFailedError) as caught:
        client.faucet(1, sender=people.scientist)
    assert caught.value.tx_hash == (miner.only() or {})["hash"]


def test_a_node_that_goes_away_after_sending_leaves_the_hash_and_not_an_invitation_to_repeat(
    miner: Miner, chain: ChainClient, people: People
) -> None:
    with serve_proxy(miner.rpc_url) as proxy:
        gone = Reply(status=503)

        def leave(call: Call) -> Reply | None:
            if call["method"] == "eth_sendRawTransaction":
                return None
            return gone if proxy.counts["eth_sendRawTransaction"] else None

        proxy.intercept = leave
        patience = Patience(repeat_s=0, stuck_s=10)
        client = ChainClient.connect(proxy.url, chain.deployment, patience=patience)
        with pytest.raises(TransactionFailedError, match="look it up") as caught:
            client.faucet(1, sender=people.scientist)
    assert caught.value.tx_hash == (miner.only() or {})["hash"]


def test_an_answer_to_the_sending_itself_that_is_lost_leaves_the_hash_too(
    miner: Miner, chain: ChainClient, people: People
) -> None:
    with serve_proxy(miner.rpc_url) as proxy:

        def deaf(call: Call) -> Reply | None:
            """Pass the transaction on, and be gone."""
            if proxy.counts["eth_sendRawTransaction"] == 0:
                return None
            if call["method"] == "eth_sendRawTransaction":
                request(miner.rpc_url, call["method"], *call["params"])
            return Reply(status=502)

        proxy.intercept = deaf
        client = ChainClient.connect(proxy.url, chain.deployment, patience=Patience(repeat_s=0))
        with pytest.raises(TransactionFailedError, match="look it up") as caught:
            client.faucet(1, sender=people.scientist)
    assert caught.value.tx_hash == (miner.only() or {})["hash"]


# Fees


def test_a_node_without_a_suggestion_for_tips_is_asked_for_those_of_the_last_blocks(
    chain: ChainClient, people: People, anvil: LocalChain
) -> None:
    with serve_proxy(anvil.rpc_url) as proxy:
        refuse = refusal("the method eth_maxPriorityFeePerGas does not exist", -32601)
        proxy.intercept = lambda call: refuse(call) if "Priority" in call["method"] else None
        ChainClient.connect(proxy.url, chain.deployment).faucet(1, sender=people.scientist)
        assert proxy.counts["eth_feeHistory"] == 1
    assert tokens(chain, people) == 1


def test_a_chain_without_base_fees_is_paid_by_gas_price(tmp_path: Path) -> None:
    port, sender = find_free_port(), account_for("legacy")
    words = [
        "--silent",
        "--port",
        str(port),
        "--hardfork",
        "berlin",
        "--accounts",
        "0",
    ]
    with (tmp_path / "anvil.log").open("wb") as log:
        process = subprocess.Popen([str(find_anvil()), *words], stdout=log, stderr=log)
    try:
        rpc_url = f"http://127.0.0.1:{port}"
        gateway = Gateway(rpc_url)

        def answers() -> bool:
            try:
                return gateway.chain_id() > 0
            except ChainUnreachableError:
                return False

        wait_for(answers)
        fund(rpc_url, sender.address, COIN)
        sent = gateway.execute("0x" + "77" * 20, b"", value_wei=5, sender=sender)
        tx = request(rpc_url, "eth_getTransactionByHash", sent.tx_hash)
        assert int(tx["type"], 16) == 0
        assert int(tx["gasPrice"], 16) > 0
        assert gateway.native_balance("0x" + "77" * 20) == 5
    finally:
        process.terminate()
        process.wait(20)


def test_a_node_that_finds_too_few_coins_for_all_that_waits_is_believed(
    chain: ChainClient, people: People, anvil: LocalChain
) -> None:
    with serve_proxy(anvil.rpc_url) as proxy:
        poor = refusal("insufficient funds for gas * price + value")
        proxy.intercept = lambda call: poor(call) if call["method"] == "eth_sendRawTransaction" else None
        with pytest.raises(NotEnoughMoneyError):
            ChainClient.connect(proxy.url, chain.deployment).faucet(1, sender=people.scientist)
    assert tokens(chain, people) == 0
