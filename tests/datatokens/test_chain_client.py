from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from datatokens.client import ChainClient
from datatokens.errors import (
    ChainUnreachableError,
    ContractRefusedError,
    NotEnoughMoneyError,
    WrongChainError,
)
from datatokens.localchain import LocalChain, find_free_port, request
from datatokens.model import Asset, Deployment, Token
from datatokens.refusals import WORDS, _known_errors, parse_refusal
from tests.chain_fixtures import ALGORITHM, HASTY, People, account_for, asset_terms, place_order


@pytest.fixture
def liar(request: pytest.FixtureRequest) -> Iterator[str]:
    """A node that answers every call with the given bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(request.param)))
            self.end_headers()
            self.wfile.write(request.param)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_right_chain_passes_the_check(chain: ChainClient) -> None:
    chain.check()
    assert chain.chain_id == chain.deployment.chain_id == 31337


def test_another_chain_id_is_the_wrong_chain(anvil: LocalChain, deployment: Deployment) -> None:
    with pytest.raises(WrongChainError) as caught:
        ChainClient.connect(anvil.rpc_url, replace(deployment, chain_id=1)).check()
    assert (caught.value.expected, caught.value.got) == ("1", "31337")


@pytest.mark.parametrize("name", ["registry", "escrow", "providers", "receipts", "payment_token"])
def test_other_code_than_was_deployed_is_the_wrong_chain(
    anvil: LocalChain, deployment: Deployment, name: str
) -> None:
    changed = replace(deployment, code_hashes=deployment.code_hashes | {name: "0x" + "00" * 32})
    with pytest.raises(WrongChainError, match=name):
        ChainClient.connect(anvil.rpc_url, changed).check()


def test_a_code_hash_that_is_not_stated_is_the_wrong_chain(anvil: LocalChain, deployment: Deployment) -> None:
    with pytest.raises(WrongChainError):
        ChainClient.connect(anvil.rpc_url, replace(deployment, code_hashes={})).check()


def test_an_address_without_our_contract_is_the_wrong_chain(
    anvil: LocalChain, deployment: Deployment
) -> None:
    elsewhere = replace(deployment, registry="0x" + "ab" * 20)
    with pytest.raises(WrongChainError):
        ChainClient.connect(anvil.rpc_url, elsewhere).list_assets()


def test_a_node_that_is_not_there_is_unreachable(deployment: Deployment, people: People) -> None:
    client = ChainClient.connect(f"http://127.0.0.1:{find_free_port()}", deployment, patience=HASTY)
    for attempt in (
        client.check,
        client.head,
        client.list_assets,
        lambda: client.find_order(b"\x01" * 32, people.scientist.address, 1),
        lambda: client.anchor(1, b"\x01" * 32, sender=people.provider),
    ):
        with pytest.raises(ChainUnreachableError):
            attempt()


def test_an_address_that_is_no_address_is_unreachable(deployment: Deployment) -> None:
    for url in ("nonsense", "http://", "ftp://127.0.0.1"):
        with pytest.raises(ChainUnreachableError):
            ChainClient.connect(url, deployment, patience=HASTY).head()


@pytest.mark.parametrize(
    "liar",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"5",
        b"{}",
        b'{"jsonrpc":"2.0","id":0}',
        b'{"jsonrpc":"2.0","id":0,"result":null}',
        b'{"jsonrpc":"2.0","id":0,"result":"nonsense"}',
        b'{"jsonrpc":"2.0","id":0,"result":{}}',
        b'{"jsonrpc":"2.0","id":0,"result":[1]}',
        b'{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}}',
        b'{"jsonrpc":"2.0","id":0,"error":"no"}',
        b'{"jsonrpc":"2.0","id":0,"error":{"code":3,"message":"no","data":"0x12"}}',
        b"[" * 50_000,
    ],
    indirect=True,
)
def test_a_node_that_answers_nonsense_is_an_error_of_ours(liar: str, deployment: Deployment) -> None:
    client = ChainClient.connect(liar, deployment, patience=HASTY)
    for attempt in (
        client.head,
        client.check,
        client.list_assets,
        lambda: client.list_anchors("0x" + "11" * 20),
    ):
        with pytest.raises((ChainUnreachableError, WrongChainError, ContractRefusedError)):
            attempt()


def test_a_refused_transaction_costs_nothing(chain: ChainClient, people: People, asset: Asset) -> None:
    before = chain.native_balance(people.stranger.address)
    with pytest.raises(ContractRefusedError):
        chain.retire(asset.token_id, sender=people.stranger)
    assert chain.native_balance(people.stranger.address) == before


def test_a_number_that_no_contract_can_have_is_refused_and_not_a_crash(chain: ChainClient) -> None:
    with pytest.raises(ContractRefusedError):
        chain.find_approval(2**256, b"\xa1" * 32)
    with pytest.raises(ContractRefusedError):
        chain.find_approval(2**256, b"\xa1" * 32, at_block=chain.head().number)


def test_an_account_without_coins_for_gas_is_told_so(chain: ChainClient) -> None:
    poor = account_for("poor")
    with pytest.raises(NotEnoughMoneyError) as caught:
        chain.anchor(1, b"\x01" * 32, sender=poor)
    assert (caught.value.asset, caught.value.available_wei) == ("native", 0)


def test_a_refusal_says_in_words_what_to_do(chain: ChainClient, people: People, asset: Asset) -> None:
    chain.revoke(asset.token_id, ALGORITHM, sender=people.owner)
    with pytest.raises(ContractRefusedError) as caught:
        place_order(chain, asset, people.scientist)
    assert str(caught.value) == (
        f"algorithm sha256:{ALGORITHM.hex()}: isn't approved for asset 1; ask its owner for approval"
    )


def test_every_error_of_our_contracts_has_words() -> None:
    ours = ("Registry", "Escrow", "Anchor", "Datatoken", "Providers")
    names = {name for name, _ in _known_errors().values() if name.startswith(ours)}
    assert names - set(WORDS) == {"RegistryNoSuchAsset", "EscrowCreditTooSmall"}  # errors of their own


@pytest.mark.parametrize("data", [b"", b"\x08", bytes.fromhex("08c379a0"), b"\xff" * 4, b"\xff" * 100])
def test_revert_data_that_means_nothing_is_still_a_refusal(data: bytes) -> None:
    assert isinstance(parse_refusal(data), ContractRefusedError)


def test_truncated_revert_data_is_still_a_refusal() -> None:
    for selector in _known_errors():
        for length in range(0, 64, 7):
            error = parse_refusal(selector + b"\xff" * length)
            assert isinstance(error, (ContractRefusedError, NotEnoughMoneyError))


def test_concurrent_senders_of_one_account_do_not_collide(chain: ChainClient, people: People) -> None:
    failures: list[Exception] = []

    def register() -> None:
        try:
            chain.register(asset_terms(chain, people), sender=people.owner)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(exc)

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(chain.list_assets()) == 8


def test_a_deployment_names_the_code_of_every_contract(deployment: Deployment) -> None:
    assert set(deployment.code_hashes) == {"registry", "escrow", "providers", "receipts", "payment_token"}
    assert len(set(deployment.code_hashes.values())) == 5
    assert json.loads(deployment.to_json())["code_hashes"] == deployment.code_hashes


def answer_of(word: bytes) -> str:
    """Return code that answers with one word, in hex."""
    return f"7f{word.hex()}60005260206000f3"


def test_a_token_whose_symbol_is_no_text_is_counted_with_its_decimals_all_the_same(
    chain: ChainClient, anvil: LocalChain
) -> None:
    address, to_decimals = account_for("old token").address, "60003560e01c63313ce56714603857"
    symbol, decimals = answer_of(b"OLD".ljust(32, b"\0")), answer_of((6).to_bytes(32))
    request(anvil.rpc_url, "anvil_setCode", address, f"0x{to_decimals}{symbol}5b{decimals}")
    assert chain.get_token(address) == Token(address, "", 6)
