from __future__ import annotations

import pytest

from cli.submitting import choose_deadline

DAY = 86_400


@pytest.mark.parametrize(
    ("now", "head", "lifetime_s"),
    [(1000, 1000, DAY), (10 * DAY, 1000, DAY), (1000, 1030, DAY), (1000, 1000, 100)],
    ids=["clocks agree", "the chain was idle for days", "the chain runs ahead", "a short lifetime"],
)
def test_a_deadline_is_ahead_and_within_what_the_owner_allows(now: int, head: int, lifetime_s: int) -> None:
    deadline = choose_deadline(now=now, head=head, lifetime_s=lifetime_s)
    for next_block in (max(now, head), max(now, head) + 12):
        assert next_block < deadline <= next_block + lifetime_s


def test_a_next_block_that_lags_our_clock_still_takes_a_long_deadline() -> None:
    deadline = choose_deadline(now=1000, head=990, lifetime_s=DAY)
    assert deadline <= 991 + DAY
