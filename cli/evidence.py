"""What a chain says of a receipt's orders, approvals and countersigners, for `receipt verify` with an RPC address.

Silence is an error, never a yes. Not checked here: signatures, inclusion and anchors; the checklist does those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datatokens.errors import ChainUnreachableError, NoSuchAssetError
from policies.canonical import parse_digest
from provider.audit.chain import RegisteredDataset, is_kept, is_same_block, is_same_order, was_approved
from provider.receipts.errors import EvidenceUnavailableError
from provider.receipts.facts import BlockFacts, DatasetFacts, OrderFacts, ReceiptFacts
from provider.receipts.statement import RUN_OUTCOMES, Statement

if TYPE_CHECKING:
    from datatokens.client import ChainClient
    from datatokens.model import Block, OrderPlaced


@contextmanager
def _answering(what: str) -> Iterator[None]:
    try:
        yield
    except ChainUnreachableError as exc:
        raise EvidenceUnavailableError(f"the chain doesn't answer about {what}") from exc


@dataclass(frozen=True, slots=True)
class DeploymentEvidence:
    """The evidence that one deployment holds."""

    chain: ChainClient

    def orders_match(self, statement: Statement) -> bool:
        """Tell whether each order that the receipt names stands on chain with the same terms: one for each dataset.

        Raises:
            EvidenceUnavailableError: the chain doesn't answer.
        """
        job, datasets = statement.facts.job, statement.facts.inputs.datasets
        if not job.orders:
            return not statement.is_released
        same_datasets = [item.token_id for item in job.orders] == [item.token_id for item in datasets]
        with _answering("the orders"):
            return same_datasets and all(self._stands(order, statement) for order in job.orders)

    def approvals_match(self, statement: Statement) -> bool:
        """Tell whether the owner's approval of the algorithm held for each dataset when the policy was decided.

        Raises:
            EvidenceUnavailableError: the chain doesn't answer.
        """
        facts = statement.facts
        algorithm = parse_digest(facts.inputs.algorithm)
        with _answering("approvals"):
            block = self.chain.get_block(facts.not_before.number)
            return is_same_block(block, facts.not_before) and all(
                self._is_kept(item, facts.provider.address)
                and self._was_approved(item, algorithm, facts, block)
                for item in facts.inputs.datasets
            )

    def is_block(self, block: BlockFacts) -> bool:
        """Tell whether the chain has this very block.

        Raises:
            EvidenceUnavailableError: the chain doesn't answer.
        """
        with _answering("a block"):
            return "0x" + self.chain.get_block(block.number).hash.hex() == block.hash

    def accepts(self, account: str, digest: bytes, signature: bytes, *, at_block: int) -> bool:
        """Tell whether the contract `account` says at the end of a block that the signature is its own (ERC-1271).

        Raises:
            EvidenceUnavailableError: the chain doesn't answer, or no longer has the state of that block.
        """
        with _answering("a signature"):
            return self.chain.accepts_signature(account, digest, signature, at_block=at_block)

    def find_owner(self, token_id: int, *, at_block: int | None = None) -> str | None:
        """Return who owns a dataset's NFT, now or at the end of a block; None when there is none.

        Raises:
            EvidenceUnavailableError: the chain doesn't answer.
        """
        with _answering("an owner"):
            return self.chain.find_owner(token_id, at_block=at_block)

    def _stands(self, order: OrderFacts, statement: Statement) -> bool:
        job = statement.facts.job
        try:
            asset = self.chain.get_asset(order.token_id)
        except NoSuchAssetError:
            return False
        placed = self.chain.find_order_event(bytes.fromhex(job.id), job.consumer, order.token_id)
        facts = statement.facts
        return (
            placed is not None
            and (order.chain_id, order.datatoken.lower()) == (self.chain.chain_id, asset.datatoken.lower())
            and _was_there(placed, statement)
            and is_same_order(placed, order, consumer=job.consumer, provider=facts.provider.address)
        )

    def _is_kept(self, dataset: DatasetFacts, provider: str) -> bool:
        """Tell whether the registry has this very data, with this provider."""
        try:
            asset = self.chain.get_asset(dataset.token_id)
        except NoSuchAssetError:
            return False
        terms = asset.terms
        registered = RegisteredDataset(asset.asset_id, terms.commitment, terms.provider, asset.datatoken, ())
        return is_kept(registered, dataset, provider)

    def _was_approved(
        self, dataset: DatasetFacts, algorithm: bytes, facts: ReceiptFacts, block: Block
    ) -> bool:
        """Judge by the block that the decision was made on: what the owner said later doesn't undo the past."""
        approval = self.chain.find_approval(dataset.token_id, algorithm, at_block=block.number)
        return was_approved(approval, block, facts.policy.decided)


def _was_there(placed: OrderPlaced, statement: Statement) -> bool:
    """Tell whether a job that ran was decided on a block that had its order: an older block had other approvals."""
    facts = statement.facts
    return facts.egress.outcome not in RUN_OUTCOMES or placed.block_number <= facts.not_before.number
