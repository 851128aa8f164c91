"""What benchmarks measure with is what it says: every receipt of the long log is valid."""

from __future__ import annotations

import pytest

from bench.many_receipts import anchor_log, make_receipts
from provider.receipts.envelope import format_receipt
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import build_statement
from provider.receipts.verify import verify_receipt
from tests.receipt_samples import CHAIN_ID

COUNT = 30
KEYS = SigningKeys.generate(CHAIN_ID)
MADE = list(make_receipts(KEYS, COUNT))
LOG = anchor_log(KEYS, [item.leaf for item in MADE], [7, COUNT])


@pytest.mark.parametrize("index", range(COUNT))
def test_each_of_many_receipts_verifies_and_says_what_its_facts_are(index: int) -> None:
    made = MADE[index]
    verified = verify_receipt(format_receipt(made.envelope), LOG.make_proof(index), LOG.trust, {})
    assert verified.statement.facts == made.facts
    assert made.envelope.payload == build_statement(made.facts)


def test_many_receipts_are_of_several_outcomes_and_each_of_a_job_of_its_own() -> None:
    assert {item.facts.egress.outcome for item in MADE} == {"released", "withheld", "refused"}
    assert len({item.facts.job.id for item in MADE}) == COUNT
    orders = [order.tx_hash for item in MADE for order in item.facts.job.orders]
    assert len(set(orders)) == len(orders) > COUNT // 2
