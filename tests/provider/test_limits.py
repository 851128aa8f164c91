"""Limits in a receipt are read back as they were, and junk is refused in one way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import LimitsPolicy
from provider.limits import parse_limits, run_limits, state_limits
from provider.receipts.errors import FieldError

LIMITS = st.builds(
    LimitsPolicy,
    time_s=st.integers(1, 600_000),
    memory_bytes=st.integers(2**27, 2**40),
    cpus=st.sampled_from(["0.5", "1", "1.25", "16"]),
    pids=st.integers(16, 1000),
    gpus=st.integers(0, 16),
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
NAMES = sorted(LimitsPolicy.model_fields)


@given(LIMITS)
def test_limits_survive_a_receipt_and_give_the_same_run(limits: LimitsPolicy) -> None:
    read = parse_limits(state_limits(limits))
    assert read == limits
    assert run_limits(read) == run_limits(limits)


@given(st.sampled_from(NAMES), JUNK)
def test_junk_in_a_limit_is_refused_or_is_a_limit(name: str, junk: Any) -> None:
    try:
        read = parse_limits(state_limits(LimitsPolicy()) | {name: junk})
    except FieldError:
        return
    run_limits(read)


@pytest.mark.parametrize("name", NAMES)
def test_a_limit_that_is_missing_is_named(name: str) -> None:
    stated = state_limits(LimitsPolicy())
    del stated[name]
    with pytest.raises(FieldError, match=name):
        parse_limits(stated)


def test_a_limit_that_this_version_does_not_know_is_refused() -> None:
    with pytest.raises(FieldError, match="this version"):
        parse_limits(state_limits(LimitsPolicy()) | {"network": "1"})
