"""Nodes that are rate limited, slow, broken or lying: a real proxy in front of a real anvil."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ChainUnreachableError, ContractRefusedError, WrongChainError
from datatokens.localchain import LocalChain
from datatokens.model import Asset
from datatokens.patience import Patience
from tests.chain_fixtures import ALGORITHM, JOB, People, place_order
from tests.rpc_proxy import Call, Reply, RpcProxy, refusal, result, serve_proxy

PATIENT = Patience(request_s=10, repeat_s=30)


@pytest.fixture
def proxy(anvil: LocalChain) -> Iterator[RpcProxy]:
    with serve_proxy(anvil.rpc_url) as found:
        yield found


@pytest.fixture
def through(proxy: RpcProxy, chain: ChainClient) -> ChainClient:
    return ChainClient.connect(proxy.url, chain.deployment, patience=PATIENT)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429),
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=429, headers={"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}),
        Reply(status=429, headers={"Retry-After": "nonsense"}),
        Reply(status=500),
        Reply(b"<html>bad gateway</html>", status=502),
        Reply(status=503),
        Reply(b""),
        Reply(b'{"jsonrpc":"2.0","id":0,"resu'),
        Reply(b'{"jsonrpc":"2.0","id":0,"result":"0x1"', length=100),
        Reply(b'{"jsonrpc":"2.0","id":987654,"result":"0x1"}'),
        Reply(b"null"),
        Reply(b'{"jsonrpc":"2.0","id":0,"error":{"code":429,"message":"slow down"}}'),
        Reply(b'{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"daily request rate limit"}}'),
        Reply(b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"header not found"}}'),
    ],
    ids=lambda reply: f"{reply.status} {reply.headers} {reply.body[:70].decode()}",
)
def test_what_fails_twice_is_asked_a_third_time(proxy: RpcProxy, through: ChainClient, reply: Reply) -> None:
    proxy.first(2, reply)
    through.check()
    assert proxy.counts["eth_chainId"] == 3


def test_a_connection_that_is_closed_without_a_word_is_opened_again(
    proxy: RpcProxy, through: ChainClient
) -> None:
    through.head()
    proxy.first(1, Reply(b"", length=5))
    assert through.head().number > 0


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(proxy: RpcProxy, chain: ChainClient) -> None:
    come = threading.Event()
    asked: list[Call] = []

    def stall(call: Call) -> Reply | None:
        asked.append(call)
        if len(asked) == 1:
            come.wait(30)
        return None

    proxy.intercept = stall
    client = ChainClient.connect(proxy.url, chain.deployment, patience=Patience(request_s=1, repeat_s=30))
    try:
        assert client.head().number > 0
    finally:
        come.set()
    assert len(asked) == 2


def test_a_node_that_stays_broken_is_unreachable_after_a_bounded_number_of_tries(
    proxy: RpcProxy, through: ChainClient
) -> None:
    proxy.intercept = lambda _: Reply(status=503)
    with pytest.raises(ChainUnreachableError, match="status 503") as caught:
        through.head()
    assert caught.value.code == "chain-unreachable"
    assert proxy.counts.total() == 6


def test_a_node_that_asks_for_more_time_than_there_is_is_not_asked_again(
    proxy: RpcProxy, through: ChainClient
) -> None:
    proxy.intercept = lambda _: Reply(status=429, headers={"Retry-After": "3600"})
    with pytest.raises(ChainUnreachableError, match="429"):
        through.head()
    assert proxy.counts.total() == 1


def test_a_contract_that_reverts_with_a_nodes_words_is_not_asked_again(
    proxy: RpcProxy, through: ChainClient, chain: ChainClient
) -> None:
    through.check()
    revert = refusal("execution reverted: too many requests", 3)
    proxy.intercept = lambda call: revert(call) if call["method"] == "eth_call" else None
    with pytest.raises(ContractRefusedError):
        through.token_balance(str(chain.deployment.payment_token), chain.deployment.escrow)
    assert proxy.counts["eth_call"] == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_node_that_wants_no_part_of_us_is_not_asked_again(
    proxy: RpcProxy, through: ChainClient, status: int
) -> None:
    proxy.intercept = lambda _: Reply(status=status)
    with pytest.raises(ChainUnreachableError, match=str(status)):
        through.head()
    assert proxy.counts.total() == 1


def test_an_answer_without_an_end_is_not_swallowed(
    proxy: RpcProxy, through: ChainClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datatokens.transport.MAX_ANSWER_BYTES", 1000)
    proxy.intercept = lambda _: Reply(b'{"jsonrpc":"2.0","id":0,"result":"' + b"x" * 5000)
    with pytest.raises(ChainUnreachableError, match="no end"):
        through.head()


# The wrong chain


def test_before_the_first_use_of_any_contract_the_chain_and_the_code_are_checked_once(
    proxy: RpcProxy, through: ChainClient, people: People, asset: Asset
) -> None:
    through.get_asset(asset.token_id)
    assert (proxy.counts["eth_chainId"], proxy.counts["eth_getCode"]) == (1, 5)
    through.escrow_balance(through.deployment.payment_token or "", people.owner.address)
    through.list_keys(people.provider.address)
    assert (proxy.counts["eth_chainId"], proxy.counts["eth_getCode"]) == (1, 5)
    through.check()
    assert (proxy.counts["eth_chainId"], proxy.counts["eth_getCode"]) == (2, 5)


def test_nothing_is_read_from_or_sent_to_another_chain(
    proxy: RpcProxy, through: ChainClient, people: People, asset: Asset
) -> None:
    proxy.edit = lambda call, value: "0x1" if call["method"] == "eth_chainId" else value
    token = through.deployment.payment_token or ""
    for attempt in (
        lambda: through.get_asset(asset.token_id),
        lambda: through.find_order(JOB, people.scientist.address, asset.token_id),
        lambda: through.token_balance(token, people.scientist.address),
        lambda: through.retire(asset.token_id, sender=people.owner),
        lambda: through.anchor(1, b"\x01" * 32, sender=people.provider),
        lambda: through.list_keys(people.provider.address),
        lambda: through.faucet(1, sender=people.scientist),
    ):
        with pytest.raises(WrongChainError) as caught:
            attempt()
        assert caught.value.code == "wrong-chain"
    assert set(proxy.counts) == {"eth_chainId"}


def test_a_node_that_moves_to_another_chain_is_found_out_by_the_next_check(
    proxy: RpcProxy, through: ChainClient
) -> None:
    through.check()
    proxy.edit = lambda call, value: "0x1" if call["method"] == "eth_chainId" else value
    with pytest.raises(WrongChainError):
        through.check()


def test_a_contract_with_other_code_is_not_used(
    proxy: RpcProxy, through: ChainClient, people: People
) -> None:
    proxy.edit = lambda call, value: "0x6001" if call["method"] == "eth_getCode" else value
    with pytest.raises(WrongChainError):
        through.anchor(1, b"\x01" * 32, sender=people.provider)
    assert proxy.counts["eth_sendRawTransaction"] == 0


# Events that the state doesn't bear out


def test_state_wins_over_events_that_are_missing(
    proxy: RpcProxy, through: ChainClient, chain: ChainClient, people: People, asset: Asset
) -> None:
    place_order(chain, asset, people.scientist)
    chain.anchor(3, b"\x03" * 32, sender=people.provider)
    proxy.edit = lambda call, value: [] if call["method"] == "eth_getLogs" else value
    for attempt in (
        lambda: through.find_order_event(JOB, people.scientist.address, asset.token_id),
        lambda: through.get_anchor(people.provider.address),
        lambda: through.list_anchors(people.provider.address),
    ):
        with pytest.raises(ChainUnreachableError, match="its events don't show"):
            attempt()
    assert through.anchored_size(people.provider.address) == 3
    assert through.find_order(JOB, people.scientist.address, asset.token_id) is not None


def _garbage(data: str) -> str:
    return "ab" * (len(data) // 2)


def _other_values(data: str) -> str:
    return "".join(data[start : start + 62] + "77" for start in range(0, len(data), 64))


@pytest.mark.parametrize("change", [_garbage, _other_values])
def test_state_wins_over_events_that_say_something_else(
    proxy: RpcProxy,
    through: ChainClient,
    chain: ChainClient,
    people: People,
    asset: Asset,
    change: Callable[[str], str],
) -> None:
    place_order(chain, asset, people.scientist)
    chain.anchor(3, b"\x03" * 32, sender=people.provider)

    def lie(call: Call, value: list[Call]) -> list[Call]:
        if call["method"] == "eth_getLogs":
            for log in value:
                log["data"] = "0x" + change(log["data"][2:])
        return value

    proxy.edit = lie
    with pytest.raises(ChainUnreachableError):
        through.find_order_event(JOB, people.scientist.address, asset.token_id)
    with pytest.raises(ChainUnreachableError):
        through.get_anchor(people.provider.address)


def test_an_order_that_only_an_event_knows_is_no_order(
    proxy: RpcProxy, through: ChainClient, chain: ChainClient, people: People, asset: Asset
) -> None:
    place_order(chain, asset, people.stranger)
    logs: list[object] = []

    def remember(call: Call, value: object) -> object:
        if call["method"] == "eth_getLogs":
            logs.append(value)
        return value

    proxy.edit = remember
    assert through.find_order_event(JOB, people.stranger.address, asset.token_id) is not None
    proxy.intercept = lambda call: result(logs[0])(call) if call["method"] == "eth_getLogs" else None
    assert through.find_order_event(JOB, people.scientist.address, asset.token_id) is None


def test_an_approval_at_a_block_whose_state_is_forgotten_is_told_by_events(
    proxy: RpcProxy, through: ChainClient, chain: ChainClient, people: People, asset: Asset
) -> None:
    block = chain.head().number
    given = chain.find_approval(asset.token_id, ALGORITHM)
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)

    def prune(call: Call) -> Reply | None:
        old = call["method"] == "eth_call" and call["params"][1] != "latest"
        return refusal("missing trie node 1234")(call) if old else None

    assert through.find_approval(asset.token_id, ALGORITHM, at_block=block) == given
    assert proxy.counts["eth_getLogs"] == 0
    proxy.intercept = prune
    assert through.find_approval(asset.token_id, ALGORITHM, at_block=block) == given
    assert proxy.counts["eth_getLogs"] > 0
