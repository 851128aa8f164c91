"""Every byte of a receipt, its proof, its trust root and its artefacts counts: changing one never verifies, never crashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from provider.receipts.errors import MalformedError, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.trust import TrustRoot, parse_trust
from provider.receipts.verify import verify_receipt
from tests.receipt_samples import ARTEFACTS, CHAIN_ID, Sample, make_sample, refused, sample_facts

KEYS = SigningKeys.generate(CHAIN_ID)
SAMPLES = {
    "released": make_sample(keys=KEYS),
    "refused": replace(make_sample(refused(sample_facts(KEYS)), keys=KEYS), artifacts={}),
}


MOST_PIECES = 32
CHUNKS = (2, 4, 16, 64, 256, 1024)


def flips(data: bytes, masks: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 255)) -> Iterator[bytes]:
    """Each byte with each single bit flipped, and with all bits flipped."""
    for position, byte in enumerate(data):
        for mask in masks:
            yield data[:position] + bytes([byte ^ mask]) + data[position + 1 :]


def cuts(data: bytes) -> Iterator[bytes]:
    """Truncated at each byte, each byte left out, each byte twice, neighbours exchanged."""
    for position in range(len(data)):
        yield data[:position]
        yield data[:position] + data[position + 1 :]
        yield data[:position] + data[position : position + 1] + data[position:]
        swapped = data[position : position + 2][::-1]
        if swapped != data[position : position + 2]:
            yield data[:position] + swapped + data[position + 2 :]


def rearranged(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """Each piece left out, each twice, each moved to the front or the end, each two exchanged."""
    for place, piece in enumerate(pieces):
        before, after = b"".join(pieces[:place]), b"".join(pieces[place + 1 :])
        yield from (
            before + after,
            before + piece * 2 + after,
            piece + before + after,
            before + after + piece,
        )
    for one, two in combinations(range(len(pieces)), 2):
        order = list(pieces)
        order[one], order[two] = order[two], order[one]
        yield b"".join(order)


def chunks(data: bytes) -> Iterator[bytes]:
    """The data with pieces of several sizes left out, doubled, moved and exchanged."""
    for size in CHUNKS:
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        yield from rearranged(pieces if len(pieces) <= MOST_PIECES else pieces[:: len(pieces) // MOST_PIECES])


def count_verified(sample: Sample, receipts: Iterator[bytes], proofs: Iterator[bytes]) -> list[bytes]:
    """Return the changed files that still verify; anything but a VerificationError fails the test by itself."""
    verified = []
    changed = [(item, sample.proof) for item in receipts if item != sample.receipt]
    changed += [(sample.receipt, item) for item in proofs if item != sample.proof]
    for receipt, proof in changed:
        try:
            verify_receipt(receipt, proof, sample.trust, sample.artifacts)
        except VerificationError:
            continue
        verified.append(receipt if receipt != sample.receipt else proof)
    return verified


@pytest.mark.parametrize("name", SAMPLES)
def test_hole_22_no_flipped_bit_of_a_receipt_or_proof_verifies(name: str) -> None:
    sample = SAMPLES[name]
    assert count_verified(sample, flips(sample.receipt), flips(sample.proof)) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_hole_22_no_cut_or_doubled_or_swapped_byte_of_a_receipt_or_proof_verifies(name: str) -> None:
    sample = SAMPLES[name]
    assert count_verified(sample, cuts(sample.receipt), cuts(sample.proof)) == []


def test_no_byte_of_a_proof_can_be_another_that_parsers_like_to_forgive() -> None:
    sample = SAMPLES["released"]
    proofs = (
        sample.proof[:position] + bytes([byte]) + sample.proof[position + 1 :]
        for position in range(len(sample.proof))
        for byte in b"\x00\t\n\r +-/0=_Aa\x7f\xff"
    )
    assert count_verified(sample, iter(()), proofs) == []


@pytest.mark.parametrize("name", ARTEFACTS)
def test_no_flipped_byte_of_an_artefact_verifies(name: str) -> None:
    sample = SAMPLES["released"]
    for changed in (*flips(ARTEFACTS[name]), *cuts(ARTEFACTS[name])):
        artifacts = {**sample.artifacts, name: hashlib.sha256(changed).digest()}
        with pytest.raises(VerificationError) as caught:
            verify_receipt(sample.receipt, sample.proof, sample.trust, artifacts)
        assert caught.value.step == "artefact digests"


@pytest.mark.parametrize("name", SAMPLES)
def test_no_receipt_or_proof_of_rearranged_pieces_verifies(name: str) -> None:
    sample = SAMPLES[name]
    proofs = (*rearranged(sample.proof.splitlines(keepends=True)), *chunks(sample.proof))
    assert count_verified(sample, chunks(sample.receipt), iter(proofs)) == []


def test_a_longer_path_is_bound_to_its_receipt_as_a_short_one_is() -> None:
    sample = make_sample(sample_facts(KEYS, index=50), keys=KEYS, size=77)
    proofs = (*flips(sample.proof, (1, 32, 255)), *rearranged(sample.proof.splitlines(keepends=True)))
    assert count_verified(sample, iter(()), iter(proofs)) == []


def essence(trust: TrustRoot) -> tuple[object, ...]:
    """What a trust root says that a receipt is held to; the rest is words of the chain that no receipt repeats."""
    keys = {(key.p256, key.signer.lower(), key.ed25519, key.revoked) for key in trust.keys}
    anchors = {(anchor.size, anchor.root) for anchor in trust.anchors}
    return trust.chain_id, trust.escrow.lower(), trust.provider.lower(), trust.origin, keys, anchors


def test_a_changed_trust_root_verifies_only_if_it_says_the_same_of_what_counts() -> None:
    sample = SAMPLES["released"]
    good, verified = sample.trust.to_json(), 0
    for changed in (*flips(good, (1, 32, 128)), *cuts(good), *rearranged(good.splitlines(keepends=True))):
        try:
            trust = parse_trust(changed)
            verify_receipt(sample.receipt, sample.proof, trust, sample.artifacts)
        except (MalformedError, VerificationError):
            continue
        assert essence(trust) == essence(sample.trust)
        verified += 1
    assert verified > 0
