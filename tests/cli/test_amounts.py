from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.amounts import MAX_AMOUNT_WEI, format_amount, parse_amount
from cli.errors import InputError


@given(st.integers(0, MAX_AMOUNT_WEI), st.integers(0, 40))
def test_what_is_written_is_read_back_exactly(amount: int, decimals: int) -> None:
    assert parse_amount(format_amount(amount, decimals), decimals) == amount


def test_people_write_tokens_and_contracts_count_wei() -> None:
    assert parse_amount("5") == 5 * 10**18
    assert parse_amount("0.000000000000000001") == 1


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "1,5", ".5", "5.", "0.0000000000000000001", "\u0665", "5 ", "9" * 20]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_amount(text)
