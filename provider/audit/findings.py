"""What an audit can find: every code with how grave it is, what it needs to be looked for, and what was looked at.

The codes stand in the order of their gravity; the first of a report names what the provider did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from provider.receipts.errors import Verdict


class Severity(IntEnum):
    """How grave a finding is; from `WARNING` on, an audit isn't clean."""

    NOTE = 0
    WARNING = 1
    SERIOUS = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """How it is written."""
        return self.name.lower()


class Need(StrEnum):
    """What a check needs; without it the check is skipped, and said to be."""

    LOG = "the log"
    CHAIN = "a chain"
    RELEASES = "released files"
    SEEN = "a checkpoint seen before or elsewhere"


class Code(StrEnum):
    """One kind of finding."""

    SPLIT_VIEW = "split-view"
    HISTORY_REWRITTEN = "history-rewritten"
    LOG_TRUNCATED = "log-truncated"
    ANCHORS_BROKEN = "anchors-broken"
    CLOSED_LOG_GOES_ON = "closed-log-goes-on"
    CHECKPOINT_DIFFERS = "checkpoint-differs"
    ENTRY_DIFFERS = "entry-differs"
    UNKNOWN_KEY = Verdict.UNKNOWN_KEY.value
    BAD_SIGNATURE = Verdict.BAD_SIGNATURE.value
    KEY_NOT_VALID_THEN = Verdict.KEY_NOT_VALID_THEN.value
    MALFORMED = Verdict.MALFORMED.value
    STATEMENT_REFUSED = Verdict.STATEMENT_REFUSED.value
    SECOND_RECEIPT = "second-receipt"
    ORDER_REUSED = "order-reused"
    RAN_WITHOUT_ORDER = "ran-without-order"
    ORDER_MISMATCH = "order-mismatch"
    PRIVACY_OVERSPENT = "privacy-overspent"
    PRIVACY_LEDGER_BROKEN = "privacy-ledger-broken"
    PRIVACY_SUM_WRONG = "privacy-sum-wrong"
    NOT_APPROVED = "not-approved"
    POLICY_NOT_CURRENT = "policy-not-current"
    DATASET_MISMATCH = "dataset-mismatch"
    BLOCK_MISMATCH = "block-mismatch"
    RELEASE_DIFFERS = "release-differs"
    SETTLED_WITHOUT_RECEIPT = "settled-without-receipt"
    SETTLED_WITHOUT_RUN = "settled-without-run"
    ANCHORING_STOPPED = "anchoring-stopped"
    REFUNDED_THOUGH_RAN = "refunded-though-ran"
    OUT_OF_ORDER = "out-of-order"
    ANCHORED_LATE = "anchored-late"
    COPY_BEHIND = "copy-behind"
    REFUNDED_WITHOUT_RECEIPT = "refunded-without-receipt"
    ORDER_UNANSWERED = "order-unanswered"
    CAP_CHANGED = "cap-changed"
    NOT_ANCHORED_YET = "not-anchored-yet"
    LOG_CLOSED = "log-closed"
    STATE_DISCARDED = "state-discarded"


@dataclass(frozen=True, slots=True)
class Kind:
    """How grave a code is, what it needs, and what holds where it isn't found."""

    severity: Severity
    need: Need
    rule: str


def _critical(rule: str, need: Need = Need.LOG) -> Kind:
    return Kind(Severity.CRITICAL, need, rule)


