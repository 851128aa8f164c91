from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError
from datatokens.localchain import LocalChain
from datatokens.model import TxResult
from tests.chain_fixtures import People, account_for, travel

SIGNER = account_for("signer").address
ED25519 = b"\xed" * 32


def p256(secret: int) -> bytes:
    key = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def publish(chain: ChainClient, people: People, **changes: Any) -> TxResult:
    keys: dict[str, Any] = {
        "p256": p256(7),
        "signer": SIGNER,
        "ed25519": ED25519,
        "endpoint": "http://127.0.0.1:8030",
    }
    return chain.publish_keys(**(keys | changes), sender=people.provider)


def test_published_keys_are_read_back_with_their_beginning(chain: ChainClient, people: People) -> None:
    result = publish(chain, people)
    (keys,) = chain.list_keys(people.provider.address)
    assert (keys.index, keys.p256, keys.signer, keys.ed25519) == (0, p256(7), SIGNER, ED25519)
    assert keys.endpoint == "http://127.0.0.1:8030"
    assert (keys.valid_from, keys.valid_from_block) == (result.block.time, result.block.number)
    assert (keys.valid_until, keys.revoked) == (None, False)
    assert chain.list_keys(people.stranger.address) == []


def test_publishing_anew_ends_the_former_keys_and_keeps_them(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    publish(chain, people)
    travel(anvil, 100)
    second = publish(chain, people, p256=p256(8))
    old, new = chain.list_keys(people.provider.address)
    assert (old.p256, old.valid_until, old.revoked) == (p256(7), second.block.time, False)
    assert (new.p256, new.valid_until, new.index) == (p256(8), None, 1)
    assert not old.is_valid(second.block.time)
    assert old.is_valid(second.block.time - 1)
    assert new.is_valid(second.block.time)


@pytest.mark.parametrize(
    "changes",
    [
        {"p256": b"\x04" + bytes(64)},
        {"p256": b"\x04" + b"\x01" * 64},
        {"p256": p256(7)[:-1]},
        {"p256": b"\x02" + p256(7)[1:33]},
        {"p256": b"\x05" + p256(7)[1:]},
        {"p256": b""},
        {"signer": "0x" + "00" * 20},
        {"ed25519": bytes(32)},
        {"ed25519": b"short"},
    ],
)
def test_what_is_no_key_is_not_published(chain: ChainClient, people: People, changes: dict[str, Any]) -> None:
    with pytest.raises(ContractRefusedError):
        publish(chain, people, **changes)
    assert chain.list_keys(people.provider.address) == []


def test_the_account_that_sends_transactions_does_not_sign_receipts(
    chain: ChainClient, people: People
) -> None:
    with pytest.raises(ContractRefusedError) as caught:
        publish(chain, people, signer=people.provider.address)
    assert caught.value.name == "ProvidersSignerIsSender"


def test_keys_are_revoked_from_a_time_and_only_ever_earlier(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    start = publish(chain, people).block.time
    travel(anvil, 1000)
    chain.revoke_keys(0, start + 500, sender=people.provider)
    said = chain.revoke_keys(0, start + 300, sender=people.provider).block.time
    (keys,) = chain.list_keys(people.provider.address)
    assert (keys.valid_until, keys.revoked, keys.revoked_at) == (start + 300, True, said)
    for time in (start + 301, start + 300, start - 1):
        with pytest.raises(ContractRefusedError) as caught:
            chain.revoke_keys(0, time, sender=people.provider)
        assert caught.value.name == "ProvidersTimeOutOfRange"


def test_keys_are_not_revoked_from_the_future(chain: ChainClient, people: People) -> None:
    start = publish(chain, people).block.time
    with pytest.raises(ContractRefusedError):
        chain.revoke_keys(0, start + 10_000, sender=people.provider)


def test_replaced_keys_can_still_be_revoked_from_an_earlier_time(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    start = publish(chain, people).block.time
    travel(anvil, 1000)
    publish(chain, people, p256=p256(8))
    chain.revoke_keys(0, start + 10, sender=people.provider)
    old, new = chain.list_keys(people.provider.address)
    assert (old.valid_until, old.revoked, new.valid_until) == (start + 10, True, None)


def test_who_revoked_keys_from_their_beginning_has_nothing_left_to_say_of_them(
    anvil: LocalChain, chain: ChainClient, people: People
) -> None:
    start = publish(chain, people).block.time
    chain.revoke_keys(0, start, sender=people.provider)
    (before,) = chain.list_keys(people.provider.address)
    travel(anvil, 1000)
    for time in (start - 1, start, start + 1, 0, 2**40 - 1):
        with pytest.raises(ContractRefusedError) as caught:
            chain.revoke_keys(0, time, sender=people.provider)
        assert caught.value.name == "ProvidersTimeOutOfRange"
    publish(chain, people, p256=p256(8))
    assert chain.list_keys(people.provider.address)[0] == before


def test_a_stranger_revokes_nothing_of_ours(chain: ChainClient, people: People) -> None:
    start = publish(chain, people).block.time
    with pytest.raises(ContractRefusedError) as caught:
        chain.revoke_keys(0, start, sender=people.stranger)
    assert caught.value.name == "ProvidersNoSuchKeys"


def test_a_closed_provider_publishes_no_more(chain: ChainClient, people: People) -> None:
    publish(chain, people)
    assert chain.closed_at(people.provider.address) is None
    result = chain.close_provider(sender=people.provider)
    (keys,) = chain.list_keys(people.provider.address)
    assert keys.valid_until == chain.closed_at(people.provider.address) == result.block.time
    attempts: list[Callable[[], object]] = [
        lambda: publish(chain, people),
        lambda: chain.close_provider(sender=people.provider),
    ]
    for attempt in attempts:
        with pytest.raises(ContractRefusedError) as caught:
            attempt()
        assert caught.value.name == "ProvidersIsClosed"
