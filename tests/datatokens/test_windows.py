"""Logs in windows that the node allows, and a cost that doesn't grow with the age of the chain."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatokens.client import ChainClient
from datatokens.errors import ChainUnreachableError, NodeRefusedError
from datatokens.history import OVERLAP_BLOCKS, FileLogBook
from datatokens.localchain import LocalChain, request
from datatokens.model import Asset
from datatokens.windows import Windows
from tests.chain_fixtures import JOB, People, place_order
from tests.rpc_proxy import Call, Reply, RpcProxy, refusal, serve_proxy

OLD_BLOCKS = 1_000
STEP_BLOCKS = 200


@pytest.fixture
def proxy(anvil: LocalChain) -> Iterator[RpcProxy]:
    with serve_proxy(anvil.rpc_url) as found:
        yield found


@pytest.fixture
def narrow_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a chain of some thousand blocks old."""
    monkeypatch.setattr("datatokens.windows.FIRST_BLOCKS", 200)
    monkeypatch.setattr("datatokens.windows.MAX_BLOCKS", 400)


def grow(anvil: LocalChain, blocks: int) -> None:
    for done in range(0, blocks, STEP_BLOCKS):  # it takes its time, and the client has little
        request(anvil.rpc_url, "anvil_mine", hex(min(STEP_BLOCKS, blocks - done)))


