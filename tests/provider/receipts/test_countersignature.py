from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account.messages import SignableMessage
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from datatokens.ethkeys import encode_typed_data
from policies.canonical import canonical_json
from provider.receipts.countersignature import (
    MAX_STATEMENT_CHARS,
    Countersignature,
    add_countersignature,
    countersigned_digest,
    parse_countersignature,
    typed_data,
)
from provider.receipts.countersigners import (
    Countersigned,
    Requirement,
    Standing,
    require_countersignatures,
    verify_countersignatures,
)
from provider.receipts.envelope import EnvelopeSignature, format_receipt, parse_receipt
from provider.receipts.errors import CountersignatureError, MalformedError, Verdict, VerificationError
from provider.receipts.facts import BlockFacts
from provider.receipts.log import entry_bytes
from provider.receipts.statement import parse_statement
from provider.receipts.verify import verify_receipt
from tests.countersigning import (
    ACCOUNT,
    BLOCK,
    BOARD,
    WORDS,
    Accounts,
    by_contract,
    by_key,
)
from tests.provider.receipts.test_receipt_mutation import cuts, flips
from tests.receipt_samples import CHAIN_ID, make_sample, two_datasets

SAMPLE = make_sample()
PAE = SAMPLE.envelope.pae
STATEMENT = parse_statement(SAMPLE.envelope.payload)
DECIDED_AT = SAMPLE.facts.not_before.number
CHAIN = Accounts(PAE)
BY_KEY = by_key(PAE)
OWNING = by_key(PAE, replace(WORDS, role="owner"))


def judge(mark: Countersignature, chain: Accounts | None = None) -> Countersigned:
    (found,) = verify_countersignatures(add_countersignature(SAMPLE.envelope, mark), STATEMENT, chain)
    return found


def test_what_is_signed_is_what_wallets_sign() -> None:
    message: SignableMessage = encode_typed_data(full_message=typed_data(PAE, ACCOUNT, WORDS, CHAIN_ID))
    signed = keccak(b"\x19" + message.version + message.header + message.body)
    assert signed == countersigned_digest(PAE, ACCOUNT, WORDS, CHAIN_ID)


def test_a_countersignature_changes_neither_the_signed_bytes_nor_the_log_entry_nor_the_verdict() -> None:
    marked = add_countersignature(SAMPLE.envelope, BY_KEY)
    assert entry_bytes(marked.pae) == entry_bytes(PAE)
    verified = verify_receipt(format_receipt(marked), SAMPLE.proof, SAMPLE.trust, SAMPLE.artifacts)
    assert verified.verdict is Verdict.VERIFIED
    (found,) = verify_countersignatures(verified.envelope, verified.statement)
    assert (found.standing, found.mark) == (Standing.VALID, BY_KEY)


@pytest.mark.parametrize(
    "mark",
    [
        replace(BY_KEY, account=BOARD),
        replace(BY_KEY, words=replace(WORDS, statement="denied")),
        replace(BY_KEY, words=replace(WORDS, time=WORDS.time + 1)),
        replace(BY_KEY, words=replace(WORDS, role="owner")),
        replace(BY_KEY, block=BLOCK),
        by_key(PAE, chain_id=1),
        by_key(PAE + b" "),
    ],
    ids=[
        "another account",
        "other words",
        "another time",
        "another role",
        "a contract that isn't one",
        "another chain",
        "another receipt",
    ],
)
def test_a_keys_signature_holds_for_nothing_but_what_was_signed(mark: Countersignature) -> None:
    assert judge(mark, CHAIN).standing is Standing.INVALID


def test_a_contracts_signature_holds_at_the_block_it_names_and_needs_a_chain() -> None:
    assert judge(by_contract(), CHAIN).standing is Standing.VALID
    assert judge(by_contract()).standing is Standing.UNCHECKED
    assert judge(by_contract(), replace(CHAIN, reachable=False)).standing is Standing.UNCHECKED
    for block in (replace(BLOCK, number=131), replace(BLOCK, hash="0x" + "ae" * 32)):
        assert judge(replace(by_contract(), block=block), CHAIN).standing is Standing.INVALID
    assert judge(replace(by_contract(), signature=b"x"), CHAIN).standing is Standing.INVALID