KINDS: dict[Code, Kind] = {
    Code.SPLIT_VIEW: _critical(
        "a checkpoint that was shown before or elsewhere is one of this log", Need.SEEN
    ),
    Code.HISTORY_REWRITTEN: _critical("at each anchored size, the entries have the root that the chain has"),
    Code.LOG_TRUNCATED: _critical("the log has every entry that was anchored, or seen before"),
    Code.ANCHORS_BROKEN: _critical("anchored sizes grow, in the order of their blocks"),
    Code.CLOSED_LOG_GOES_ON: _critical("a closed log was never anchored again"),
    Code.CHECKPOINT_DIFFERS: _critical("the entries have the root of the log's own checkpoint"),
    Code.ENTRY_DIFFERS: _critical("the log entry is the digest of the receipt shown for it"),
    Code.UNKNOWN_KEY: _critical("receipts and checkpoint are signed by keys that the provider published"),
    Code.BAD_SIGNATURE: _critical("every signature is over what it stands beside"),
    Code.KEY_NOT_VALID_THEN: _critical("the keys were in force at the first anchor that covers the receipt"),
    Code.MALFORMED: _critical("receipts, entries and checkpoint can be read in their one form"),
    Code.STATEMENT_REFUSED: _critical(
        "each statement is sound, of this log and index, on a request that its consumer signed"
    ),
    Code.SECOND_RECEIPT: _critical("no job has two receipts"),
    Code.ORDER_REUSED: _critical("no order pays for two jobs"),
    Code.RAN_WITHOUT_ORDER: _critical("no job ran without an order"),
    Code.ORDER_MISMATCH: _critical(
        "each order named is on chain for this job, consumer, dataset and amount, before it ran", Need.CHAIN
    ),
    Code.PRIVACY_OVERSPENT: _critical(
        "no privacy ledger passed its cap, nor the filter for jobs chosen by earlier results"
    ),
    Code.PRIVACY_LEDGER_BROKEN: _critical(
        "a dataset's ledger begins where the receipt before left it, at the same delta"
    ),
    Code.PRIVACY_SUM_WRONG: _critical(
        "what a job spent, and where a ledger stands, is no less than the mechanisms in the receipts compose to"
    ),
    Code.NOT_APPROVED: _critical(
        "the owner's approval of the algorithm held when a job was decided", Need.CHAIN
    ),
    Code.POLICY_NOT_CURRENT: _critical(
        "the policy applied was the one on chain when a job was decided", Need.CHAIN
    ),
    Code.DATASET_MISMATCH: _critical(
        "each dataset is the registry's, and this provider keeps it", Need.CHAIN
    ),
    Code.BLOCK_MISMATCH: _critical("the block that a receipt says it was made after is on chain", Need.CHAIN),
    Code.RELEASE_DIFFERS: _critical("the files that left are those that the receipt names", Need.RELEASES),
    Code.SETTLED_WITHOUT_RECEIPT: _critical("every order that was settled has a receipt", Need.CHAIN),
    Code.SETTLED_WITHOUT_RUN: _critical("every order that was settled is of a job that ran", Need.CHAIN),
    Code.ANCHORING_STOPPED: Kind(
        Severity.SERIOUS,
        Need.LOG,
        "the provider still anchors: the newest receipts are under a root, and newer orders are answered",
    ),
    Code.REFUNDED_THOUGH_RAN: Kind(
        Severity.SERIOUS, Need.CHAIN, "the provider refunded no order of a job that ran"
    ),
    Code.OUT_OF_ORDER: Kind(
        Severity.WARNING, Need.LOG, "receipts stand in the order in which jobs ended, before their anchors"
    ),
    Code.ANCHORED_LATE: Kind(Severity.WARNING, Need.LOG, "receipts were anchored soon after their jobs"),
    Code.COPY_BEHIND: Kind(Severity.WARNING, Need.LOG, "the copy of the log has all that was anchored"),
    Code.REFUNDED_WITHOUT_RECEIPT: Kind(
        Severity.WARNING, Need.CHAIN, "every order that the provider refunded has a receipt"
    ),
    Code.ORDER_UNANSWERED: Kind(Severity.NOTE, Need.CHAIN, "no order was left past its deadline"),
    Code.CAP_CHANGED: Kind(Severity.NOTE, Need.LOG, "the caps of the privacy ledgers stayed the same"),
    Code.NOT_ANCHORED_YET: Kind(Severity.NOTE, Need.LOG, "the chain has the root of the whole log"),
    Code.LOG_CLOSED: Kind(Severity.NOTE, Need.LOG, "the log is open"),
    Code.STATE_DISCARDED: Kind(Severity.NOTE, Need.SEEN, "what an earlier audit kept could be built on"),
}
_ORDER = {code: place for place, code in enumerate(Code)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: at which entry and job, if it is about one, in words, and with what shows it."""

    code: Code
    text: str
    index: int | None = None
    job_id: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return KINDS[self.code].severity

    def to_json(self) -> dict[str, object]:
        """Return the finding as JSON."""
        return {
            "severity": self.severity.word,
            "code": self.code.value,
            "entry": self.index,
            "job_id": self.job_id,
            "text": self.text,
            "evidence": self.evidence,
        }


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, gravest first, then by entry."""
    return sorted(findings, key=lambda item: (-item.severity, _ORDER[item.code], item.index or 0))
