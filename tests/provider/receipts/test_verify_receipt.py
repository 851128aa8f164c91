from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provider.receipts.envelope import PAYLOAD_TYPE, Envelope, format_receipt
from provider.receipts.errors import EvidenceUnavailableError, Verdict, VerificationError
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import Statement, build_statement
from provider.receipts.verify import VerifiedReceipt, verify_receipt
from tests.receipt_samples import (
    ANCHOR_BLOCK,
    ANCHOR_TIME,
    CHAIN_ID,
    REVIEWERS,
    Sample,
    make_sample,
    refused,
    reviewed,
    sample_facts,
    sample_request,
    sign_request,
    trusted_key,
    two_datasets,
    withheld,
)

KEYS = SigningKeys.generate(CHAIN_ID)
OTHER_KEYS = SigningKeys.generate(CHAIN_ID)
SAMPLE = make_sample(keys=KEYS)
STEPS = [
    "read receipt",
    "read proof",
    "know the keys",
    "p-256 signature",
    "secp256k1 signature",
    "checkpoint signature",
    "entry included",
    "root anchored",
    "keys valid then",
    "read statement",
    "statement is of this log",
    "request signed by the consumer",
    "reviews",
    "witnesses",
    "artefact digests",
    "order and approval",
]


@dataclass(frozen=True)
class FakeChain:
    """A chain that knows the order and the approvals, or doesn't, or doesn't answer."""

    order: bool = True
    approvals: bool = True
    reachable: bool = True

    def orders_match(self, statement: Statement) -> bool:
        if not self.reachable:
            raise EvidenceUnavailableError("the chain did not answer")
        return self.order and bool(statement.facts.job.orders)

    def approvals_match(self, statement: Statement) -> bool:
        return self.approvals and bool(statement.facts.inputs.datasets)


def check(sample: Sample, chain: FakeChain | None = None) -> VerifiedReceipt:
    return verify_receipt(sample.receipt, sample.proof, sample.trust, sample.artifacts, chain)


def check_refused(
    sample: Sample, verdict: Verdict, step: str, chain: FakeChain | None = None
) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        check(sample, chain)
    assert (caught.value.verdict, caught.value.step) == (verdict, step), caught.value
    assert [item.result for item in caught.value.steps[:-1]].count("failed") == 0
    assert caught.value.steps[-1].result == "failed"
    return caught.value


def test_a_true_receipt_is_verified_step_by_step() -> None:
    verified = check(SAMPLE)
    assert [step.name for step in verified.steps] == STEPS
    assert [step.number for step in verified.steps] == list(range(1, len(STEPS) + 1))
    assert [step.result for step in verified.steps] == [
        *["passed"] * 12,
        *("skipped", "skipped", "passed", "skipped"),
    ]
    assert verified.statement.is_released
    assert verified.anchor.block == ANCHOR_BLOCK


def test_with_a_chain_the_order_and_the_approvals_are_checked_too() -> None:
    assert check(SAMPLE, FakeChain()).steps[-1].result == "passed"


def test_a_job_on_several_datasets_has_a_receipt_that_verifies_with_all_its_orders() -> None:
    facts = two_datasets(sample_facts(KEYS))
    verified = check(make_sample(facts, keys=KEYS), FakeChain())
    assert verified.steps[-1].result == "passed"
    assert verified.statement.facts == facts
    other_chain = replace(facts.job.orders[1], chain_id=1)
    moved = replace(facts, job=replace(facts.job, orders=(facts.job.orders[0], other_chain)))
    check_refused(make_sample(moved, keys=KEYS), Verdict.STATEMENT_REFUSED, "statement is of this log")


def test_without_artefacts_that_step_says_skipped() -> None:
    verified = check(replace(SAMPLE, artifacts={}))
    assert verified.steps[14].result == "skipped"


@pytest.mark.parametrize("change", [withheld, refused])
def test_hole_22_a_job_that_released_nothing_has_a_receipt_that_verifies(
    change: Callable[..., object],
) -> None:
    facts = change(sample_facts(KEYS))
    verified = check(replace(make_sample(facts, keys=KEYS), artifacts={}))  # type: ignore[arg-type]  # both return facts
    assert not verified.statement.is_released
    assert [subject.name for subject in verified.statement.subjects] == ["job"]


def test_artefacts_given_with_a_withheld_receipt_are_refused() -> None:
    sample = make_sample(withheld(sample_facts(KEYS)), keys=KEYS)
    check_refused(sample, Verdict.ARTEFACT_DIGEST_DIFFERS, "artefact digests")


