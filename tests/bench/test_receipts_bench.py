"""The benchmark of receipts measures what it says, and says what it could not measure."""

from __future__ import annotations

from bench.parts import measure
from bench.receipts_verify import Scale
from bench.receipts_verify import measure as measure_verifying


def test_each_row_of_verifying_is_measured_with_its_target() -> None:
    rows = measure_verifying(Scale(log=8, receipts=4, rounds=1, commands=1))
    assert {row.name: row.target for row in rows} == {
        "verify_ms": 2.0,
        "verify_command_s": 0.6,
        "ratio_to_securesystemslib": None,
    }
    assert all(row.value > 0 for row in rows)


def test_a_part_that_is_not_there_is_named() -> None:
    measured = measure(["bench.receipts_of_nobody"])
    assert (measured.rows, measured.missing) == ([], ["bench.receipts_of_nobody"])
