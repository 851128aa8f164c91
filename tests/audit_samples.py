"""Logs to audit: honest ones, and what one dishonest change makes of them. The keys, signatures and files are real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.many_receipts import MadeReceipt, make_receipts
from cli.auditing import Material, run_audit
from cli.mirrored import receipts_name
from datatokens.model import Approval, Block, OrderPlaced, OrderStatus, PolicyRecord
from policies.canonical import parse_digest
from provider.audit.chain import RegisteredDataset
from provider.audit.orders import OrderRecord
from provider.audit.report import AnchorGas, Report
from provider.receipts.envelope import Envelope, sign_envelope
from provider.receipts.facts import PrivacyFacts, ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.statement import build_statement
from provider.receipts.tiles import Tile
from provider.receipts.tree import root_of
from provider.receipts.trust import Anchor, TrustRoot
from tests.log_samples import KEYS, SampleLog
from tests.privacy_samples import spent
from tests.receipt_samples import (
    ANCHOR_BLOCK,
    ANCHOR_TIME,
    CHAIN_ID,
    ESCROW,
    ORIGIN,
    PROVIDER,
    digest,
    trusted_key,
)

SIZE = 30
SIZES = (10, 20, 30)
FILE = "audit.sqlite"


@dataclass(slots=True)
class Draft:
    """A log before it is laid out: what its receipts say, who signs them, what is anchored, and what is shown.

    `shown` are other receipts with entries of their own, `served` other bytes beside the entries that are logged.
    """

    facts: list[ReceiptFacts]
    sizes: tuple[int, ...] = SIZES
    signer: dict[int, SigningKeys] = field(default_factory=dict)
    shown: dict[int, Envelope] = field(default_factory=dict)
    served: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None
    asked: int | None = None
    note: str = ""
    checkpoint_keys: SigningKeys = KEYS
    trust: Callable[[TrustRoot], TrustRoot] = lambda trust: trust
    chain: SampleChain | None = None
    seen: tuple[str, ...] = ()
    releases: dict[str, dict[str, bytes]] | None = None

    def change(self, index: int, **changes: Any) -> None:
        """Change what one receipt says."""
        self.facts[index] = replace(self.facts[index], **changes)

    def log(self) -> SampleLog:
        return SampleLog([self._sign(index, facts) for index, facts in enumerate(self.facts)])

    def _sign(self, index: int, facts: ReceiptFacts) -> Envelope:
        """Sign what was changed; what wasn't was signed once for all drafts."""
        made = _made(len(self.facts))[index]
        if facts is made.facts and index not in self.signer:
            return made.envelope
        return sign_envelope(build_statement(facts), self.signer.get(index, KEYS))

    def audit(self, folder: Path) -> Report:
        """Lay the log out and audit it; a second call is the next audit of the same auditor."""
        log = self.log()
        shown = SampleLog([self.shown.get(index, item) for index, item in enumerate(log.envelopes)])
        size = len(self.facts) if self.size is None else self.size
        copy = folder / "log"
        shown.lay_out(copy, size)
        (copy / "checkpoint").write_text(self.note or shown.checkpoint(size, self.checkpoint_keys))
        lines = [self.served.get(index, item.to_json()) for index, item in enumerate(shown.envelopes[:size])]
        bundle = copy / receipts_name(Tile(None, 0, size))
        bundle.write_bytes(b"".join(line + b"\n" for line in lines))
        if self.releases is not None:
            for job_id, files in self.releases.items():
                (folder / "releases" / job_id).mkdir(parents=True, exist_ok=True)
                for name, data in files.items():
                    (folder / "releases" / job_id / name).write_bytes(data)
        chain = self.chain
        material = Material(
            copy,
            self.trust(anchored(log, self.sizes)),
            folder / FILE,
            asked=self.asked,
            current=chain is not None,
            seen=self.seen,
            releases=None if self.releases is None else folder / "releases",
        )
        return run_audit(material, None if chain is None else lambda _: chain)


def anchored(log: SampleLog, sizes: Iterable[int]) -> TrustRoot:
    """Return the trust root that has roots of these sizes anchored, a block and a minute after one another."""
    anchors = tuple(
        Anchor(
            size,
            root_of(log.leaves[:size]),
            ANCHOR_BLOCK + number,
            number.to_bytes(32),
            ANCHOR_TIME + 60 * number,
            f"0x{number:064x}",
        )
        for number, size in enumerate(sizes)
    )
    return TrustRoot(1, CHAIN_ID, ESCROW, PROVIDER, ORIGIN, (trusted_key(KEYS),), anchors)


def honest(count: int = SIZE) -> Draft:
    """Return an honest log."""
    return Draft([made.facts for made in _made(count)])


@cache
def _made(count: int) -> tuple[MadeReceipt, ...]:
    return tuple(make_receipts(KEYS, count))


