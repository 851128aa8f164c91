"""Every asset is found by its event, and no stranger, node or old chain keeps it from being found."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from datatokens.client import ChainClient
from datatokens.errors import ChainUnreachableError
from datatokens.history import OVERLAP_BLOCKS, FileLogBook
from datatokens.localchain import LocalChain, request
from tests.chain_fixtures import People, register_dataset
from tests.rpc_proxy import Call, RpcProxy, serve_proxy

URI = b"http://127.0.0.1:8030"
NOT_TEXT = bytes([0xFF, 0xFE, 0x80, 0xED, 0xA0, 0x80]).ljust(len(URI), b"\x1b")


@pytest.fixture
def proxy(anvil: LocalChain) -> Iterator[RpcProxy]:
    with serve_proxy(anvil.rpc_url) as found:
        yield found


def _without(missing: int, call: Call, value: Any) -> Any:
    if call["method"] != "eth_getLogs":
        return value
    return [log for number, log in enumerate(value) if number != missing]


def test_assets_are_found_by_the_provider_that_they_name_and_no_others_are_read(
    proxy: RpcProxy, chain: ChainClient, people: People
) -> None:
    first = register_dataset(chain, people)
    other = register_dataset(chain, people, provider=people.stranger.address)
    third = register_dataset(chain, people)
    through = ChainClient.connect(proxy.url, chain.deployment)
    assert through.list_assets() == [first, other, third]
    before = proxy.counts["eth_call"]
    assert through.list_assets(people.stranger.address.lower()) == [other]
    assert proxy.counts["eth_call"] - before == 2  # how many there are, and the one
    assert through.list_assets(people.owner.address) == []


def test_a_node_that_leaves_out_one_asset_of_three_is_not_believed(
    proxy: RpcProxy, chain: ChainClient, people: People
) -> None:
    for _ in range(3):
        register_dataset(chain, people)
    through = ChainClient.connect(proxy.url, chain.deployment)
    for missing in range(3):
        proxy.edit = partial(_without, missing)
        with pytest.raises(ChainUnreachableError, match="asset"):
            through.list_assets()


def test_registrations_that_were_read_once_are_not_read_again(
    proxy: RpcProxy, chain: ChainClient, people: People, anvil: LocalChain, tmp_path: Path
) -> None:
    expected = [register_dataset(chain, people)]
    request(anvil.rpc_url, "anvil_mine", hex(200))
    expected.append(register_dataset(chain, people))
    asked: list[int] = []

    def note(call: Call) -> None:
        if call["method"] == "eth_getLogs":
            query = call["params"][0]
            asked.append(int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1)

    proxy.intercept = note
    for _ in range(2):
        through = ChainClient.connect(proxy.url, chain.deployment, book=FileLogBook(tmp_path / "history"))
        assert through.list_assets() == expected
    assert asked[0] > 200
    assert asked[1:] == [OVERLAP_BLOCKS]


def test_text_that_is_none_hides_neither_its_own_asset_nor_those_beside_it(
    chain: ChainClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = register_dataset(chain, people)
    encode = people.stranger.sign_transaction

    def garble(transaction: dict[str, Any], *rest: Any) -> Any:
        data = bytes.fromhex(str(transaction["data"]).removeprefix("0x")).replace(URI, NOT_TEXT)
        return encode({**transaction, "data": data}, *rest)

    monkeypatch.setattr(people.stranger, "sign_transaction", garble)
    terms = asset.terms
    hostile, _ = chain.register(terms, sender=people.stranger)
    assert "�" in hostile.terms.uri
    assert chain.list_assets() == [asset, hostile]
