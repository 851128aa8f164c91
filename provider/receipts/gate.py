"""The rules for what a receipt says of the gate: all checks, tests that people overruled, rows held back, rounding, bits, an open log."""

from __future__ import annotations

from fractions import Fraction

from policies.egress import BITS_PER_BYTE, ENDING_BITS, GATE, GATE_CHECKS
from policies.privacy import PRIVACY_TESTS
from provider.receipts.errors import FieldError, StatementRefusedError
from provider.receipts.facts import EgressFacts, ReceiptFacts
from provider.receipts.records import read_whole
from provider.receipts.reviews import RELEASED, REVIEW_ENDS, wanted_reviews

NOT_PASSED = "not-passed"
CONSUMER = "consumer"
LOG_LIMIT = "log_bytes"
MAX_MANTISSA_BITS = 52
MAX_ROWS_PER_UNIT = 10_000


def is_let_pass(egress: EgressFacts) -> bool:
    """Tell whether every check passed, but for privacy tests of which people said that the release may leave all the same."""
    failed = {check.name for check in egress.checks if not check.ok}
    return not failed or (egress.review is not None and failed <= set(PRIVACY_TESTS))


def check_gate(facts: ReceiptFacts) -> None:
    """Check that a release lists every check of a known gate, and that no fewer bits are stated than left in any case.

    A check that is left out could have failed, and have wanted a review. What stayed names one check at most: which ones
    fail can be chosen.

    Raises:
        StatementRefusedError: it doesn't.
    """
    _check_open_log(facts)
    _check_bits(facts)
    egress = facts.egress
    if egress.verdict != RELEASED:
        _check_withheld(facts)
        return
    if egress.gate != GATE:
        raise StatementRefusedError("predicate.egress.gate", f"expected {GATE}, whose checks are known")
    tested = facts.inputs.hold_back is not None
    if [check.name for check in egress.checks] != [*GATE_CHECKS, *(PRIVACY_TESTS if tested else ())]:
        raise StatementRefusedError(
            "predicate.egress.checks", "are not all of the gate's, each once, in order"
        )
    if not tested and any(demand.when == NOT_PASSED for demand in facts.policy.reviews):
        raise StatementRefusedError(
            "predicate.inputs.holdBack", "is missing where a review depends on privacy tests"
        )


def check_measured(facts: ReceiptFacts) -> None:
    """Check that what is said of rows held back and of rounding can be repeated by whoever has the data.

    Raises:
        StatementRefusedError: it can't.
    """
    held, kept = facts.inputs.hold_back, facts.egress.mantissa_bits
    if kept is not None and not 0 <= kept <= MAX_MANTISSA_BITS:
        raise StatementRefusedError("predicate.egress.mantissaBits", f"expected 0 to {MAX_MANTISSA_BITS}")
    if held is None:
        return
    path = "predicate.inputs.holdBack"
    if len(facts.inputs.datasets) != 1 or not 0 < Fraction(held.part) < 1:
        raise StatementRefusedError(path, "expected a part of the units of one dataset")
    if (held.column is None) != (held.max_rows is None):
        raise StatementRefusedError(path, "a column and a number of rows belong together")
    if held.max_rows is not None and not 0 < held.max_rows <= MAX_ROWS_PER_UNIT:
        raise StatementRefusedError(f"{path}.maxRows", f"expected 1 to {MAX_ROWS_PER_UNIT}")


def _is_log_open(facts: ReceiptFacts) -> bool:
    return facts.run is not None and facts.run.logs == CONSUMER


def _check_open_log(facts: ReceiptFacts) -> None:
    """An open log leaves unseen: no policy opens it beside people or tests that look, or a budget."""
    guarded = facts.policy.reviews or facts.inputs.hold_back or facts.privacy.ledger_cap is not None
    if _is_log_open(facts) and guarded:
        raise StatementRefusedError(
            "predicate.run.logs",
            f"is {CONSUMER} beside a review or in a privacy mode, which no policy allows",
        )


def _check_withheld(facts: ReceiptFacts) -> None:
    """What stayed names the check that kept it; where people looked their word is the rule, and a privacy test may be named."""
    egress = facts.egress
    reviewing = REVIEW_ENDS.get(egress.rule) == egress.outcome and wanted_reviews(facts)
    known = PRIVACY_TESTS if reviewing else (egress.rule,)
    named = {check.name for check in egress.checks}
    if len(named) > 1 or not named <= set(known) or any(check.ok for check in egress.checks):
        raise StatementRefusedError(
            "predicate.egress.checks", "list another check than the one that withheld, or one that passed"
        )


def _check_bits(facts: ReceiptFacts) -> None:
    if facts.run is None:
        return
    least = ENDING_BITS + _log_bits(facts)
    if facts.egress.verdict == RELEASED and facts.inputs.hold_back and facts.policy.reviews:
        least += len(PRIVACY_TESTS)
    if facts.privacy.information_bits < least:
        path = "predicate.privacy.informationBits"
        raise StatementRefusedError(path, f"is below the {least} of how it ended and of what was told")


def _log_bits(facts: ReceiptFacts) -> int:
    """Return what an open log can say: its whole limit, however much of it was printed."""
    if not _is_log_open(facts):
        return 0
    limits = facts.sandbox.limits if facts.sandbox else {}
    path = f"predicate.sandbox.limits.{LOG_LIMIT}"
    try:
        return BITS_PER_BYTE * read_whole(limits.get(LOG_LIMIT), path)
    except FieldError as exc:
        raise StatementRefusedError(exc.path, exc.problem) from exc
