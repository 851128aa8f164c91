"""The rules for what a receipt says of rows held back, of rounding, and of privacy tests that people overruled."""

from __future__ import annotations

from fractions import Fraction

from policies.privacy import PRIVACY_TESTS
from provider.receipts.errors import StatementRefusedError
from provider.receipts.facts import EgressFacts, ReceiptFacts

MAX_MANTISSA_BITS = 52
MAX_ROWS_PER_UNIT = 10_000


def is_let_pass(egress: EgressFacts) -> bool:
    """Tell whether every check passed, but for privacy tests of which people said that the release may leave all the same."""
    failed = {check.name for check in egress.checks if not check.ok}
    return not failed or (egress.review is not None and failed <= set(PRIVACY_TESTS))


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