@pytest.mark.parametrize(
    ("owners", "standing", "words"),
    [
        ({None: ACCOUNT.lower()}, Standing.VALID, "owns dataset 1 now"),
        ({None: BOARD, DECIDED_AT: ACCOUNT}, Standing.VALID, f"owned dataset 1 at block {DECIDED_AT}"),
        ({None: BOARD, DECIDED_AT: BOARD}, Standing.INVALID, "owns no dataset of this job"),
        ({}, Standing.INVALID, "owns no dataset of this job"),
    ],
    ids=["owns it now", "owned it then", "never owned it", "nobody owns it"],
)
def test_in_the_role_owner_a_chain_is_asked_who_owns_the_data(
    owners: dict[int | None, str], standing: Standing, words: str
) -> None:
    found = judge(OWNING, replace(CHAIN, owners=owners))
    assert (found.standing, words in found.detail) == (standing, True), found.detail


def test_without_a_chain_an_owners_signature_is_valid_and_says_that_owning_was_not_checked() -> None:
    found = judge(OWNING)
    assert found.standing is Standing.VALID
    assert "no chain was asked" in found.detail
    assert judge(OWNING, replace(CHAIN, reachable=False)).standing is Standing.UNCHECKED


def test_an_account_signs_once_in_each_role() -> None:
    marked = add_countersignature(SAMPLE.envelope, BY_KEY)
    again = by_key(PAE, replace(WORDS, statement="approved once more"))
    with pytest.raises(CountersignatureError):
        add_countersignature(marked, again)
    both = add_countersignature(marked, OWNING)
    assert [item.standing for item in verify_countersignatures(both, STATEMENT)] == [Standing.VALID] * 2
    assert parse_receipt(format_receipt(both)) == (both,)


def test_a_receipt_that_is_full_takes_no_more() -> None:
    marked = SAMPLE.envelope
    for number in range(14):
        marked = add_countersignature(marked, by_key(PAE, replace(WORDS, role=f"board-{number}")))
    with pytest.raises(CountersignatureError):
        add_countersignature(marked, BY_KEY)
    assert parse_receipt(format_receipt(marked)) == (marked,)


@pytest.mark.parametrize(
    "words",
    [
        replace(WORDS, role="Ethics"),
        replace(WORDS, role="owner:x"),
        replace(WORDS, role=""),
        replace(WORDS, role="r" * 41),
        replace(WORDS, statement=""),
        replace(WORDS, statement="two\nlines"),
        replace(WORDS, statement="approved \u202edetcejer"),
        replace(WORDS, statement="x" * (MAX_STATEMENT_CHARS + 1)),
        replace(WORDS, time=0),
        replace(WORDS, time=2**40),
    ],
)
def test_words_that_a_reader_could_misread_are_never_written(words: Any) -> None:
    with pytest.raises(MalformedError):
        add_countersignature(SAMPLE.envelope, by_key(PAE, words))


def test_the_longest_statement_and_signature_still_fit_into_a_receipt() -> None:
    words = replace(WORDS, statement="\U0001f600" * MAX_STATEMENT_CHARS)
    marked = add_countersignature(SAMPLE.envelope, replace(by_contract(words), signature=b"s" * 1024))
    assert parse_receipt(format_receipt(marked)) == (marked,)


def entries(mark: Countersignature) -> Iterator[EnvelopeSignature]:
    """Every entry that a change of one place makes of a countersignature's."""
    entry = add_countersignature(SAMPLE.envelope, mark).signatures[-1]
    for changes in (flips, cuts):
        for sig in changes(entry.sig):
            yield replace(entry, sig=sig)
        for keyid in changes(entry.keyid.encode()):
            yield replace(entry, keyid=keyid.decode("latin-1"))


@pytest.mark.parametrize("mark", [BY_KEY, by_contract(), OWNING], ids=["key", "contract", "owner"])
def test_no_changed_byte_of_a_countersignature_is_ever_valid(mark: Countersignature) -> None:
    chain = replace(CHAIN, owners={None: ACCOUNT})
    assert judge(mark, chain).standing is Standing.VALID
    for entry in entries(mark):
        envelope = replace(SAMPLE.envelope, signatures=(*SAMPLE.envelope.signatures, entry))
        found = verify_countersignatures(envelope, STATEMENT, chain)
        assert all(item.standing is not Standing.VALID for item in found), entry


def test_no_changed_byte_of_a_receipts_file_makes_of_a_countersignature_another_that_is_valid() -> None:
    marked = add_countersignature(SAMPLE.envelope, BY_KEY)
    receipt = format_receipt(marked)
    start = receipt.index(b'{"keyid":"eip712:')
    for changed in flips(receipt[start:]):
        try:
            (envelope,) = parse_receipt(receipt[:start] + changed)
        except MalformedError:
            continue
        found = verify_countersignatures(envelope, STATEMENT, CHAIN)
        assert all(item.standing is not Standing.VALID for item in found), changed


