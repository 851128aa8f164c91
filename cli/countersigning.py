"""Countersigns a receipt: shows what it says and what will be signed, asks, and writes one more signature into its file.

Verifies nothing of the receipt. A contract's countersignature (ERC-1271) is written only once the contract accepts it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from provider.receipts.signatures import checksum_address, find_recovered_from_digest
from provider.receipts.statement import Statement

if TYPE_CHECKING:
    from cli.context import Session

RECEIPT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to say of a receipt.

    `account` is who says it, the key's own without one. `signature` was made elsewhere, over words of that `time`.
    """

    file: Path
    role: str
    statement: str
    account: str | None = None
    instead: bool = False
    time: int | None = None
    signature: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A countersignature before it is signed, with the receipt that it is for."""

    mark: Countersignature
    envelope: Envelope
    statement: Statement

    @property
    def message(self) -> dict[str, Any]:
        """The typed data to sign."""
        return typed_data(self.envelope.pae, self.mark.account, self.mark.words, self.mark.chain_id)

    @property
    def digest(self) -> bytes:
        """The 32 bytes that are signed."""
        return self.mark.digest(self.envelope.pae)


def countersign(session: Session, wish: Wish) -> Countersignature:
    """Sign, or take the signature made elsewhere, and replace the receipt's file by one that holds it as well.

    Raises:
        InputError: the file or the words can't be used.
        MalformedError, StatementRefusedError: the file is no receipt.
        DeclinedError: who was asked said no; nothing is signed.
        RefusedError: the signature isn't the account's, and it is no contract that accepts it.
        CountersignatureError: the account has signed in this role, or there is no room.
    """
    draft = _draft(session, wish)
    signer = session.get_address() if wish.signature is None else "a signature made elsewhere"
    session.output.say(_describe(draft, signer))
    ask(session)
    signature = _sign(session, draft) if wish.signature is None else wish.signature
    mark = _accepted(session, replace(draft.mark, signature=signature), draft.digest)
    marked = add_countersignature(draft.envelope, mark, instead=wish.instead)
    write_file(wish.file, format_receipt(marked), mode=RECEIPT_MODE)
    return mark


def describe_message(session: Session, wish: Wish) -> dict[str, Any]:
    """Return what a wallet has to sign (EIP-712); fails as `countersign`, and writes nothing."""
    return _draft(session, wish).message


def _draft(session: Session, wish: Wish) -> _Draft:
    envelope, statement = read_receipt(wish.file)
    words = Words(wish.role, wish.statement, int(time.time()) if wish.time is None else wish.time)
    try:
        check_words(words)
    except MalformedError as exc:
        raise InputError(str(exc), code="countersignature-invalid") from exc
    account = checksum_address(wish.account or session.get_address())
    mark = Countersignature(chain_id_of(statement.facts.log.origin), account, words, b"unsigned")
    add_countersignature(envelope, mark, instead=wish.instead)
    return _Draft(mark, envelope, statement)


def _describe(draft: _Draft, signer: str) -> str:
    """Return what will be signed, one fact a line."""
    facts, words = draft.statement.facts, draft.mark.words
    left = [item.name for item in draft.statement.subjects] if draft.statement.is_released else []
    lines = {
        "to sign": "a countersignature of a receipt, which was not verified here",
        "  receipt": digest_of(draft.envelope.pae),
        "  job": f"{facts.job.id}, {facts.egress.outcome}",
        "  datasets": ", ".join(item.asset_id for item in facts.inputs.datasets),
        "  left": ", ".join(left) or "nothing",
        "  role": words.role,
        "  statement": words.statement,
        "  time": format_time(words.time),
        "  chain": draft.mark.chain_id,
        "for": draft.mark.account,
        "as": signer,
        "costs": "nothing: a signature that stands in the receipt's file",
    }
    return fields(lines)


def _sign(session: Session, draft: _Draft) -> bytes:
    from datatokens.ethkeys import encode_typed_data

    message = encode_typed_data(full_message=draft.message)
    return bytes(session.get_account().sign_message(message).signature)


def _accepted(session: Session, mark: Countersignature, digest: bytes) -> Countersignature:
    """Return the countersignature as it holds: the account's own, or a contract's with the block at which it accepts it."""
    if find_recovered_from_digest(mark.signature, digest) == mark.account:
        return mark
    chain = session.get_chain()
    if chain.chain_id != mark.chain_id:
        raise MismatchError(f"receipt: expected one of chain {chain.chain_id}, got one of {mark.chain_id}")
    head = chain.head()
    if not chain.accepts_signature(mark.account, digest, mark.signature, at_block=head.number):
        raise RefusedError(
            f"the signature is not by {mark.account}, nor does a contract there accept it: nothing was written",
            code="not-countersigned",
            remedy="sign with a key that may sign for the account, over the very words and time that are given",
        )
    return replace(mark, block=BlockFacts(head.number, "0x" + head.hash.hex()))
