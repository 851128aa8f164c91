"""Ours and the verifier written from the document end alike, at the same step, whatever is altered: neither knows more."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from provider.receipts.keys import SigningKeys
from provider.receipts.reviews import REVIEW_LATE
from tests.fuzz.alterations import altered_bytes, altered_documents
from tests.independent_verifier import Files, end_of_ours, end_of_theirs
from tests.receipt_samples import (
    CHAIN_ID,
    Sample,
    demanding_review,
    make_sample,
    open_log,
    refused,
    sample_facts,
    stayed,
    two_datasets,
    withheld,
)

EXAMPLES = 1000 if os.environ.get("SEALROOM_FUZZ") == "long" else 40
KEYS = SigningKeys.generate(CHAIN_ID)
FACTS = sample_facts(KEYS)
LATE = stayed(demanding_review(FACTS), REVIEW_LATE)
SAMPLES = [
    make_sample(facts, keys=KEYS)
    for facts in (FACTS, two_datasets(FACTS), withheld(FACTS), refused(FACTS), open_log(FACTS), LATE)
]
samples = st.sampled_from(SAMPLES)


def check_alike(files: Files) -> None:
    assert end_of_theirs(files) == end_of_ours(files)


@settings(max_examples=EXAMPLES, deadline=None)
@given(sample=samples, data=st.data())
def test_they_end_alike_on_any_statement_that_was_signed_and_logged(
    sample: Sample, data: st.DataObject
) -> None:
    payload = data.draw(altered_documents(sample.envelope.payload) | altered_bytes(sample.envelope.payload))
    made = make_sample(sample.facts, keys=KEYS, payload=payload)
    check_alike(Files(made.receipt, made.proof, made.trust.to_json(), {}))


@settings(max_examples=EXAMPLES, deadline=None)
@given(sample=samples, data=st.data())
def test_they_end_alike_on_any_receipt(sample: Sample, data: st.DataObject) -> None:
    receipt = data.draw(altered_documents(sample.receipt) | altered_bytes(sample.receipt))
    check_alike(Files(receipt, sample.proof, sample.trust.to_json(), sample.artifacts))


@settings(max_examples=EXAMPLES, deadline=None)
@given(sample=samples, data=st.data())
def test_they_end_alike_on_any_proof(sample: Sample, data: st.DataObject) -> None:
    proof = data.draw(altered_bytes(sample.proof))
    check_alike(Files(sample.receipt, proof, sample.trust.to_json(), sample.artifacts))


@settings(max_examples=EXAMPLES, deadline=None)
@given(sample=samples, data=st.data())
def test_they_end_alike_under_any_trust_root(sample: Sample, data: st.DataObject) -> None:
    good = sample.trust.to_json()
    trust = data.draw(altered_documents(good) | altered_bytes(good))
    check_alike(Files(sample.receipt, sample.proof, trust, sample.artifacts))