def test_another_spelling_of_the_same_content_is_malformed() -> None:
    entry = add_countersignature(SAMPLE.envelope, BY_KEY).signatures[-1]
    for sig in (
        entry.sig + b" ",
        entry.sig.replace(b":", b": ", 1),
        entry.sig.replace(b"approved", b"\\u0061pproved"),
    ):
        with pytest.raises(MalformedError):
            parse_countersignature(replace(entry, sig=sig))
    with pytest.raises(MalformedError):
        parse_countersignature(replace(entry, keyid=entry.keyid.replace(ACCOUNT, ACCOUNT.lower())))


scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)


@given(
    st.fixed_dictionaries(dict.fromkeys(("role", "statement", "time", "signature", "block"), scalars)).map(
        canonical_json
    )
    | st.binary(),
    st.text().map(lambda text: "eip712:" + text) | st.just(BY_KEY.keyid),
)
def test_content_of_any_shape_is_read_or_invalid(sig: bytes, keyid: str) -> None:
    envelope = replace(SAMPLE.envelope, signatures=(EnvelopeSignature(keyid, sig),))
    (found,) = verify_countersignatures(envelope, STATEMENT, CHAIN)
    assert found.standing is Standing.INVALID


def test_what_is_required_must_stand_there_and_be_valid_and_others_change_nothing() -> None:
    verified = verify_receipt(SAMPLE.receipt, SAMPLE.proof, SAMPLE.trust, SAMPLE.artifacts)
    marked = add_countersignature(add_countersignature(SAMPLE.envelope, BY_KEY), by_contract())
    found = verify_countersignatures(marked, STATEMENT)
    wanted = Requirement("ethics-board", ACCOUNT.lower())
    done = require_countersignatures(verified, found, [wanted])
    assert done.steps[:-1] == verified.steps
    assert (done.steps[-1].number, done.steps[-1].result) == (len(verified.steps) + 1, "passed")
    for missing in (Requirement("owner", ACCOUNT), Requirement("ethics-board", BOARD)):
        with pytest.raises(VerificationError) as caught:
            require_countersignatures(verified, found, [wanted, missing])
        assert caught.value.verdict is Verdict.NOT_COUNTERSIGNED
        assert caught.value.steps[-1].result == "failed"
        assert missing.account in caught.value.detail


def test_a_worthless_countersignature_put_beside_a_valid_one_takes_nothing_from_it() -> None:
    verified = verify_receipt(SAMPLE.receipt, SAMPLE.proof, SAMPLE.trust, SAMPLE.artifacts)
    worthless = add_countersignature(SAMPLE.envelope, by_key(PAE, chain_id=1))
    found = verify_countersignatures(add_countersignature(worthless, BY_KEY), STATEMENT)
    assert [item.standing for item in found] == [Standing.INVALID, Standing.VALID]
    assert require_countersignatures(verified, found, [Requirement("ethics-board", ACCOUNT)])


def test_a_receipt_of_several_datasets_is_countersigned_by_the_owner_of_any() -> None:
    other = make_sample(two_datasets(SAMPLE.facts), keys=SAMPLE.keys)
    mark = by_key(other.envelope.pae, OWNING.words)
    marked = add_countersignature(other.envelope, mark)
    chain = Accounts(other.envelope.pae, {None: ACCOUNT})
    (found,) = verify_countersignatures(marked, parse_statement(other.envelope.payload), chain)
    assert (found.standing, found.detail) == (
        Standing.VALID,
        "signed by the account's key; owns dataset 1 now",
    )


def test_what_a_contract_accepted_before_the_receipt_was_made_is_no_word_on_it() -> None:
    for earliest, standing in ((BLOCK.number, Standing.VALID), (BLOCK.number + 1, Standing.INVALID)):
        other = make_sample(replace(SAMPLE.facts, not_before=BlockFacts(earliest, BLOCK.hash)))
        marked = add_countersignature(other.envelope, by_contract())
        statement = parse_statement(other.envelope.payload)
        (found,) = verify_countersignatures(marked, statement, Accounts(other.envelope.pae))
        assert found.standing is standing, found.detail


def test_a_block_before_the_first_is_malformed() -> None:
    with pytest.raises(MalformedError):
        add_countersignature(SAMPLE.envelope, replace(by_contract(), block=BlockFacts(-1, BLOCK.hash)))