@given(
    first=st.integers(0, 10**6), blocks=st.integers(0, 10**6), most=st.integers(1, 10**6), back=st.booleans()
)
def test_every_block_is_asked_for_once_however_narrow_the_node_is(
    first: int, blocks: int, most: int, *, back: bool
) -> None:
    most = max(most, blocks // 500)
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> list[int]:
        if end - start + 1 > most:
            raise NodeRefusedError("too many blocks")
        asked.append((start, end))
        return [start]

    windows, last = Windows(), first + blocks - 1
    found = list((windows.newest_first if back else windows.oldest_first)(fetch, first, last))
    assert len(found) == len(asked)
    covered = sorted(asked)
    assert asked == (covered[::-1] if back else covered)
    assert sum(end - start + 1 for start, end in covered) == blocks
    assert all(one[1] + 1 == two[0] for one, two in itertools.pairwise(covered))


def test_a_node_that_refuses_a_single_block_is_not_asked_for_ever() -> None:
    def fetch(_first: int, _last: int) -> list[Any]:
        raise NodeRefusedError("no logs here")

    with pytest.raises(NodeRefusedError):
        list(Windows().oldest_first(fetch, 0, 10**6))


def test_what_a_node_finds_too_wide_is_asked_for_in_halves(
    proxy: RpcProxy, chain: ChainClient, people: People, anvil: LocalChain
) -> None:
    for size in (1, 2, 3):
        chain.anchor(size, bytes([size]) * 32, sender=people.provider)
        grow(anvil, 300)

    def narrow(call: Call) -> Reply | None:
        if call["method"] != "eth_getLogs":
            return None
        query = call["params"][0]
        wide = int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 100
        return refusal("query returned more than 10000 results", -32005)(call) if wide else None

    proxy.intercept = narrow
    client = ChainClient.connect(proxy.url, chain.deployment)
    assert client.list_anchors(people.provider.address) == chain.list_anchors(people.provider.address)


@pytest.mark.usefixtures("narrow_windows")
def test_an_order_on_an_old_chain_is_found_with_as_few_calls_as_on_a_young_one(
    proxy: RpcProxy, chain: ChainClient, people: People, asset: Asset, anvil: LocalChain
) -> None:
    def cost(job_id: bytes) -> int:
        place_order(chain, asset, people.scientist, job_id=job_id)
        before = proxy.counts.total()
        client = ChainClient.connect(proxy.url, chain.deployment)
        assert client.find_order_event(job_id, people.scientist.address, asset.token_id) is not None
        return proxy.counts.total() - before

    young = cost(JOB)
    grow(anvil, OLD_BLOCKS)
    chain.approve(
        asset.token_id, b"\xa1" * 32, chain.head().time + 86_400, sender=people.owner
    )  # time has passed with the blocks
    assert cost(b"\x0c" * 32) == young


@pytest.mark.usefixtures("narrow_windows")
def test_anchors_that_were_read_once_are_not_read_again(
    proxy: RpcProxy, chain: ChainClient, people: People, anvil: LocalChain, tmp_path: Path
) -> None:
    chain.anchor(1, b"\x01" * 32, sender=people.provider)
    grow(anvil, OLD_BLOCKS)
    first_block = chain.anchor(2, b"\x02" * 32, sender=people.provider).block.number
    expected = chain.list_anchors(people.provider.address)

    def look() -> list[tuple[int, int]]:
        asked: list[tuple[int, int]] = []

        def note(call: Call) -> None:
            if call["method"] == "eth_getLogs":
                query = call["params"][0]
                asked.append((int(query["fromBlock"], 16), int(query["toBlock"], 16)))

        proxy.intercept = note
        client = ChainClient.connect(proxy.url, chain.deployment, book=FileLogBook(tmp_path / "history"))
        assert client.list_anchors(people.provider.address) == expected
        return asked

    assert len(look()) > 1
    ((first, last),) = look()
    assert (first, last) == (first_block - OVERLAP_BLOCKS + 1, first_block)
    for page in (tmp_path / "history").iterdir():
        page.write_text("{")
    assert len(look()) > 1  # a damaged page is read anew


def test_a_page_of_a_chain_that_has_gone_another_way_is_read_anew(
    chain: ChainClient, people: People, anvil: LocalChain, tmp_path: Path
) -> None:
    client = ChainClient.connect(anvil.rpc_url, chain.deployment, book=FileLogBook(tmp_path))
    snapshot = request(anvil.rpc_url, "evm_snapshot")
    chain.anchor(1, b"\x01" * 32, sender=people.provider)
    grow(anvil, 300)
    assert [item.size for item in client.list_anchors(people.provider.address)] == [1]
    request(anvil.rpc_url, "evm_revert", snapshot)
    chain.anchor(7, b"\x07" * 32, sender=people.provider)
    grow(anvil, 400)
    assert [item.size for item in client.list_anchors(people.provider.address)] == [7]


def test_a_page_that_lacks_an_anchor_is_read_anew_and_mended(
    chain: ChainClient, people: People, anvil: LocalChain, tmp_path: Path
) -> None:
    client = ChainClient.connect(anvil.rpc_url, chain.deployment, book=FileLogBook(tmp_path))
    for size in (1, 2, 3):
        chain.anchor(size, bytes([size]) * 32, sender=people.provider)
    grow(anvil, 300)
    expected = client.list_anchors(people.provider.address)
    (page,) = tmp_path.iterdir()
    value = json.loads(page.read_text())
    assert len(value["logs"]) == 3
    for missing in range(3):
        logs = [log for number, log in enumerate(value["logs"]) if number != missing]
        page.write_text(json.dumps(value | {"logs": logs}))
        assert client.list_anchors(people.provider.address) == expected
        assert json.loads(page.read_text()) == value


def _without(missing: int, call: Call, value: Any) -> Any:
    if call["method"] != "eth_getLogs":
        return value
    return [log for number, log in enumerate(value) if number != missing]


def test_a_node_that_leaves_out_one_anchor_of_three_is_not_believed(
    proxy: RpcProxy, chain: ChainClient, people: People
) -> None:
    for size in (1, 2, 3):
        chain.anchor(size, bytes([size]) * 32, sender=people.provider)
    client = ChainClient.connect(proxy.url, chain.deployment)
    for missing in range(3):
        proxy.edit = partial(_without, missing)
        with pytest.raises(ChainUnreachableError, match="anchor"):
            client.list_anchors(people.provider.address)
