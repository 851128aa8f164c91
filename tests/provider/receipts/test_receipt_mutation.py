"""Every byte of a receipt, its proof and its artefacts counts: changing one never verifies and never crashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from provider.receipts.errors import VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.verify import verify_receipt
from tests.receipt_samples import ARTEFACTS, CHAIN_ID, Sample, make_sample, refused, sample_facts

KEYS = SigningKeys.generate(CHAIN_ID)
SAMPLES = {
    "released": make_sample(keys=KEYS),
    "refused": replace(make_sample(refused(sample_facts(KEYS)), keys=KEYS), artifacts={}),
}


def flips(data: bytes) -> Iterator[bytes]:
    """Each byte with each single bit flipped, and with all bits flipped."""
    for position, byte in enumerate(data):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
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
