"""Cosignatures: the field's own, ours, and what is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.witnesses import WitnessKey
from provider.receipts.cosignature import (
    MAX_TIMESTAMP,
    cosigned_message,
    find_cosignatures,
    find_shortfall,
    is_cosignature,
    merge_cosignatures,
)
from provider.receipts.errors import (
    MalformedError,
    ReceiptError,
    StatementRefusedError,
    Verdict,
    VerificationError,
)
from provider.receipts.facts import ReceiptFacts, WitnessFacts
from provider.receipts.note import NoteSignature, parse_note, verify_checkpoint
from provider.receipts.proof import parse_proof
from provider.receipts.statement import build_statement
from provider.receipts.verify import verify_receipt
from tests.log_samples import KEYS
from tests.receipt_samples import ORIGIN, Sample, make_sample, open_log, sample_facts, withheld
from tests.witness_samples import cosign, make_history, make_witness

PUBLISHED_NOTE = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""
"""A checkpoint of a Certificate Transparency log, cosigned by four public witnesses in May 2026."""
PUBLISHED_KEYS = [
    WitnessKey(name, bytes.fromhex(key))
    for name, key in {
        "transparency.dev/DEV:witness-little-garden": "2b6eb0ec483503544cde4e8fc1ce6d1921db21dffccc186865f808f7625443cc",
        "witness1.smartit.nu/witness1": "f4855a0f46e8a3e23bb40faf260ee57ab8a18249fa402f2ca2d28a60e1a3130e",
        "remora.n621.de": "ebcdeb78e7fdb2ef9227b2c1ef11e94600b55b4d6d9a57877e31ee89e59adc36",
        "witness.stagemole.eu": "4a921b7caef58ae670cdc11ef4184f1c058f7b9259a9107a969f69fa54aa496f",
    }.items()
]
ONE, TWO, THREE, FOREIGN = (make_witness(f"{name}.example") for name in ("one", "two", "three", "foreign"))
NOTE = make_history(7, keys=KEYS).note(7)
DEMAND = WitnessFacts(2, tuple(witness.public().to_text() for witness in (ONE, TWO, THREE)))


def demanding(facts: ReceiptFacts, *demands: WitnessFacts) -> ReceiptFacts:
    return replace(facts, policy=replace(facts.policy, witnesses=demands))


SAMPLE = make_sample(demanding(sample_facts(KEYS), DEMAND), keys=KEYS)


def test_the_cosignatures_of_four_public_witnesses_verify() -> None:
    found = find_cosignatures(PUBLISHED_NOTE, PUBLISHED_KEYS)
    assert list(found) == PUBLISHED_KEYS
    assert {int.from_bytes(signature.sig[:8]) for signature in found.values()} == {0x6A122120}


def test_the_example_of_the_specification_has_the_message_that_it_says() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosigned_message(text, 1679315147) == b"cosignature/v1\ntime 1679315147\n" + text.encode()


@given(st.integers(0, MAX_TIMESTAMP))
def test_a_cosignature_is_good_for_its_text_its_time_its_key_and_its_name_alone(timestamp: int) -> None:
    text = parse_note(NOTE).text
    made = ONE.cosign(text, timestamp)
    assert is_cosignature(ONE.public(), made, text)
    assert not is_cosignature(TWO.public(), made, text)
    assert not is_cosignature(ONE.public(), made, text.replace("\n7\n", "\n8\n"))
    assert not is_cosignature(WitnessKey("another", ONE.public().ed25519), made, text)
    later = (timestamp ^ 1).to_bytes(8) + made.sig[8:]
    assert not is_cosignature(ONE.public(), replace(made, sig=later), text)


@given(st.binary(min_size=1, max_size=90))
def test_garbage_is_no_cosignature(sig: bytes) -> None:
    key = ONE.public()
    assert not is_cosignature(key, NoteSignature(key.name, key.keyid, sig), parse_note(NOTE).text)


def test_a_log_still_signs_beside_its_witnesses() -> None:
    cosigned = cosign(NOTE, ONE, TWO)
    assert verify_checkpoint(cosigned, ORIGIN, KEYS.public().ed25519).size == 7
    assert list(find_cosignatures(cosigned, [TWO.public(), THREE.public()])) == [TWO.public()]


def test_cosignatures_are_put_under_a_note_once_and_only_as_many_as_it_may_have() -> None:
    lines = [parse_note(cosign(NOTE, witness)).signatures[1].to_line() for witness in (ONE, TWO)]
    merged = merge_cosignatures(NOTE, lines)
    assert merged == cosign(NOTE, ONE, TWO)
    assert merge_cosignatures(merged, [*lines, *lines]) == merged
    many = [ONE.cosign(parse_note(NOTE).text, time).to_line() for time in range(100)]
    assert len(parse_note(merge_cosignatures(NOTE, many)).signatures) == 64


@pytest.mark.parametrize(
    ("note", "missing"),
    [
        pytest.param(NOTE, "0 of the 2", id="none"),
        pytest.param(cosign(NOTE, TWO), "1 of the 2", id="one"),
        pytest.param(cosign(NOTE, TWO, FOREIGN), "1 of the 2", id="one and a foreign one"),
        pytest.param(cosign(cosign(NOTE, TWO), TWO, timestamp=5), "1 of the 2", id="one witness twice"),
        pytest.param(cosign(NOTE, TWO, THREE), "", id="two"),
        pytest.param(cosign(NOTE, ONE, TWO, THREE, FOREIGN), "", id="all and a foreign one"),
    ],
)
def test_cosignatures_are_counted_by_named_witness(note: str, missing: str) -> None:
    assert find_shortfall(note, [DEMAND]).startswith(missing)
    assert bool(find_shortfall(note, [DEMAND])) == bool(missing)
    assert find_shortfall(note, [DEMAND, WitnessFacts(1, (FOREIGN.public().to_text(),))]) or "foreign" in note


def test_what_stands_as_a_witness_s_cosignature_and_is_none_is_a_bad_signature() -> None:
    other = make_history(7, keys=KEYS, differs_at=3).note(7)
    line = parse_note(cosign(other, THREE)).signatures[1].to_line()
    with pytest.raises(VerificationError) as caught:
        find_shortfall(cosign(NOTE, ONE, TWO) + line, [DEMAND])
    assert caught.value.verdict is Verdict.BAD_SIGNATURE


@given(st.text(max_size=200))
def test_garbage_is_no_note_to_count_on(text: str) -> None:
    with pytest.raises(MalformedError):
        find_shortfall(text, [DEMAND])
    with pytest.raises(MalformedError):
        merge_cosignatures(text, [])


# Receipts


def with_note(sample: Sample, note: str) -> Sample:
    head = sample.proof.decode().split("\n\n")[0]
    return replace(sample, proof=f"{head}\n\n{note}".encode())


def verify(sample: Sample) -> str:
    """Return how the step `witnesses` went."""
    verified = verify_receipt(sample.receipt, sample.proof, sample.trust, {})
    return next(step.result for step in verified.steps if step.name == "witnesses")


def checkpoint_of(sample: Sample) -> str:
    return parse_proof(sample.proof).note


def test_a_released_receipt_verifies_with_as_many_cosignatures_as_its_policy_demands() -> None:
    note = checkpoint_of(SAMPLE)
    assert verify(with_note(SAMPLE, cosign(note, ONE, THREE))) == "passed"
    assert verify(with_note(SAMPLE, cosign(note, ONE, TWO, THREE, FOREIGN))) == "passed"


@pytest.mark.parametrize(
    "witnesses",
    [(), (ONE,), (ONE, ONE), (ONE, FOREIGN), (FOREIGN,)],
    ids=["none", "one", "one twice", "one named", "foreign"],
)
def test_a_released_receipt_with_fewer_is_not_witnessed(witnesses: tuple[object, ...]) -> None:
    sample = with_note(SAMPLE, cosign(checkpoint_of(SAMPLE), *witnesses))  # type: ignore[arg-type]
    with pytest.raises(VerificationError) as caught:
        verify(sample)
    assert (caught.value.verdict, caught.value.step) == (Verdict.NOT_WITNESSED, "witnesses")


def test_each_demand_has_to_be_met() -> None:
    both = demanding(sample_facts(KEYS), DEMAND)
    second = replace(DEMAND, threshold=3)
    with pytest.raises(StatementRefusedError, match="more demands"):
        build_statement(demanding(both, DEMAND, second))


@pytest.mark.parametrize("keys", [(), ("garbage",), (ONE.public().to_text(),) * 2])
def test_a_statement_whose_demand_can_not_be_read_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(StatementRefusedError, match=r"policy\.witnesses"):
        build_statement(demanding(sample_facts(KEYS), WitnessFacts(1, keys)))


def test_nothing_left_and_so_nothing_has_to_be_witnessed() -> None:
    sample = make_sample(demanding(withheld(sample_facts(KEYS)), DEMAND), keys=KEYS)
    assert verify(sample) == "skipped"


def test_a_log_that_was_opened_to_the_consumer_has_to_be_witnessed_too() -> None:
    sample = make_sample(demanding(open_log(withheld(sample_facts(KEYS))), DEMAND), keys=KEYS)
    with pytest.raises(VerificationError) as caught:
        verify(sample)
    assert caught.value.verdict is Verdict.NOT_WITNESSED
    assert verify(with_note(sample, cosign(checkpoint_of(sample), ONE, TWO))) == "passed"


def test_no_flipped_bit_of_a_cosignature_that_is_needed_verifies() -> None:
    good = cosign(checkpoint_of(SAMPLE), ONE, TWO)
    start = len(checkpoint_of(SAMPLE))
    for position in range(start, len(good)):
        flipped = good[:position] + chr(ord(good[position]) ^ 1) + good[position + 1 :]
        with pytest.raises(ReceiptError):
            verify(with_note(SAMPLE, flipped))
