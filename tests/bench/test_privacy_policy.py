"""The benchmark of decisions measures the ready-made policies, and says what it measured."""

from __future__ import annotations

from bench.privacy_policy import TARGET_MS, measure_policy


def test_one_row_says_how_long_the_slowest_policy_takes() -> None:
    (row,) = measure_policy(repeats=2)
    assert (row.name, row.unit, row.target) == ("policy_ms", "ms", TARGET_MS)
    assert row.value > 0
    assert "policies; the slowest, " in row.words
