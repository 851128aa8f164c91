"""What a receipt says about one job, as frozen records; the JSON predicate has the same shape with camelCase names.

Times are unix seconds. Amounts, byte counts and token ids are integers here and decimal strings in JSON; epsilons, deltas
and cpu seconds are decimal strings on both sides. A part that never happened is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from provider.receipts.records import Address, Decimal, DecimalInt, Digest, Hash32, Hex, Hex32


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The on-chain order that paid for the job on one dataset."""

    chain_id: int
    tx_hash: Hash32
    log_index: int
    datatoken: Address
    consumer: Address
    amount_wei: DecimalInt
    token_id: DecimalInt


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Which job: `nonce` is 32 random bytes that make the logged hash hiding; `request` is the signed request as JSON.

    `orders` has one for each dataset, in their order, or none when the job was never ordered.
    """

    id: Hex32
    nonce: Hex32
    consumer: Address
    attempt: int
    orders: tuple[OrderFacts, ...]
    request: dict[str, Any]
    request_signature: Hex


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """One dataset as it stood in the registry."""

    asset_id: Hex32
    token_id: DecimalInt
    commitment: Digest
    scheme: str
    metadata_digest: Digest


@dataclass(frozen=True, slots=True)
class InputsFacts:
    """What went in: by digest, never raw statistics."""

    datasets: tuple[DatasetFacts, ...]
    algorithm: Digest
    image: Digest | None
    parameters_digest: Digest
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One rule of a dataset's policy and what it said."""

    asset_id: Hex32
    name: str
    verdict: str
    detail: str


@dataclass(frozen=True, slots=True)
class WitnessFacts:
    """A policy's demand: at least `threshold` of these keys must have cosigned the checkpoint in the proof."""

    threshold: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewDemandFacts:
    """A policy's demand: `needed` of these accounts, the consumer left out, decide on a release before it leaves.

    `when` is `always`, or `not-passed`: where a privacy test of the gate did not pass.
    """

    when: str
    needed: int
    reviewers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """The decision: policy document digests in the order of the datasets, engine and version, every rule.

    `witnesses` and `reviews` have the demands of those policies, each once; they are empty when none demands any.
    """

    digests: tuple[Digest, ...]
    engine: str
    decision: str
    rules: tuple[RuleFacts, ...]
    decided: int
    witnesses: tuple[WitnessFacts, ...]
    reviews: tuple[ReviewDemandFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What the probe saw: whether all was as expected, the digest of its table, the table's number of rows."""

    passed: bool
    digest: Digest
    rows: int


@dataclass(frozen=True, slots=True)
class DeterminismFacts:
    """What the seal fixed so that the run can be repeated, and the class of the processor, which decides the last digits."""

    threads: int
    hash_seed: int
    deterministic_algorithms: bool
    architecture: str
    vendor: str
    level: str

    @property
    def processor(self) -> str:
        """The class of the processor in a few words."""
        return f"{self.architecture} {self.vendor} {self.level}"


@dataclass(frozen=True, slots=True)
class SandboxFacts:
    """The seal that was in force; `probe` is None when the container never got as far."""

    runtime: str
    profile: Digest
    limits: dict[str, Any]
    determinism: DeterminismFacts
    probe: ProbeFacts | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What happened inside: `reason` is from the fixed list of exit reasons.

    `logs` is the policy's word on who may read what the algorithm printed: `owner`, `nobody`, or `consumer` as well.
    """

    started: int
    finished: int
    reason: str
    cpu_s: Decimal
    peak_memory_bytes: DecimalInt
    bytes_written: DecimalInt
    log_digest: Digest
    logs: str


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """One produced file: its declared name or `undeclared`, as produced and, if it left, as released."""

    name: str
    digest: Digest
    size_bytes: DecimalInt
    released: bool
    released_digest: Digest | None


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    """Privacy spent: decimal strings, None where the mechanism has no such number."""

    mechanism: str
    accountant: str | None
    epsilon: Decimal | None
    delta: Decimal | None
    ledger_before: Decimal | None
    ledger_after: Decimal | None
    ledger_cap: Decimal | None
    information_bits: DecimalInt


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """One check of the gate."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """What one reviewer signed: the action `review.decide`, with all that its signature is over; see `reviews`.

    `decision` is `release` or `withhold`. `reason` is a digest that hides the reviewer's words. `decided` is rounded, and
    the only field that the provider, and not the reviewer, vouches for.
    """

    reviewer: Address
    decision: str
    decided: int
    reason: Digest
    nonce: Hex32
    expiry: int
    signature: Hex


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """A review in which every decision needed was made.

    `looked_at` commits to the files and checks that the reviewers were shown. `salt`, which opens it, stands in the receipt
    of what was released; of what stays, nobody can test a guess.
    """

    looked_at: Digest
    salt: Hex32 | None
    decisions: tuple[DecisionFacts, ...]


@dataclass(frozen=True, slots=True)
class EgressFacts:
    """How it ended: verdict RELEASED or WITHHELD, the job's outcome, the gate and its checks, the rule that said no.

    `review` is None where nobody had to look, or not all decisions needed were made.
    """

    verdict: str
    outcome: str
    gate: str
    checks: tuple[CheckFacts, ...]
    rule: str
    review: ReviewFacts | None = None


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """A recent block: the receipt was made after it."""

    number: int
    hash: Hash32


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """Who made the receipt: chain account, log origin, digest of the software, ids of the signing keys."""

    address: Address
    origin: str
    software: Digest
    keyids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogFacts:
    """Where the receipt stands in the log."""

    origin: str
    index: int


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """The whole predicate."""

    job: JobFacts
    inputs: InputsFacts
    policy: PolicyFacts
    sandbox: SandboxFacts | None
    run: RunFacts | None
    outputs: tuple[OutputFacts, ...]
    privacy: PrivacyFacts
    egress: EgressFacts
    not_before: BlockFacts
    provider: ProviderFacts
    log: LogFacts
