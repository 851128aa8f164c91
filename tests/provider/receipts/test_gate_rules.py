"""A receipt of a release that leaves out a check, or a bit, is refused: what isn't there could have said no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from policies.egress import ENDING_BITS, GATE, GATE_CHECKS
from policies.privacy import PRIVACY_TESTS
from provider.gate.decide import CHECKS
from provider.receipts.errors import StatementRefusedError
from provider.receipts.facts import CheckFacts, ReceiptFacts
from provider.receipts.gate import check_gate
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import build_statement
from tests.receipt_samples import (
    CHAIN_ID,
    demanding_review,
    measured,
    overruling,
    refused,
    sample_facts,
    withheld,
)

PLAIN = sample_facts(SigningKeys.generate(CHAIN_ID))
TESTED = measured(PLAIN)
Checks = tuple[CheckFacts, ...]


def with_checks(facts: ReceiptFacts, checks: Checks) -> ReceiptFacts:
    return replace(facts, egress=replace(facts.egress, checks=checks))


def with_bits(facts: ReceiptFacts, bits: int) -> ReceiptFacts:
    return replace(facts, privacy=replace(facts.privacy, information_bits=bits))


def test_the_gate_makes_the_checks_that_receipts_are_asked_for() -> None:
    assert tuple(name for name, _ in CHECKS) == GATE_CHECKS
    assert PLAIN.egress.gate == GATE


@pytest.mark.parametrize("facts", [PLAIN, TESTED, overruling(PLAIN), withheld(TESTED), refused(PLAIN)])
def test_what_is_whole_is_accepted(facts: ReceiptFacts) -> None:
    assert build_statement(facts)


@pytest.mark.parametrize("facts", [PLAIN, TESTED, overruling(PLAIN)], ids=["plain", "tested", "overruled"])
@pytest.mark.parametrize("place", range(len(GATE_CHECKS) + len(PRIVACY_TESTS)))
@pytest.mark.parametrize(
    "change",
    [
        lambda checks, place: checks[:place] + checks[place + 1 :],
        lambda checks, place: checks[:place] + checks[place : place + 1] + checks[place:],
        lambda checks, place: (
            *checks[:place],
            replace(checks[place], name=checks[place].name + "s"),
            *checks[place + 1 :],
        ),
    ],
    ids=["missing", "twice", "renamed"],
)
def test_a_release_lists_each_check_once(
    facts: ReceiptFacts, place: int, change: Callable[[Checks, int], Checks]
) -> None:
    if place >= len(facts.egress.checks):
        place %= len(facts.egress.checks)
    with pytest.raises(StatementRefusedError, match=r"egress\.checks"):
        check_gate(with_checks(facts, change(facts.egress.checks, place)))


def test_without_rows_held_back_no_privacy_test_was_made_and_with_them_all_were() -> None:
    held = replace(PLAIN, inputs=TESTED.inputs)
    unheld = replace(TESTED, inputs=PLAIN.inputs)
    for facts in (held, unheld):
        with pytest.raises(StatementRefusedError, match=r"egress\.checks"):
            check_gate(facts)


def test_a_review_that_depends_on_tests_needs_tests() -> None:
    check_gate(demanding_review(TESTED, when="not-passed"))
    with pytest.raises(StatementRefusedError, match="holdBack"):
        check_gate(demanding_review(PLAIN, when="not-passed"))


def test_a_release_by_an_unknown_gate_is_refused() -> None:
    with pytest.raises(StatementRefusedError, match=r"egress\.gate"):
        check_gate(replace(PLAIN, egress=replace(PLAIN.egress, gate="sealroom-gate/0")))


def test_an_ending_a_log_and_overruled_tests_are_counted() -> None:
    assert PLAIN.run is not None
    opened = replace(PLAIN, run=replace(PLAIN.run, logs="consumer"))
    cases = ((PLAIN, 6), (withheld(PLAIN), 6), (opened, 7), (TESTED, 6), (overruling(PLAIN), 14))
    assert ENDING_BITS == 6
    for facts, least in cases:
        check_gate(with_bits(facts, least))
        with pytest.raises(StatementRefusedError, match="informationBits"):
            check_gate(with_bits(facts, least - 1))
    check_gate(with_bits(refused(PLAIN), 0))
