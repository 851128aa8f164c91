"""Countersigns a receipt: shows what it says and what will be signed, asks, and writes one more signature into its file.

Verifies nothing of the receipt. A contract's countersignature (ERC-1271) is written only once the contract accepts it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError, MismatchError, RefusedError
from cli.home import write_file
from cli.output import fields
from cli.reviewing import ask
from cli.times import format_time
from cli.verifying import read_receipt
from policies.canonical import digest_of
from provider.receipts.countersignature import (
    Countersignature,
    Words,
    add_countersignature,
    check_words,
    typed_data,
)
from provider.receipts.envelope import Envelope, format_receipt
from provider.receipts.errors import MalformedError
from provider.receipts.facts import BlockFacts
from provider.receipts.log import chain_id_of
from provider.receipts.signatures import checksum_address
from provider.receipts.statement import Statement

if TYPE_CHECKING:
    from cli.context import Session

RECEIPT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to say of a receipt: `contract` is the account that the key signs for, its own without one."""

    file: Path
    role: str
    statement: str
    contract: str | None
    instead: bool


def countersign(session: Session, wish: Wish) -> Countersignature:
    """Sign, and replace the receipt's file by one that holds the signature as well.

    Raises:
        InputError: the file or the words can't be used.
        MalformedError, StatementRefusedError: the file is no receipt.
        DeclinedError: who was asked said no; nothing is signed.
        RefusedError: the contract doesn't accept the signature.
        CountersignatureError: the account has signed in this role, or there is no room.
    """
    envelope, statement = read_receipt(wish.file)
    words = Words(wish.role, wish.statement, int(time.time()))
    try:
        check_words(words)
    except MalformedError as exc:
        raise InputError(str(exc), code="countersignature-invalid") from exc
    account = checksum_address(wish.contract or session.get_address())
    unsigned = Countersignature(chain_id_of(statement.facts.log.origin), account, words, b"unsigned")
    add_countersignature(envelope, unsigned, instead=wish.instead)
    session.output.say(describe(unsigned, envelope, statement))
    ask(session)
    mark = _sign(session, unsigned, envelope, by_contract=wish.contract is not None)
    marked = add_countersignature(envelope, mark, instead=wish.instead)
    write_file(wish.file, format_receipt(marked), mode=RECEIPT_MODE)
    return mark


def describe(mark: Countersignature, envelope: Envelope, statement: Statement) -> str:
    """Return what will be signed, one fact a line."""
    facts = statement.facts
    lines = {
        "to sign": "a countersignature of a receipt, which was not verified here",
        "  receipt": digest_of(envelope.pae),
        "  job": f"{facts.job.id}, {facts.egress.outcome}",
        "  datasets": ", ".join(item.asset_id for item in facts.inputs.datasets),
        "  left": ", ".join(item.name for item in statement.subjects) if statement.is_released else "nothing",
        "as": mark.account,
        "  role": mark.words.role,
        "  statement": mark.words.statement,
        "  time": format_time(mark.words.time),
        "  chain": mark.chain_id,
        "costs": "nothing: a signature that stands in the receipt's file",
    }
    return fields(lines)


def _sign(
    session: Session, unsigned: Countersignature, envelope: Envelope, *, by_contract: bool
) -> Countersignature:
    from datatokens.ethkeys import encode_typed_data

    message = typed_data(envelope.pae, unsigned.account, unsigned.words, unsigned.chain_id)
    signed = session.get_account().sign_message(encode_typed_data(full_message=message))
    mark = replace(unsigned, signature=bytes(signed.signature))
    return _accepted(session, mark, mark.digest(envelope.pae)) if by_contract else mark


def _accepted(session: Session, mark: Countersignature, digest: bytes) -> Countersignature:
    """Return the countersignature with the block at which the contract accepts it."""
    chain = session.get_chain()
    if chain.chain_id != mark.chain_id:
        raise MismatchError(f"receipt: expected one of chain {chain.chain_id}, got one of {mark.chain_id}")
    head = chain.head()
    if not chain.accepts_signature(mark.account, digest, mark.signature, at_block=head.number):
        raise RefusedError(
            f"the contract {mark.account} doesn't accept this key's signature: nothing was written",
            code="contract-declines",
            remedy="sign with a key that may sign for it",
        )
    return replace(mark, block=BlockFacts(head.number, "0x" + head.hash.hex()))
