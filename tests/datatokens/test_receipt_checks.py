"""What a contract can find out about a receipt: one that provider code made, on a real chain, true and broken."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from eth_utils.abi import function_abi_to_4byte_selector

from cli.calldata import logged_receipt
from datatokens.client import ChainClient
from datatokens.errors import ContractRefusedError
from datatokens.gateway import Gateway
from datatokens.localchain import LocalChain, request
from datatokens.receipts import LoggedReceipt, encode_check
from provider.receipts.keys import SigningKeys
from tests.chain_fixtures import People, load_hostile, travel
from tests.receipt_samples import CHAIN_ID, Sample, make_sample

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS, OTHER_KEYS = SigningKeys.generate(CHAIN_ID), SigningKeys.generate(CHAIN_ID)
SAMPLE = make_sample(keys=KEYS)
ROOT = SAMPLE.trust.anchors[0].root


def shown(sample: Sample, people: People) -> LoggedReceipt:
    """Return the sample as a contract is shown it, in the log of our provider."""
    provider = replace(sample.facts.provider, address=people.provider.address)
    return logged_receipt(sample.envelope, provider, sample.proof)


def publish(chain: ChainClient, people: People, keys: SigningKeys) -> None:
    public = keys.public()
    chain.publish_keys(
        p256=public.p256,
        signer=public.signer,
        ed25519=public.ed25519,
        endpoint="http://127.0.0.1:8030",
        sender=people.provider,
    )


@pytest.fixture
def receipt(chain: ChainClient, people: People) -> LoggedReceipt:
    """A receipt in a log that is anchored, by keys that are published."""
    publish(chain, people, KEYS)
    chain.anchor(SAMPLE.trust.anchors[0].size, ROOT, sender=people.provider)
    return shown(SAMPLE, people)


def refusal(chain: ChainClient, receipt: LoggedReceipt) -> str:
    with pytest.raises(ContractRefusedError) as caught:
        chain.check_receipt(receipt)
    return caught.value.name


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value) ^ 1 << bit).to_bytes(len(value))


def test_a_true_receipt_is_good_and_its_root_says_when_it_was_anchored(
    chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    anchor = chain.get_anchor(people.provider.address)
    assert anchor is not None
    found = chain.check_receipt(receipt)
    assert (found.root, found.size) == (ROOT, 7)
    assert (found.time, found.block_number) == (anchor.block.time, anchor.block.number)


def test_one_flipped_bit_anywhere_is_refused(chain: ChainClient, receipt: LoggedReceipt) -> None:
    for bit in (0, 7, 128, 255):
        for name, errors in (
            ("pae_digest", {"ReceiptsNotIncluded"}),
            ("r", {"ReceiptsNotSigner", "ReceiptsBadSignature"}),
            ("s", {"ReceiptsNotSigner", "ReceiptsBadSignature"}),
        ):
            wrong: dict[str, Any] = {name: flipped(getattr(receipt, name), bit)}
            assert refusal(chain, replace(receipt, **wrong)) in errors
        for at, item in enumerate(receipt.proof):
            proof = (*receipt.proof[:at], flipped(item, bit), *receipt.proof[at + 1 :])
            assert refusal(chain, replace(receipt, proof=proof)) == "ReceiptsNotIncluded"
    for bit in range(64):
        assert refusal(chain, replace(receipt, index=receipt.index ^ 1 << bit)) == "ReceiptsNotIncluded"
        assert refusal(chain, replace(receipt, size=receipt.size ^ 1 << bit)) == "ReceiptsRootUnknown"
    for bit in range(160):
        provider = "0x" + flipped(bytes.fromhex(receipt.provider[2:]), bit).hex()
        assert refusal(chain, replace(receipt, provider=provider)) == "ReceiptsRootUnknown"
    for bit in range(8):
        assert refusal(chain, replace(receipt, v=receipt.v ^ 1 << bit)) in {
            "ReceiptsBadSignature",
            "ReceiptsNotSigner",
        }


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "the place of another entry": ({"index": 2}, "ReceiptsNotIncluded"),
    "a place behind the log's end": ({"index": 7}, "ReceiptsNotIncluded"),
    "a log of size 0": ({"size": 0}, "ReceiptsRootUnknown"),
    "a smaller log, which was never anchored": ({"size": 6}, "ReceiptsRootUnknown"),
    "a larger log, which is not anchored yet": ({"size": 8}, "ReceiptsRootUnknown"),
    "no proof": ({"proof": ()}, "ReceiptsNotIncluded"),
    "a v of 0 or 1, as other libraries write it": ({"v": 0}, "ReceiptsBadSignature"),
    "a signature of zeros": ({"r": bytes(32), "s": bytes(32)}, "ReceiptsBadSignature"),
}


@pytest.mark.parametrize(("changes", "error"), WRONG.values(), ids=WRONG)
def test_what_does_not_belong_to_the_receipt_is_refused(
    chain: ChainClient, receipt: LoggedReceipt, changes: dict[str, Any], error: str
) -> None:
    assert refusal(chain, replace(receipt, **changes)) == error


def test_a_proof_that_is_too_short_or_too_long_is_refused(chain: ChainClient, receipt: LoggedReceipt) -> None:
    for proof in (receipt.proof[:-1], receipt.proof[1:], (*receipt.proof, ROOT), receipt.proof * 200):
        assert refusal(chain, replace(receipt, proof=proof)) == "ReceiptsNotIncluded"


def test_the_mirrored_signature_is_refused(chain: ChainClient, receipt: LoggedReceipt) -> None:
    mirrored = replace(receipt, s=(ORDER - int.from_bytes(receipt.s)).to_bytes(32), v=55 - receipt.v)
    assert refusal(chain, mirrored) == "ReceiptsBadSignature"


def test_a_log_without_an_anchor_has_no_root_at_size_0(chain: ChainClient, people: People) -> None:
    publish(chain, people, KEYS)
    assert refusal(chain, replace(shown(SAMPLE, people), size=0)) == "ReceiptsRootUnknown"
    with pytest.raises(ContractRefusedError):
        chain.keep_root(people.provider.address, sender=people.stranger)


def test_a_receipt_in_the_log_of_another_provider_is_refused(
    chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    chain.anchor(7, ROOT, sender=people.stranger)
    assert refusal(chain, replace(receipt, provider=people.stranger.address)) == "ReceiptsNotSigner"


def test_a_receipt_that_somebody_else_signed_is_refused(chain: ChainClient, people: People) -> None:
    publish(chain, people, KEYS)
    forged = make_sample(keys=OTHER_KEYS, size=9)
    chain.anchor(9, forged.trust.anchors[0].root, sender=people.provider)
    assert refusal(chain, shown(forged, people)) == "ReceiptsNotSigner"


def test_keys_count_when_they_were_in_force_at_the_anchor(
    anvil: LocalChain, chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    anchored = chain.check_receipt(receipt).time
    travel(anvil, 100)
    publish(chain, people, OTHER_KEYS)
    assert chain.check_receipt(receipt).time == anchored
    chain.revoke_keys(0, anchored + 1, sender=people.provider)
    assert chain.check_receipt(receipt).time == anchored
    chain.revoke_keys(0, anchored, sender=people.provider)
    assert refusal(chain, receipt) == "ReceiptsNotSigner"
    publish(chain, people, KEYS)
    assert refusal(chain, receipt) == "ReceiptsNotSigner"


def test_keys_that_were_published_only_after_the_anchor_do_not_count(
    chain: ChainClient, people: People
) -> None:
    chain.anchor(7, ROOT, sender=people.provider)
    publish(chain, people, KEYS)
    assert refusal(chain, shown(SAMPLE, people)) == "ReceiptsNotSigner"


def test_what_is_anchored_after_the_close_is_refused(
    anvil: LocalChain, chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    travel(anvil, 1)
    chain.close_provider(sender=people.provider)
    assert chain.check_receipt(receipt).size == 7
    later = make_sample(keys=KEYS, size=9)
    chain.anchor(9, later.trust.anchors[0].root, sender=people.provider)
    assert refusal(chain, shown(later, people)) == "ReceiptsNotSigner"


def test_a_root_that_is_kept_outlives_the_growth_of_the_log_and_the_end_of_the_keys(
    anvil: LocalChain, chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    newest = chain.check_receipt(receipt)
    chain.keep_root(people.provider.address, sender=people.stranger)
    travel(anvil, 100)
    publish(chain, people, OTHER_KEYS)
    grown = make_sample(keys=KEYS, size=9)
    chain.anchor(9, grown.trust.anchors[0].root, sender=people.provider)
    assert chain.check_receipt(receipt) == newest == chain.get_root(people.provider.address, 7)
    assert refusal(chain, shown(grown, people)) == "ReceiptsNotSigner"
    with pytest.raises(ContractRefusedError):
        chain.get_root(people.provider.address, 8)


def test_a_root_that_was_not_kept_is_gone_with_the_next_anchor(
    chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    chain.anchor(8, bytes(31) + b"\x01", sender=people.provider)
    assert refusal(chain, receipt) == "ReceiptsRootUnknown"


def test_what_does_not_fit_the_contracts_types_is_refused(chain: ChainClient, receipt: LoggedReceipt) -> None:
    wrong: tuple[dict[str, Any], ...] = ({"index": -1}, {"size": 2**64}, {"v": 256}, {"pae_digest": b""})
    for changes in wrong:
        with pytest.raises(ContractRefusedError):
            chain.check_receipt(replace(receipt, **changes))


# Another contract


def test_another_contract_pays_out_upon_the_receipt_that_it_names_and_only_once(
    anvil: LocalChain, chain: ChainClient, people: People, receipt: LoggedReceipt
) -> None:
    gateway = Gateway(anvil.rpc_url, chain_id=chain.chain_id)
    bounty = load_hostile("Bounty")
    words = [chain.deployment.receipts, people.provider.address, "0x" + receipt.pae_digest.hex()]
    code = bounty["bytecode"] + "".join(word[2:].rjust(64, "0") for word in words)
    address = gateway.create(bytes.fromhex(code[2:]), sender=people.stranger)
    request(anvil.rpc_url, "anvil_setBalance", address, hex(5))
    selector = function_abi_to_4byte_selector(next(e for e in bounty["abi"] if e.get("name") == "claim"))

    def claim(shown: LoggedReceipt) -> None:
        gateway.execute(address, selector + encode_check(shown)[4:], sender=people.stranger)

    other = make_sample(keys=KEYS, payload=b"{}").envelope
    for wrong in (
        replace(receipt, pae_digest=hashlib.sha256(other.pae).digest()),
        replace(receipt, index=2),
        replace(receipt, r=receipt.s),
    ):
        with pytest.raises(ContractRefusedError):
            claim(wrong)
    before = gateway.native_balance(people.provider.address)
    claim(receipt)
    assert gateway.native_balance(people.provider.address) == before + 5
    with pytest.raises(ContractRefusedError):
        claim(receipt)
