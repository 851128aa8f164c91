"""A receipt that leaves out a check of a release, or a bit, or says more of what stayed than why, is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from policies.egress import ENDING_BITS, GATE, GATE_CHECKS
from policies.model import LimitsPolicy
from policies.privacy import PRIVACY_TESTS
from provider.gate.decide import CHECKS, COLLECTION_RULES
from provider.gate.report import GateCheck, GateReport, GateVerdict
from provider.jobs.receipting import _check_facts
from provider.limits import state_limits
from provider.receipts.errors import StatementRefusedError
from provider.receipts.facts import CheckFacts, ReceiptFacts
from provider.receipts.gate import check_gate
from provider.receipts.keys import SigningKeys
from provider.receipts.reviews import REVIEW_ENDS, REVIEW_LATE, WHEN
from provider.receipts.statement import build_statement
from tests.receipt_samples import (
    CHAIN_ID,
    LOG_BYTES,
    demanding_review,
    measured,
    open_log,
    overruling,
    private,
    refused,
    sample_facts,
    stayed,
    withheld,
)

PLAIN = sample_facts(SigningKeys.generate(CHAIN_ID))
TESTED = measured(PLAIN)
Checks = tuple[CheckFacts, ...]


def with_checks(facts: ReceiptFacts, checks: Checks) -> ReceiptFacts:
    return replace(facts, egress=replace(facts.egress, checks=checks))


def failed(facts: ReceiptFacts) -> ReceiptFacts:
    facts = withheld(facts)
    return replace(facts, egress=replace(facts.egress, outcome="failed", checks=(), rule="timeout"))


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


def test_an_ending_an_open_log_and_tests_that_people_may_overrule_are_counted() -> None:
    opened = ENDING_BITS + 8 * LOG_BYTES
    cases = (
        (PLAIN, 6),
        (withheld(PLAIN), 6),
        (TESTED, 6),
        (overruling(PLAIN), 14),
        (demanding_review(TESTED, when="not-passed"), 14),
        (demanding_review(TESTED), 14),
        (demanding_review(PLAIN), 6),
        (stayed(demanding_review(PLAIN), REVIEW_LATE), 6),
        (open_log(PLAIN), opened),
        (open_log(withheld(PLAIN)), opened),
        (open_log(failed(PLAIN)), opened),
    )
    assert ENDING_BITS == 6
    for facts, least in cases:
        check_gate(with_bits(facts, least))
        with pytest.raises(StatementRefusedError, match="informationBits"):
            check_gate(with_bits(facts, least - 1))
    check_gate(with_bits(refused(PLAIN), 0))


@pytest.mark.parametrize("stated", [None, 1024, "", "01024", "1e3", "-1", "1KiB"])
def test_an_open_log_says_how_long_it_may_be(stated: object) -> None:
    facts = open_log(failed(PLAIN))
    assert facts.sandbox is not None
    limits = facts.sandbox.limits | {"log_bytes": stated}
    for sandbox in (replace(facts.sandbox, limits=limits), replace(facts.sandbox, limits={}), None):
        with pytest.raises(StatementRefusedError, match="log_bytes"):
            check_gate(replace(facts, sandbox=sandbox))


def test_a_provider_states_the_limit_of_the_log_as_it_is_read() -> None:
    facts = open_log(PLAIN)
    assert facts.sandbox is not None
    sandbox = replace(facts.sandbox, limits=state_limits(LimitsPolicy(log_bytes=LOG_BYTES)))
    check_gate(with_bits(replace(facts, sandbox=sandbox), ENDING_BITS + 8 * LOG_BYTES))


@pytest.mark.parametrize("made", [lambda facts: facts, withheld], ids=["released", "withheld"])
def test_no_log_is_open_beside_a_review_a_test_or_a_budget(
    made: Callable[[ReceiptFacts], ReceiptFacts],
) -> None:
    opened = open_log(made(private(PLAIN)))
    unbounded = replace(opened, privacy=replace(opened.privacy, ledger_cap=None))
    check_gate(unbounded)
    policy = demanding_review(PLAIN).policy
    for facts in (opened, replace(unbounded, policy=policy), replace(unbounded, inputs=TESTED.inputs)):
        with pytest.raises(StatementRefusedError, match=r"run\.logs"):
            check_gate(facts)


def test_what_was_withheld_names_the_check_that_kept_it_and_no_other() -> None:
    facts = withheld(PLAIN)
    (check,) = facts.egress.checks
    other = replace(check, name="metrics-range")
    for checks in ((), (check,), (check, check)):
        check_gate(with_checks(facts, checks))
    for checks in ((other,), (check, other), (replace(check, ok=True),), (check, replace(other, ok=True))):
        with pytest.raises(StatementRefusedError, match=r"egress\.checks"):
            check_gate(with_checks(facts, checks))


@pytest.mark.parametrize(("rule", "outcome"), REVIEW_ENDS.items())
@pytest.mark.parametrize("when", WHEN)
def test_where_people_looked_one_privacy_test_may_be_named_and_nothing_else(
    rule: str, outcome: str, when: str
) -> None:
    facts = stayed(demanding_review(PLAIN, when=when), rule, outcome)
    (check,) = facts.egress.checks
    check_gate(facts)
    check_gate(with_checks(facts, ()))
    gate, second = (replace(check, name=name) for name in ("weights-finite", PRIVACY_TESTS[0]))
    other = {"withheld": "cancelled", "cancelled": "withheld"}[outcome]
    refused_facts = (
        with_checks(facts, (gate,)),
        with_checks(facts, (check, second)),
        with_checks(facts, (replace(check, ok=True),)),
        replace(facts, policy=PLAIN.policy),
        replace(facts, egress=replace(facts.egress, outcome=other)),
        replace(facts, egress=replace(facts.egress, outcome="failed")),
    )
    for changed in refused_facts:
        with pytest.raises(StatementRefusedError, match=r"egress\.checks"):
            check_gate(changed)


@pytest.mark.parametrize("rule", [*GATE_CHECKS, *sorted(COLLECTION_RULES), *PRIVACY_TESTS])
def test_whatever_the_gate_withholds_by_a_provider_can_state(rule: str) -> None:
    names = dict.fromkeys((rule, *GATE_CHECKS, *PRIVACY_TESTS))
    for broken in (set(names), {rule}, set[str]()):
        checks = tuple(GateCheck(name, name not in broken) for name in names)
        report = GateReport(GateVerdict.WITHHELD, rule, checks, (), ENDING_BITS)
        facts = withheld(PLAIN)
        facts = replace(facts, egress=replace(facts.egress, rule=rule, checks=_check_facts(report)))
        assert build_statement(facts)
