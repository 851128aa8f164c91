"""What an audit came to: its findings, what was checked and what could not be, and the figures of the log. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provider.audit.findings import KINDS, Code, Finding, Need, Severity

CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One check: what holds where nothing is found, whether it passed, failed or was skipped, and how often it failed."""

    code: Code
    result: str
    count: int

    def to_json(self) -> dict[str, object]:
        """Return the line as JSON."""
        kind = KINDS[self.code]
        return {
            "code": self.code.value,
            "severity": kind.severity.word,
            "rule": kind.rule,
            "result": self.result,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many jobs ended in one way on one day, in days since 1970."""

    day: int
    outcome: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Spending:
    """What stood in a dataset's privacy ledger at the end of a day, and its cap."""

    asset_id: str
    day: int
    spent: str
    cap: str | None


@dataclass(frozen=True, slots=True)
class AnchorGas:
    """What the transaction cost that anchored so many entries more."""

    size: int
    entries: int
    time: int
    gas: int


@dataclass(frozen=True, slots=True)
class Report:
    """An audit. `size` entries were seen, `new` of them in this run, `anchored` are under the newest anchor that they reach.

    `findings` are sorted, gravest first, and may list fewer than `counts` says there are.
    """

    provider: str
    origin: str
    chain_id: int
    time: int
    size: int
    new: int
    anchored: int
    anchors: int
    root: bytes
    findings: tuple[Finding, ...]
    counts: Mapping[Code, int]
    needs: frozenset[Need]
    days: tuple[DayCount, ...] = ()
    spending: tuple[Spending, ...] = ()
    gas: tuple[AnchorGas, ...] = ()

    @property
    def verdict(self) -> str:
        """The code of the gravest finding, or `clean` when there is none above a note."""
        gravest = next((f for f in self.findings if f.severity > Severity.NOTE), None)
        return CLEAN if gravest is None else gravest.code.value

    @property
    def is_clean(self) -> bool:
        """Whether nothing above a note was found."""
        return self.verdict == CLEAN

    @property
    def checks(self) -> tuple[CheckLine, ...]:
        """Every check that there is, with what came of it; what could not be checked never passed."""
        return tuple(self._line(code) for code in KINDS)

    def _line(self, code: Code) -> CheckLine:
        count = self.counts.get(code, 0)
        if count:
            return CheckLine(code, "failed", count)
        return CheckLine(code, "passed" if KINDS[code].need in self.needs else "skipped", 0)

    def to_json(self) -> dict[str, object]:
        """Return the report as JSON."""
        return {
            "verdict": self.verdict,
            "provider": self.provider,
            "origin": self.origin,
            "chain_id": self.chain_id,
            "time": self.time,
            "entries": self.size,
            "new_entries": self.new,
            "anchored_entries": self.anchored,
            "anchors": self.anchors,
            "root": self.root.hex(),
            "findings": [finding.to_json() for finding in self.findings],
            "checks": [line.to_json() for line in self.checks],
            "jobs": [{"day": d.day, "outcome": d.outcome, "jobs": d.jobs} for d in self.days],
            "privacy": [
                {"dataset": s.asset_id, "day": s.day, "spent": s.spent, "cap": s.cap} for s in self.spending
            ],
            "gas": [{"size": g.size, "entries": g.entries, "time": g.time, "gas": g.gas} for g in self.gas],
        }
