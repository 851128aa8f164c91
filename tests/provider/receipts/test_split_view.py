"""Evidence of a split view convinces whoever has the log's key, and nothing else does."""

from __future__ import annotations

import contextlib
import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider.receipts import tree
from provider.receipts.errors import EvidenceRefusedError, MalformedError, ReceiptError
from provider.receipts.keys import SigningKeys
from provider.receipts.splitview import (
    compare_checkpoints,
    format_evidence,
    parse_evidence,
    verify_split_view,
)
from tests.log_samples import KEYS
from tests.provider.receipts.test_receipt_mutation import cuts, flips
from tests.receipt_samples import CHAIN_ID, ORIGIN
from tests.witness_samples import cosign, make_history, make_witness

PUBLIC = (KEYS.public().ed25519,)
HONEST = make_history(300, keys=KEYS)
OTHER = make_history(300, keys=KEYS, differs_at=2)
SAME_SIZE = format_evidence(HONEST.note(7), OTHER.note(7))


def compare(first: str, second: str, tiles: Any) -> bytes | None:
    return compare_checkpoints(first, second, ORIGIN, PUBLIC, tiles)


@given(st.integers(1, 300), st.integers(1, 300))
def test_two_checkpoints_of_one_log_are_consistent(one: int, two: int) -> None:
    assert compare(HONEST.note(one), HONEST.note(two), HONEST) is None


@given(st.integers(3, 300), st.integers(3, 300), st.booleans())
def test_two_histories_give_evidence_that_convinces_whoever_has_the_key(
    one: int,
    two: int,
    larger_is_honest: bool,  # noqa: FBT001 - hypothesis
) -> None:
    small, large = sorted((one, two))
    shown, hidden = (HONEST, OTHER) if larger_is_honest else (OTHER, HONEST)
    data = compare(hidden.note(small), shown.note(large), shown)
    assert data is not None
    found = verify_split_view(data, ORIGIN, PUBLIC)
    assert (found.smaller.size, found.larger.size) == (small, large)
    assert found.larger.root == tree.root_of(shown.leaves[:large])


def test_entries_before_the_fork_are_in_both_histories() -> None:
    assert compare(OTHER.note(2), HONEST.note(9), HONEST) is None


def test_cosignatures_under_a_checkpoint_don_t_enter_the_evidence() -> None:
    witness = make_witness("w.example")
    data = compare(cosign(HONEST.note(4), witness), cosign(OTHER.note(9), witness), OTHER)
    assert data is not None
    assert b"w.example" not in data
    verify_split_view(data, ORIGIN, PUBLIC)


def test_tiles_of_another_log_show_nothing() -> None:
    for small in (HONEST.note(4), make_history(9, keys=KEYS, differs_at=1).note(4)):
        with pytest.raises(EvidenceRefusedError):
            compare(small, OTHER.note(9), HONEST)


def test_a_log_answers_for_every_key_that_it_published() -> None:
    old = SigningKeys.generate(CHAIN_ID)
    before = make_history(9, keys=old, differs_at=1)
    keys = (old.public().ed25519, *PUBLIC)
    data = compare_checkpoints(before.note(5), HONEST.note(9), ORIGIN, keys, HONEST)
    assert data is not None
    verify_split_view(data, ORIGIN, reversed(keys))
    for too_few in (keys[:1], keys[1:], ()):
        with pytest.raises(EvidenceRefusedError):
            verify_split_view(data, ORIGIN, too_few)


DIFFERENT_SIZES = compare(OTHER.note(3), HONEST.note(6), HONEST) or b""
POWER_OF_TWO = compare(OTHER.note(4), HONEST.note(6), HONEST) or b""