def test_two_artefacts_swapped_by_name_are_refused() -> None:
    one, two = SAMPLE.artifacts.items()
    swapped = {one[0]: two[1], two[0]: one[1]}
    check_refused(replace(SAMPLE, artifacts=swapped), Verdict.ARTEFACT_DIGEST_DIFFERS, "artefact digests")


def test_a_renamed_artefact_is_known_by_its_digest() -> None:
    digest = SAMPLE.artifacts["model.safetensors"]
    assert check(replace(SAMPLE, artifacts={"downloads/my-model.bin": digest})).steps[14].result == "passed"


def test_keys_that_nobody_published_are_unknown_and_not_a_bad_signature() -> None:
    trust = replace(SAMPLE.trust, keys=(trusted_key(OTHER_KEYS),))
    check_refused(replace(SAMPLE, trust=trust), Verdict.UNKNOWN_KEY, "know the keys")


@pytest.mark.parametrize("kept", [0, 1], ids=["p-256 alone", "secp256k1 alone"])
def test_one_of_the_two_signatures_is_not_enough(kept: int) -> None:
    envelope = replace(SAMPLE.envelope, signatures=(SAMPLE.envelope.signatures[kept],))
    check_refused(replace(SAMPLE, receipt=format_receipt(envelope)), Verdict.UNKNOWN_KEY, "know the keys")


def test_a_countersignature_by_a_stranger_is_ignored() -> None:
    stranger = make_sample(keys=OTHER_KEYS).envelope.signatures[0]
    envelope = replace(SAMPLE.envelope, signatures=(stranger, *SAMPLE.envelope.signatures))
    assert check(replace(SAMPLE, receipt=format_receipt(envelope))).verdict is Verdict.VERIFIED


@pytest.mark.parametrize(("position", "step"), [(0, "p-256 signature"), (1, "secp256k1 signature")])
def test_a_signature_over_other_bytes_is_bad(position: int, step: str) -> None:
    other = make_sample(withheld(sample_facts(KEYS)), keys=KEYS).envelope.signatures
    signatures = list(SAMPLE.envelope.signatures)
    signatures[position] = other[position]
    envelope = replace(SAMPLE.envelope, signatures=tuple(signatures))
    check_refused(replace(SAMPLE, receipt=format_receipt(envelope)), Verdict.BAD_SIGNATURE, step)


def test_the_mirrored_secp256k1_signature_is_refused() -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    p256, signer = SAMPLE.envelope.signatures
    mirrored = signer.sig[:32] + (order - int.from_bytes(signer.sig[32:64])).to_bytes(32)
    mirrored += bytes([27 + (signer.sig[64] - 27 ^ 1)])
    envelope = replace(SAMPLE.envelope, signatures=(p256, replace(signer, sig=mirrored)))
    check_refused(
        replace(SAMPLE, receipt=format_receipt(envelope)), Verdict.BAD_SIGNATURE, "secp256k1 signature"
    )


def test_two_envelopes_in_one_file_are_refused() -> None:
    check_refused(replace(SAMPLE, receipt=SAMPLE.receipt * 2), Verdict.MALFORMED, "read receipt")


def test_the_proof_of_another_receipt_is_refused() -> None:
    other = make_sample(withheld(sample_facts(KEYS)), keys=KEYS)
    trust = replace(SAMPLE.trust, anchors=(*SAMPLE.trust.anchors, *other.trust.anchors))
    check_refused(replace(SAMPLE, proof=other.proof, trust=trust), Verdict.NOT_INCLUDED, "entry included")


def test_a_proof_for_another_size_is_refused() -> None:
    larger = make_sample(keys=KEYS, size=9)
    head = SAMPLE.proof.partition(b"\n\n")[0]
    note = larger.proof.partition(b"\n\n")[2]
    mixed = replace(SAMPLE, proof=head + b"\n\n" + note, trust=larger.trust)
    check_refused(mixed, Verdict.NOT_INCLUDED, "entry included")


def test_hole_22_a_root_that_was_never_anchored_is_refused() -> None:
    trust = replace(SAMPLE.trust, anchors=())
    check_refused(replace(SAMPLE, trust=trust), Verdict.ROOT_NOT_ANCHORED, "root anchored")


def test_hole_22_another_root_anchored_for_that_size_is_refused() -> None:
    anchor = replace(SAMPLE.trust.anchors[0], root=b"\x01" * 32)
    check_refused(
        replace(SAMPLE, trust=replace(SAMPLE.trust, anchors=(anchor,))),
        Verdict.ROOT_NOT_ANCHORED,
        "root anchored",
    )


