"""What the store gives back: plain frozen values, detached from any session."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from policies.mechanisms import Mechanism, PrivacyCost
from provider.credentials import Credential
from provider.jobs.states import State
from provider.receipts.facts import ReceiptFacts
from provider.wire import JobRequest


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset described beside the data; `token_id` and `asset_id` once it is on chain."""

    id: int
    owner: str
    path: str
    name: str
    description: str
    commitment: str
    metadata_digest: str
    policy_digest: str
    files: int
    size_bytes: int
    prepared: int
    token_id: int | None
    asset_id: str | None


@dataclass(frozen=True, slots=True)
class AlgorithmRecord:
    """An uploaded bundle."""

    digest: str
    blob: str
    name: str
    version: str
    image: str


@dataclass(frozen=True, slots=True)
class ApprovalRequestRecord:
    """Somebody asked a dataset's owner to approve an algorithm."""

    asset_id: str
    algorithm: str
    requester: str
    purpose: str
    message: str
    requested: int
    declined: int | None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """The order that pays for a job on one dataset, as the chain showed it when the job was queued."""

    order_id: str
    token_id: int
    consumer: str
    amount_wei: str
    datatoken: str
    tx_hash: str
    log_index: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job and where it stands; `cancelled_by` is who first asked to stop it.

    `orders` has one for each dataset of the request, in their order, or none while it isn't paid.
    """

    job_id: str
    consumer: str
    request: JobRequest
    signature: str
    parameters: str
    submitted: int
    state: State
    code: str
    message: str
    attempt: int
    cancel_requested: int | None
    cancelled_by: str | None
    orders: tuple[OrderRecord, ...]
    release: str | None
    log_blob: str | None
    credentials: tuple[Credential, ...] = ()


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One line of a job's timeline."""

    time: int
    state: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LogEntryRecord:
    """One receipt in the log; the proof once its checkpoint is anchored."""

    index: int
    job_id: str
    digest: bytes
    envelope: bytes
    proof: str | None
    checkpoint_size: int | None


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A signed checkpoint; anchored once it has a transaction."""

    size: int
    root: bytes
    note: str
    tx_hash: str | None
    block: int | None


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """An order that the chain still has to be told about."""

    order_id: str
    job_id: str
    ran: bool


class SpendingState(StrEnum):
    """Where a spending stands; what was returned, and what a receipt states as spent, stays so for ever."""

    RESERVED = "reserved"
    SPENT = "spent"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a job is about to reserve, on the ledger as it stood at `version`."""

    asset_id: str
    cost: PrivacyCost
    version: int


@dataclass(frozen=True, slots=True)
class SpendingRecord:
    """What one job reserved or spent; `stated` is the index of its receipt in the log, once it has one."""

    job_id: str
    asset_id: str
    consumer: str
    state: SpendingState
    cost: PrivacyCost
    reserved: int
    changed: int
    stated: int | None

    @property
    def counts(self) -> bool:
        """Whether it counts against a budget."""
        return self.state is not SpendingState.RETURNED


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """A dataset's ledger: every spending, by the time of its reservation; `version` is for a reservation on it."""

    version: int
    spendings: tuple[SpendingRecord, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """How a job's spending ends: what receipts before stated of its dataset, and its own cost."""

    before: tuple[Mechanism, ...]
    cost: PrivacyCost


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends, to be written in one transaction with its receipt; `order_ids` are those that are still open.

    `untouched` says that in the last attempt no algorithm was let at the data, for certain.
    """

    state: State
    code: str
    message: str
    order_ids: tuple[str, ...]
    ran: bool
    release: str | None = None
    log_blob: str | None = None
    untouched: bool = False


@dataclass(frozen=True, slots=True)
class Drafts:
    """The two receipts that a reviewed job may end with, but for what is known only then."""

    released: ReceiptFacts
    withheld: ReceiptFacts


@dataclass(frozen=True, slots=True)
class TableLine:
    """One line of the gate's table as reviewers see it."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ReviewRecord:
    """A release that waits for people. `drafts` is None, and `lines`, the gate's table, empty, once it is over; `outcome` says how.

    `looked_at` and `salt` are as in the receipt; `due` is when it is withheld, in unix seconds.
    """

    job_id: str
    reviewers: tuple[str, ...]
    looked_at: str
    salt: str
    drafts: Drafts | None
    lines: tuple[TableLine, ...]
    log_blob: str | None
    opened: int
    due: int
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One reviewer's signed decision; `words` are private."""

    reviewer: str
    decision: str
    reason: str
    words: str
    nonce: str
    expiry: int
    signature: str
    time: int