@pytest.mark.parametrize(
    "data", [SAME_SIZE, DIFFERENT_SIZES, POWER_OF_TWO], ids=["same size", "3 and 6", "4 and 6"]
)
def test_no_change_of_a_byte_convinces(data: bytes) -> None:
    verify_split_view(data, ORIGIN, PUBLIC)
    # Of the nine ways in which each byte is flipped every fourth, which is two or three for each.
    for change in (*islice(flips(data), 0, None, 4), *cuts(data), data + b"\n", data + data):
        if change == data:
            continue
        with pytest.raises(ReceiptError):
            verify_split_view(change, ORIGIN, PUBLIC)


def changed(data: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(data) | fields, indent=2, ensure_ascii=False).encode() + b"\n"


HONEST_ROOT = "0x" + tree.root_of(HONEST.leaves[:3]).hex()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(format_evidence(HONEST.note(7), HONEST.note(7)), id="the same twice"),
        pytest.param(format_evidence(HONEST.note(7), HONEST.note(9)), id="a checkpoint that grew"),
        pytest.param(
            format_evidence(
                HONEST.note(3),
                HONEST.note(6),
                other_root=tree.root_of(HONEST.leaves[:3]),
                consistency=tree.consistency_proof(HONEST.leaves, 3, 6),
            ),
            id="a proof that they are consistent",
        ),
        pytest.param(
            format_evidence(
                HONEST.note(7), make_history(7, keys=SigningKeys.generate(CHAIN_ID), differs_at=1).note(7)
            ),
            id="a stranger's checkpoint",
        ),
        pytest.param(
            changed(DIFFERENT_SIZES, otherRoot="0x" + "5a" * 32),
            id="a root out of nowhere",
        ),
        pytest.param(changed(DIFFERENT_SIZES, otherRoot=None), id="no root"),
        pytest.param(changed(DIFFERENT_SIZES, consistency=[]), id="no proof"),
        pytest.param(changed(SAME_SIZE, otherRoot=HONEST_ROOT), id="a root too many"),
        pytest.param(changed(SAME_SIZE, type="urn:sealroom:split-view:v2"), id="another version"),
        pytest.param(changed(SAME_SIZE, comment="believe me"), id="a field too many"),
        pytest.param(SAME_SIZE.replace(b"\n", b"\r\n"), id="other white space"),
        pytest.param(changed(SAME_SIZE, consistency=[HONEST_ROOT] * 65), id="too many hashes"),
        pytest.param(
            format_evidence(OTHER.note(7), cosign(HONEST.note(7), make_witness("w"))), id="a cosignature"
        ),
        pytest.param(
            changed(DIFFERENT_SIZES, smaller=HONEST.note(6), larger=OTHER.note(3)), id="the larger first"
        ),
    ],
)
def test_what_shows_no_split_view_does_not_convince(data: bytes) -> None:
    with pytest.raises((EvidenceRefusedError, MalformedError)):
        verify_split_view(data, ORIGIN, PUBLIC)


def test_evidence_against_another_log_is_none_against_this_one() -> None:
    with pytest.raises(EvidenceRefusedError):
        verify_split_view(SAME_SIZE, ORIGIN + "0", PUBLIC)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=20).map(
        lambda v: json.dumps(v).encode()
    )
)
def test_garbage_is_malformed_and_nothing_else(data: bytes) -> None:
    with pytest.raises(MalformedError):
        verify_split_view(data, ORIGIN, PUBLIC)


@given(
    st.fixed_dictionaries(
        {
            "type": st.just("urn:sealroom:split-view:v1"),
            "smaller": st.text(),
            "larger": st.text(),
            "otherRoot": st.none() | st.text(),
            "consistency": st.lists(st.text(), max_size=3),
        }
    )
)
def test_garbage_in_the_right_fields_convinces_nobody(fields: dict[str, Any]) -> None:
    with contextlib.suppress(EvidenceRefusedError, MalformedError):
        parse_evidence(changed(SAME_SIZE, **fields))
        verify_split_view(changed(SAME_SIZE, **fields), ORIGIN, PUBLIC)
        pytest.fail("it convinced")
