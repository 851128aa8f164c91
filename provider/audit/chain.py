"""What a chain says that a receipt must agree with: orders, approvals, policies, datasets and blocks. Rules alone.

The same functions serve `receipt verify` with a chain. What a chain can't be asked is an error of who reads it, never a yes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from datatokens.model import Approval, Block, OrderPlaced, PolicyRecord
from policies.canonical import digest_text, parse_digest
from provider.audit.entries import EntryFacts
from provider.audit.findings import Code, Finding
from provider.receipts.facts import BlockFacts, DatasetFacts, OrderFacts
from provider.receipts.trust import TrustRoot
from provider.rounding import TIME_STEP_S

NOTICE_S = 3600
"""How long after an owner's word came on chain a job may be decided as if it hadn't: confirmations, and a slow node."""


@dataclass(frozen=True, slots=True)
class RegisteredDataset:
    """A dataset as the registry has it; `policies` are oldest first. Its id, data and provider never change."""

    asset_id: str
    commitment: bytes
    provider: str
    datatoken: str
    policies: tuple[PolicyRecord, ...]


class ChainFacts(Protocol):
    """What an audit asks of a chain. Each raises an error of its own when nobody answers: silence is no answer."""

    def find_order(self, job_id: str, consumer: str, token_id: int) -> OrderPlaced | None:
        """Return the event of a consumer's order for a job on a dataset."""
        ...

    def find_dataset(self, token_id: int) -> RegisteredDataset | None:
        """Return a dataset of the registry."""
        ...

    def find_approval(self, token_id: int, algorithm: bytes, at_block: int, by: int) -> Approval | None:
        """Return the owner's word on an algorithm as it stood at the end of a block, or at a time if that is later."""
        ...

    def find_block(self, number: int) -> Block | None:
        """Return a block; None when the chain isn't that long."""
        ...


def is_same_order(placed: OrderPlaced, said: OrderFacts, *, consumer: str, provider: str) -> bool:
    """Tell whether an order on chain is the one that a receipt names, for its consumer and its provider."""
    pairs = (
        (said.tx_hash.lower(), placed.tx_hash.lower()),
        (said.log_index, placed.log_index),
        (said.token_id, placed.token_id),
        (said.amount_wei, placed.amount_wei),
        (said.consumer.lower(), placed.consumer.lower()),
        (consumer.lower(), placed.consumer.lower()),
        (provider.lower(), placed.provider.lower()),
    )
    return all(first == second for first, second in pairs)


def is_same_block(block: Block, said: BlockFacts) -> bool:
    """Tell whether a block is the one that a receipt names."""
    return "0x" + block.hash.hex() == said.hash


def is_kept(dataset: RegisteredDataset, said: DatasetFacts, provider: str) -> bool:
    """Tell whether a receipt's dataset is the registry's, down to the data, and the provider is its keeper."""
    same = (dataset.asset_id, dataset.commitment) == (said.asset_id, parse_digest(said.commitment))
    return same and dataset.provider.lower() == provider.lower()


def was_approved(approval: Approval | None, block: Block, decided: int) -> bool:
    """Tell whether an approval, as it stood at the block that a decision was made on, held at the decision."""
    return approval is not None and approval.is_valid(max(block.time, decided))


def was_current(policies: Sequence[PolicyRecord], digest: bytes, block: Block, decided: int) -> bool:
    """Tell whether a policy was the one on chain at that block, or became it before the job was decided.

    A receipt states when that was rounded down to `TIME_STEP_S`. One that was replaced long before doesn't count, however
    old the block is that the provider chose to name.
    """
    until = decided + TIME_STEP_S
    later = (record for record in policies if record.block.number > block.number)
    known = [*_policy_at(policies, block), *(record for record in later if record.block.time < until)]
    noticed = [record for record in known[1:] if record.block.time + NOTICE_S < decided]
    return any(record.digest == digest for record in known[len(noticed) :])


def check_with_chain(index: int, facts: EntryFacts, chain: ChainFacts, trust: TrustRoot) -> Iterator[Finding]:
    """Yield what the chain says otherwise than a receipt."""
    yield from _check_orders(index, facts, chain, trust)
    kept = True
    for said in facts.datasets:
        dataset = chain.find_dataset(said.token_id)
        if dataset is None or not is_kept(dataset, said, trust.provider):
            kept = False
            text = f"dataset {said.asset_id} is not in the registry as the receipt has it, for this provider"
            yield Finding(Code.DATASET_MISMATCH, text, index, facts.job_id, {"token": str(said.token_id)})
    block = chain.find_block(facts.not_before.number)
    if block is None or not is_same_block(block, facts.not_before):
        text = f"the chain has another block {facts.not_before.number} than the receipt names, or none"
        yield Finding(Code.BLOCK_MISMATCH, text, index, facts.job_id, {"block": facts.not_before.hash})
    elif kept:
        yield from _check_decision(index, facts, chain, block)


def _check_orders(index: int, facts: EntryFacts, chain: ChainFacts, trust: TrustRoot) -> Iterator[Finding]:
    for said in facts.orders:
        placed = chain.find_order(facts.job_id, facts.consumer, said.token_id)
        dataset = chain.find_dataset(said.token_id)
        if (
            placed is None
            or dataset is None
            or dataset.datatoken.lower() != said.datatoken.lower()
            or not is_same_order(placed, said, consumer=facts.consumer, provider=trust.provider)
        ):
            text = f"the chain has no such order for this job on dataset number {said.token_id}"
        elif facts.ran and placed.block_number > facts.not_before.number:
            text = (
                f"the order came in block {placed.block_number}, after the block that the job was decided on"
            )
        else:
            continue
        evidence = {"transaction": said.tx_hash, "log index": str(said.log_index)}
        yield Finding(Code.ORDER_MISMATCH, text, index, facts.job_id, evidence)


def _check_decision(index: int, facts: EntryFacts, chain: ChainFacts, block: Block) -> Iterator[Finding]:
    algorithm = parse_digest(facts.algorithm)
    for said, policy in zip(facts.datasets, facts.policies, strict=True):
        evidence = {"dataset": said.asset_id, "block": str(block.number)}
        dataset = chain.find_dataset(said.token_id)
        approval = chain.find_approval(said.token_id, algorithm, block.number, facts.decided - NOTICE_S)
        if facts.ran and not was_approved(approval, block, facts.decided):
            text = f"{facts.algorithm} was not approved for dataset {said.asset_id} when the job was decided"
            yield Finding(Code.NOT_APPROVED, text, index, facts.job_id, evidence)
        known = () if dataset is None else dataset.policies
        if not was_current(known, parse_digest(policy), block, facts.decided):
            now = ", ".join(digest_text(record.digest) for record in _policy_at(known, block))
            text = f"the policy {policy} was not dataset {said.asset_id}'s when the job was decided"
            yield Finding(Code.POLICY_NOT_CURRENT, text, index, facts.job_id, evidence | {"policy then": now})


def _policy_at(policies: Sequence[PolicyRecord], block: Block) -> Sequence[PolicyRecord]:
    """Return the policy at the end of a block, alone; nothing before the first."""
    return [record for record in policies if record.block.number <= block.number][-1:]
