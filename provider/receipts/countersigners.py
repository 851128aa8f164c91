"""Says of each countersignature of a receipt whether it holds: valid, invalid, or not to be checked, and what was checked.

- A key's signature is checked offline. A contract's is asked of the contract, at the block that it records (ERC-1271).
- In the role `owner` a chain is asked whether the account owned a dataset of the job; without one, that is said.
- What can't be read is invalid; what can't be asked is unchecked. Neither is ever valid, and nothing here raises but for
  a countersignature that was required.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from provider.receipts.checklist import Step
from provider.receipts.countersignature import (
    OWNER,
    Countersignature,
    is_countersignature,
    parse_countersignature,
)
from provider.receipts.envelope import Envelope, EnvelopeSignature
from provider.receipts.errors import EvidenceUnavailableError, MalformedError, Verdict, VerificationError
from provider.receipts.facts import BlockFacts
from provider.receipts.log import chain_id_of
from provider.receipts.signatures import find_recovered_from_digest
from provider.receipts.statement import Statement
from provider.receipts.verify import FAILED, PASSED, VerifiedReceipt

COUNTERSIGNED_STEP = "countersigned"


class Standing(StrEnum):
    """How a countersignature stands: exactly one of these."""

    VALID = "valid"
    INVALID = "invalid"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Countersigned:
    """One countersignature and how it stands; `mark` is None when it can't be read, `detail` says what was checked."""

    keyid: str
    mark: Countersignature | None
    standing: Standing
    detail: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """A role and the account, in any capitals, that must have countersigned in it."""

    role: str
    account: str


class AccountEvidence(Protocol):
    """What a chain says about accounts. Read-only; each method may be asked again.

    All raise EvidenceUnavailableError when the chain doesn't answer, or no longer has the state of that block.
    """

    def is_block(self, block: BlockFacts) -> bool:
        """Tell whether the chain has this very block."""
        ...

    def accepts(self, account: str, digest: bytes, signature: bytes, *, at_block: int) -> bool:
        """Tell whether the contract `account` says at the end of a block that the signature is its own (ERC-1271)."""
        ...

    def find_owner(self, token_id: int, *, at_block: int | None = None) -> str | None:
        """Return who owns a dataset's NFT, now or at the end of a block; None when there is none."""
        ...


def verify_countersignatures(
    envelope: Envelope, statement: Statement, chain: AccountEvidence | None = None
) -> tuple[Countersigned, ...]:
    """Judge every countersignature of an envelope, in the order in which they stand; `statement` is its payload's.

    Not checked here: the receipt itself. A countersignature says something of the receipt as it is, true or not.
    """
    entries = [item for item in envelope.signatures if is_countersignature(item.keyid)]
    return tuple(_judge(entry, envelope.pae, statement, chain) for entry in entries)


def require_countersignatures(
    receipt: VerifiedReceipt, found: Sequence[Countersigned], required: Sequence[Requirement]
) -> VerifiedReceipt:
    """Return the receipt with one more step: every countersignature required stands there and is valid.

    Raises:
        VerificationError: `not-countersigned`, with all steps done.
    """
    number = len(receipt.steps) + 1
    problems = [problem for item in required if (problem := _find_problem(item, found)) is not None]
    if problems:
        detail = "; ".join(problems)
        steps = (*receipt.steps, Step(number, COUNTERSIGNED_STEP, FAILED, detail))
        raise VerificationError(Verdict.NOT_COUNTERSIGNED, COUNTERSIGNED_STEP, detail, steps)
    detail = f"{len(required)} required, {len(found)} found"
    return replace(receipt, steps=(*receipt.steps, Step(number, COUNTERSIGNED_STEP, PASSED, detail)))


