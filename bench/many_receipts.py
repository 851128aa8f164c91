"""Makes any number of valid receipts in one log, fast: for benchmarks and tests that need a provider's whole life.

`make_receipts` yields facts and envelope of one job after the other, so that 20,000 need no more memory than one;
`anchor_log` signs and anchors checkpoints over their leaf hashes. Every job has a request, an order and a nonce of its own.
20,000 take about ten seconds of processor time. Most were released, every tenth was withheld, every 25th refused before it was ordered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from policies.canonical import sha256
from provider.receipts.envelope import PAYLOAD_TYPE, Envelope, EnvelopeSignature, pae
from provider.receipts.facts import JobFacts, ReceiptFacts
from provider.receipts.keys import SigningKeys
from provider.receipts.log import entry_bytes
from provider.receipts.note import Checkpoint, sign_checkpoint
from provider.receipts.proof import format_proof
from provider.receipts.statement import build_statement, job_record
from provider.receipts.tree import inclusion_proof, leaf_hash, root_of
from provider.receipts.trust import TRUST_VERSION, Anchor, TrustRoot
from tests.receipt_samples import (
    ANCHOR_BLOCK,
    ANCHOR_TIME,
    CHAIN_ID,
    ESCROW,
    ORIGIN,
    PROVIDER,
    refused,
    sample_facts,
    sample_request,
    sign_request,
    trusted_key,
    withheld,
)

WITHHELD_EVERY = 10
REFUSED_EVERY = 25
ANCHOR_EVERY_S = 60


@dataclass(frozen=True, slots=True)
class MadeReceipt:
    """One receipt: what it says, its envelope, and the leaf hash of its log entry."""

    facts: ReceiptFacts
    envelope: Envelope
    leaf: bytes


@dataclass(frozen=True, slots=True)
class AnchoredLog:
    """Signed checkpoints over a log, smallest first, and the trust root that has them all anchored."""

    leaves: Sequence[bytes]
    checkpoints: tuple[Checkpoint, ...]
    notes: tuple[str, ...]
    trust: TrustRoot

    def make_proof(self, index: int) -> bytes:
        """Return the proof file of an entry under the newest checkpoint; takes time in proportion to the log's size."""
        path = inclusion_proof(self.leaves, index, self.checkpoints[-1].size)
        return format_proof(index, path, self.notes[-1]).encode()


def make_receipts(keys: SigningKeys, count: int) -> Iterator[MadeReceipt]:
    """Yield `count` receipts in the order of the log that they make."""
    first = sample_facts(keys, index=0)
    patterns = [_Pattern.of(facts) for facts in (first, withheld(first), refused(first))]
    keyids = keys.keyids
    for index in range(count):
        facts, payload = patterns[_kind_of(index)].fill_in(index)
        message = pae(PAYLOAD_TYPE, payload)
        signatures = zip(keyids, (keys.sign_p256(message), keys.sign_secp256k1(message)), strict=True)
        envelope = Envelope(payload, PAYLOAD_TYPE, tuple(EnvelopeSignature(*each) for each in signatures))
        yield MadeReceipt(facts, envelope, leaf_hash(entry_bytes(message)))


def anchor_log(keys: SigningKeys, leaves: Sequence[bytes], sizes: Sequence[int]) -> AnchoredLog:
    """Sign a checkpoint of each size, smallest first, each anchored a block after the one before."""
    checkpoints = tuple(Checkpoint(ORIGIN, size, root_of(leaves[:size])) for size in sizes)
    anchors = tuple(_anchor(checkpoint, number) for number, checkpoint in enumerate(checkpoints))
    trust = TrustRoot(TRUST_VERSION, CHAIN_ID, ESCROW, PROVIDER, ORIGIN, (trusted_key(keys),), anchors)
    notes = tuple(sign_checkpoint(checkpoint, keys) for checkpoint in checkpoints)
    return AnchoredLog(leaves, checkpoints, notes, trust)


def _kind_of(index: int) -> int:
    if index % REFUSED_EVERY == REFUSED_EVERY - 1:
        return 2
    return int(index % WITHHELD_EVERY == WITHHELD_EVERY - 1)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The statement of one job, to be made another job's by replacing text: far faster than building each anew."""

    facts: ReceiptFacts
    payload: bytes
    record: bytes

    @classmethod
    def of(cls, facts: ReceiptFacts) -> _Pattern:
        return cls(facts, build_statement(facts), job_record(facts))

    def fill_in(self, index: int) -> tuple[ReceiptFacts, bytes]:
        job = _job_of(self.facts.job, index)
        changes = dict(zip(_words_of(self.facts.job), _words_of(job), strict=True))
        record = _replace_all(self.record, changes)
        changes |= {sha256(self.record).hex(): sha256(record).hex(), '"index":0': f'"index":{index}'}
        facts = replace(self.facts, job=job, log=replace(self.facts.log, index=index))
        return facts, _replace_all(self.payload, changes)


def _job_of(job: JobFacts, index: int) -> JobFacts:
    word = f"{index:064x}"
    request = sample_request(nonce=word)
    job_id, signature = sign_request(request)
    orders = tuple(replace(order, tx_hash=f"0x{word}") for order in job.orders)
    return replace(job, id=job_id, nonce=word, orders=orders, request=request, request_signature=signature)


def _words_of(job: JobFacts) -> tuple[str, ...]:
    """Return what in a job is its own."""
    hashes = (order.tx_hash for order in job.orders)
    return job.id, job.nonce, job.request_signature, str(job.request["nonce"]), *hashes


def _replace_all(data: bytes, changes: dict[str, str]) -> bytes:
    for old, new in changes.items():
        data = data.replace(old.encode(), new.encode())
    return data


def _anchor(checkpoint: Checkpoint, number: int) -> Anchor:
    word = number.to_bytes(32)
    time = ANCHOR_TIME + number * ANCHOR_EVERY_S
    return Anchor(checkpoint.size, checkpoint.root, ANCHOR_BLOCK + number, word, time, f"0x{word.hex()}")