def with_chain(count: int = SIZE) -> Draft:
    """Return an honest log, and a chain that bears it out."""
    draft = honest(count)
    draft.chain = SampleChain(draft.facts)
    return draft


def spending(draft: Draft, *epsilons: str, cap: str = "8") -> Draft:
    """Have the first jobs spend privacy, each from where the one before left the ledger."""
    left = 0.0
    for index, epsilon in enumerate(epsilons):
        after = left + float(epsilon)
        draft.change(index, privacy=ledger(f"{left:g}", f"{after:g}", epsilon, cap=cap))
        left = after
    return draft


def ledger(before: str, after: str, epsilon: str, *, cap: str = "8", noise: str = "20") -> PrivacyFacts:
    """Return what a job says that spent privacy."""
    return spent(before, after, epsilon, cap=cap, noise=noise)


class SampleChain:
    """A chain that agrees with receipts: their orders settled or refunded, their datasets registered, all approved."""

    def __init__(self, facts: list[ReceiptFacts]) -> None:
        self.head = Block(ANCHOR_BLOCK + 100, bytes(32), ANCHOR_TIME + 1000)
        self.orders = {item.job.id: _order_of(item) for item in facts if item.job.orders}
        self.placed = {item.job.id: _placed_of(item) for item in facts if item.job.orders}
        said = facts[0].inputs.datasets[0]
        start = Block(1, bytes(32), ANCHOR_TIME - 10_000)
        self.datasets: dict[int, RegisteredDataset] = {
            said.token_id: RegisteredDataset(
                said.asset_id,
                parse_digest(said.commitment),
                PROVIDER,
                facts[0].job.orders[0].datatoken,
                (PolicyRecord(parse_digest(digest("policy")), start),),
            )
        }
        self.approval: Approval | None = Approval(
            parse_digest(digest("algorithm")), ANCHOR_TIME - 5000, ANCHOR_TIME + 5000, 0
        )
        self.block_hash = bytes.fromhex(facts[0].not_before.hash[2:])

    def read_orders(self) -> None:
        """There is nothing to read."""

    def list_orders(self, anchored: int) -> Iterator[OrderRecord]:  # noqa: ARG002 - all times are known
        yield from sorted(self.orders.values(), key=lambda order: order.job_id)

    def read_blocks(self, numbers: Iterable[int]) -> None:
        """There is nothing to read."""

    def list_gas(self, anchors: Sequence[Anchor], *, before: int) -> tuple[AnchorGas, ...]:
        sizes = [before, *(anchor.size for anchor in anchors)]
        return tuple(
            AnchorGas(a.size, a.size - size, a.time, 60_000) for a, size in zip(anchors, sizes, strict=False)
        )

    def find_order(self, job_id: str, consumer: str, token_id: int) -> OrderPlaced | None:
        placed = self.placed.get(job_id)
        same = placed and (placed.consumer.lower(), placed.token_id) == (consumer.lower(), token_id)
        return placed if same else None

    def find_dataset(self, token_id: int) -> RegisteredDataset | None:
        return self.datasets.get(token_id)

    def find_approval(self, token_id: int, algorithm: bytes, at_block: int, by: int) -> Approval | None:  # noqa: ARG002 - nothing comes later
        known = (
            self.approval is not None and self.approval.algorithm == algorithm and token_id in self.datasets
        )
        return self.approval if known and at_block > 1 else None

    def find_block(self, number: int) -> Block | None:
        return Block(number, self.block_hash, ANCHOR_TIME - 100) if number <= self.head.number else None

    def end(self, job_id: str, **changes: Any) -> None:
        """Have an order stand otherwise."""
        self.orders[job_id] = replace(self.orders[job_id], **changes)


def _order_of(facts: ReceiptFacts) -> OrderRecord:
    order = facts.job.orders[0]
    return OrderRecord(
        job_id=facts.job.id,
        consumer=order.consumer,
        token_id=order.token_id,
        tx_hash=order.tx_hash,
        block=ANCHOR_BLOCK - 20,
        deadline=ANCHOR_TIME + 500,
        status=OrderStatus.SETTLED,
        ended_block=ANCHOR_BLOCK,
        ended_time=ANCHOR_TIME,
        ended_tx="0x" + "ee" * 32,
    )


def _placed_of(facts: ReceiptFacts) -> OrderPlaced:
    order = facts.job.orders[0]
    return OrderPlaced(
        order_id=b"",
        job_id=bytes.fromhex(facts.job.id),
        token_id=order.token_id,
        consumer=order.consumer,
        provider=PROVIDER,
        amount_wei=order.amount_wei,
        tx_hash=order.tx_hash,
        log_index=order.log_index,
        block_number=ANCHOR_BLOCK - 20,
        deadline=ANCHOR_TIME + 500,
    )