def _find_problem(required: Requirement, found: Sequence[Countersigned]) -> str | None:
    """Say why a requirement isn't met; one valid countersignature meets it, whatever else stands beside."""
    own = [item for item in found if item.mark and _is_by(item.mark, required)]
    if any(item.standing is Standing.VALID for item in own):
        return None
    said = [f"{item.standing.value}, {item.detail}" for item in own] or ["there is none that can be read"]
    return f"{required.role} {required.account}: {'; '.join(said)}"


def _is_by(mark: Countersignature, required: Requirement) -> bool:
    return (mark.words.role, mark.account.lower()) == (required.role, required.account.lower())


def _judge(
    entry: EnvelopeSignature, pae: bytes, statement: Statement, chain: AccountEvidence | None
) -> Countersigned:
    try:
        mark = parse_countersignature(entry)
    except MalformedError as exc:
        return Countersigned(entry.keyid, None, Standing.INVALID, str(exc))
    try:
        standing, detail = _judge_mark(mark, pae, statement, chain)
    except MalformedError as exc:
        standing, detail = Standing.INVALID, str(exc)
    except EvidenceUnavailableError as exc:
        standing, detail = Standing.UNCHECKED, str(exc)
    return Countersigned(entry.keyid, mark, standing, detail)


def _judge_mark(
    mark: Countersignature, pae: bytes, statement: Statement, chain: AccountEvidence | None
) -> tuple[Standing, str]:
    if mark.chain_id != chain_id_of(statement.facts.log.origin):
        return Standing.INVALID, f"is of chain {mark.chain_id}, and the receipt's log is of another"
    earliest = statement.facts.not_before.number
    if (
        mark.block is not None and mark.block.number < earliest
    ):  # whoever could sign for it then may no longer
        return (
            Standing.INVALID,
            f"names block {mark.block.number}, and the receipt was made after block {earliest}",
        )
    standing, detail = _judge_signature(mark, mark.digest(pae), chain)
    if standing is not Standing.VALID or mark.words.role != OWNER:
        return standing, detail
    if chain is None:
        return standing, f"{detail}; no chain was asked whether it owns the data"
    owned = _find_ownership(mark, statement, chain)
    if owned is None:
        return Standing.INVALID, f"{detail}, which owns no dataset of this job"
    return standing, f"{detail}; {owned}"


def _judge_signature(
    mark: Countersignature, digest: bytes, chain: AccountEvidence | None
) -> tuple[Standing, str]:
    block = mark.block
    if block is None:
        if find_recovered_from_digest(mark.signature, digest) != mark.account:
            return Standing.INVALID, "is not the account's signature over this receipt"
        return Standing.VALID, "signed by the account's key"
    if chain is None:
        return Standing.UNCHECKED, f"only a chain can say what the contract accepted at block {block.number}"
    if not chain.is_block(block):
        return Standing.INVALID, f"names a block {block.number} that the chain doesn't have"
    if not chain.accepts(mark.account, digest, mark.signature, at_block=block.number):
        return Standing.INVALID, f"the contract didn't accept it at block {block.number}"
    return Standing.VALID, f"accepted by the contract at block {block.number}"


def _find_ownership(mark: Countersignature, statement: Statement, chain: AccountEvidence) -> str | None:
    """Say which dataset of the job the account owns, or owned at the block of the signature, or of the decision."""
    facts = statement.facts
    block = (mark.block or facts.not_before).number
    tokens = [item.token_id for item in facts.inputs.datasets]
    if (token := _first_owned(mark, tokens, chain)) is not None:
        return f"owns dataset {token} now"
    if (token := _first_owned(mark, tokens, chain, at_block=block)) is not None:
        return f"owned dataset {token} at block {block}, and no longer does"
    return None


def _first_owned(
    mark: Countersignature, tokens: Sequence[int], chain: AccountEvidence, *, at_block: int | None = None
) -> int | None:
    owners = ((token, chain.find_owner(token, at_block=at_block)) for token in tokens)
    return next((token for token, owner in owners if owner and owner.lower() == mark.account.lower()), None)