def test_a_checkpoint_of_another_log_is_refused() -> None:
    trust = replace(SAMPLE.trust, origin=SAMPLE.trust.origin[:-1] + "1")
    check_refused(replace(SAMPLE, trust=trust), Verdict.UNKNOWN_KEY, "checkpoint signature")


def test_a_checkpoint_of_this_log_by_keys_that_are_not_known_is_not_said_to_be_of_another() -> None:
    older = replace(SAMPLE.trust.keys[0], ed25519=OTHER_KEYS.public().ed25519)
    with pytest.raises(VerificationError, match=r"no key that .* published for .* signed this checkpoint"):
        check(replace(SAMPLE, trust=replace(SAMPLE.trust, keys=(older,))))


def test_a_receipt_from_before_a_rotation_verifies_for_ever() -> None:
    old = trusted_key(KEYS, valid_until=ANCHOR_TIME + 1)
    new = trusted_key(OTHER_KEYS, valid_from=ANCHOR_TIME + 1, valid_from_block=ANCHOR_BLOCK + 1)
    assert check(replace(SAMPLE, trust=replace(SAMPLE.trust, keys=(old, new)))).verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"valid_until": ANCHOR_TIME}, id="rotated out in the anchor's own second"),
        pytest.param(
            {"valid_until": ANCHOR_TIME - 1, "revoked_at": ANCHOR_TIME}, id="revoked from before the anchor"
        ),
        pytest.param({"revoked_at": ANCHOR_TIME}, id="revoked for ever"),
        pytest.param({"valid_from_block": ANCHOR_BLOCK + 1}, id="published a block too late"),
        pytest.param({"valid_from": ANCHOR_TIME + 1}, id="published a second too late"),
    ],
)
def test_a_key_that_was_not_in_force_at_the_anchor_is_refused(changes: dict[str, int]) -> None:
    trust = replace(SAMPLE.trust, keys=(trusted_key(KEYS, **changes),))
    check_refused(replace(SAMPLE, trust=trust), Verdict.KEY_NOT_VALID_THEN, "keys valid then")


def test_a_receipt_from_before_a_revocation_date_still_verifies() -> None:
    key = trusted_key(KEYS, valid_until=ANCHOR_TIME + 60, revoked_at=ANCHOR_TIME)
    assert check(replace(SAMPLE, trust=replace(SAMPLE.trust, keys=(key,)))).verdict is Verdict.VERIFIED


def test_publishing_a_revoked_key_again_does_not_bring_it_back() -> None:
    revoked = trusted_key(KEYS, valid_until=ANCHOR_TIME - 60, revoked_at=ANCHOR_TIME)
    again = trusted_key(KEYS, valid_from=ANCHOR_TIME - 30)
    trust = replace(SAMPLE.trust, keys=(revoked, again))
    check_refused(replace(SAMPLE, trust=trust), Verdict.KEY_NOT_VALID_THEN, "keys valid then")


def test_a_signed_payload_that_is_no_statement_is_refused() -> None:
    for payload in (b"{}", b"[]", b'{"_type":"https://in-toto.io/Statement/v1"}'):
        check_refused(make_sample(keys=KEYS, payload=payload), Verdict.STATEMENT_REFUSED, "read statement")


def test_a_signed_payload_with_a_duplicate_key_is_malformed() -> None:
    payload = build_statement(sample_facts(KEYS)).replace(b'{"_type"', b'{"_type":"","_type"', 1)
    check_refused(make_sample(keys=KEYS, payload=payload), Verdict.MALFORMED, "read statement")


def test_another_payload_type_is_refused_even_when_signed() -> None:
    message = Envelope(SAMPLE.envelope.payload, "text/plain", ()).pae
    assert PAYLOAD_TYPE.encode() not in message
    signatures = tuple(
        replace(item, sig=sign(message))
        for item, sign in zip(SAMPLE.envelope.signatures, (KEYS.sign_p256, KEYS.sign_secp256k1), strict=True)
    )
    envelope = Envelope(SAMPLE.envelope.payload, "text/plain", signatures)
    check_refused(replace(SAMPLE, receipt=format_receipt(envelope)), Verdict.NOT_INCLUDED, "entry included")


