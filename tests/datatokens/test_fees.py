from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datatokens.fees import GWEI, FeeLimits, Fees, limits_of, raise_fees, suggest_fees

AMOUNTS = st.integers(0, 10**15)
LIMITS = st.builds(FeeLimits, tip_wei=AMOUNTS, total_wei=st.none() | AMOUNTS)


@given(base=st.none() | AMOUNTS, asked=AMOUNTS, limits=LIMITS)
def test_no_limit_is_passed_and_no_tip_is_more_than_the_whole(
    base: int | None, asked: int, limits: FeeLimits
) -> None:
    fees = suggest_fees(base, asked, limits)
    assert limits.total_wei is None or fees.most_wei <= limits.total_wei
    assert (fees.tip_wei is None) is (base is None)
    if fees.tip_wei is not None:
        assert fees.tip_wei <= min(fees.most_wei, limits.tip_wei)


@given(base=st.none() | AMOUNTS, later=AMOUNTS, asked=AMOUNTS, limits=LIMITS)
def test_a_replacement_offers_an_eighth_more_of_everything_or_is_not_made(
    base: int | None, later: int, asked: int, limits: FeeLimits
) -> None:
    offered = suggest_fees(base, asked, limits)
    suggested = suggest_fees(None if base is None else later, asked, limits)
    raised = raise_fees(offered, suggested, limits)
    if raised is None:
        return
    assert raised.most_wei * 8 > offered.most_wei * 9
    assert raised.most_wei >= suggested.most_wei
    assert limits.total_wei is None or raised.most_wei <= limits.total_wei
    if raised.tip_wei is not None and offered.tip_wei is not None:
        assert raised.tip_wei * 8 > offered.tip_wei * 9
        assert raised.tip_wei <= min(limits.tip_wei, raised.most_wei)


def test_a_block_with_a_base_fee_leaves_room_for_it_to_double() -> None:
    assert suggest_fees(10 * GWEI, 2 * GWEI, FeeLimits()) == Fees(22 * GWEI, 2 * GWEI)


def test_a_chain_without_base_fees_is_offered_its_gas_price() -> None:
    assert suggest_fees(None, 7, FeeLimits()).fields() == {"gasPrice": 7}


def test_a_node_that_hides_the_base_fee_can_not_name_any_price() -> None:
    limits = FeeLimits(tip_wei=110)
    assert suggest_fees(None, 10**18, limits) == Fees(110, None)
    assert raise_fees(Fees(100, None), Fees(100, None), limits) is None
    assert raise_fees(Fees(90, None), Fees(100, None), limits) == Fees(102, None)


def test_what_the_limit_forbids_is_not_raised() -> None:
    assert raise_fees(Fees(100, 10), Fees(100, 10), FeeLimits(total_wei=110)) is None
    assert raise_fees(Fees(100, 10), Fees(100, 10), FeeLimits(tip_wei=11)) is None


def test_limits_are_given_in_gwei() -> None:
    assert limits_of(3, 50) == FeeLimits(3 * GWEI, 50 * GWEI)
    assert limits_of(None, None) == FeeLimits()