def test_a_statement_for_another_place_in_the_log_is_refused() -> None:
    facts = sample_facts(KEYS)
    for wrong in (
        replace(facts, not_before=replace(facts.not_before, number=ANCHOR_BLOCK + 1)),
        replace(facts, provider=replace(facts.provider, address="0x" + "11" * 20)),
        replace(facts, provider=replace(facts.provider, keyids=OTHER_KEYS.keyids)),
    ):
        check_refused(make_sample(wrong, keys=KEYS), Verdict.STATEMENT_REFUSED, "statement is of this log")
    moved = make_sample(keys=KEYS, payload=build_statement(sample_facts(KEYS, index=4)))
    check_refused(moved, Verdict.STATEMENT_REFUSED, "statement is of this log")


def test_a_request_that_the_consumer_did_not_sign_is_refused() -> None:
    facts = sample_facts(KEYS)
    other_id, other_signature = sign_request(sample_request(nonce="aa" * 32))
    inputs, more = facts.inputs, two_datasets(facts)
    wrong_facts = (
        replace(facts, job=replace(facts.job, id=other_id)),
        replace(facts, job=replace(facts.job, request_signature=other_signature)),
        replace(facts, job=replace(facts.job, request_signature="0x")),
        replace(facts, job=replace(facts.job, consumer="0x" + "12" * 20)),
        replace(facts, job=replace(facts.job, request={})),
        replace(facts, job=replace(facts.job, request=sample_request(purpose="DUO:0000004"))),
        replace(facts, job=replace(facts.job, request=sample_request(expiry=-1))),
        replace(facts, job=replace(facts.job, request=sample_request(result_key="?"))),
        replace(facts, inputs=replace(inputs, algorithm=inputs.parameters_digest)),
        replace(facts, inputs=replace(inputs, parameters_digest=inputs.algorithm)),
        replace(facts, inputs=replace(inputs, parameters={"epochs": 4})),
        replace(
            facts,
            inputs=replace(inputs, datasets=(replace(inputs.datasets[0], asset_id="ff" * 32),)),
            policy=replace(facts.policy, rules=(replace(facts.policy.rules[0], asset_id="ff" * 32),)),
        ),
        replace(more, job=replace(facts.job, orders=more.job.orders)),
    )
    for wrong in wrong_facts:
        check_refused(
            make_sample(wrong, keys=KEYS), Verdict.STATEMENT_REFUSED, "request signed by the consumer"
        )


@pytest.mark.parametrize(
    ("chain", "verdict"),
    [
        (FakeChain(order=False), Verdict.ORDER_OR_APPROVAL_MISMATCH),
        (FakeChain(approvals=False), Verdict.ORDER_OR_APPROVAL_MISMATCH),
        (FakeChain(reachable=False), Verdict.CHAIN_UNREACHABLE),
    ],
    ids=["no such order", "not approved", "no answer"],
)
def test_a_chain_that_says_no_or_nothing_is_a_refusal(chain: FakeChain, verdict: Verdict) -> None:
    check_refused(SAMPLE, verdict, "order and approval", chain)


def test_with_a_chain_a_job_that_ran_without_an_order_is_refused() -> None:
    facts = sample_facts(KEYS)
    unpaid = make_sample(replace(facts, job=replace(facts.job, orders=())), keys=KEYS)
    check_refused(unpaid, Verdict.ORDER_OR_APPROVAL_MISMATCH, "order and approval", FakeChain())


def test_with_a_chain_a_refused_job_needs_no_order() -> None:
    sample = replace(make_sample(refused(sample_facts(KEYS)), keys=KEYS), artifacts={})
    assert check(sample, FakeChain(order=False, approvals=False)).steps[-1].result == "passed"


def test_reviewers_decisions_are_verified_as_signatures_of_what_left() -> None:
    verified = check(make_sample(reviewed(sample_facts(KEYS), "release", "release"), keys=KEYS))
    (step,) = [step for step in verified.steps if step.name == "reviews"]
    assert (step.number, step.result) == (13, "passed")
    assert step.detail == ", ".join(f"release by {address.lower()}" for address in REVIEWERS[:2])


@pytest.mark.parametrize("change", [{"nonce": "0e" * 32}, {"expiry": 1}, {"reason": "sha256:" + "0" * 64}])
def test_a_decision_that_was_not_signed_as_it_stands_refuses_the_statement(change: dict[str, Any]) -> None:
    facts = reviewed(sample_facts(KEYS), "release", "release")
    review = facts.egress.review
    assert review is not None
    decisions = (replace(review.decisions[0], **change), *review.decisions[1:])
    facts = replace(facts, egress=replace(facts.egress, review=replace(review, decisions=decisions)))
    check_refused(make_sample(facts, keys=KEYS), Verdict.STATEMENT_REFUSED, "reviews")
