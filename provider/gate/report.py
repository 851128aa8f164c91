"""What the gate says of a release: its verdict, every check, and what may leave; and how privacy tests change that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from policies.egress import ENDING_BITS
from policies.privacy import PRIVACY_TESTS
from provider.gate.measured import Outcome, PrivacyResult


class GateVerdict(StrEnum):
    """What the gate says; whatever is not RELEASED stays, and what is for review stays until people decide."""

    RELEASED = "RELEASED"
    FOR_REVIEW = "WITHHELD-FOR-REVIEW"
    WITHHELD = "WITHHELD"


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One rule's name and whether it passed; `detail` says the policy's bounds, and nothing that was measured."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """One file that may leave. `source_digest` is of the file that the algorithm wrote."""

    name: str
    path: Path
    digest: str
    size_bytes: int
    source_digest: str


@dataclass(frozen=True, slots=True)
class GateReport:
    """The verdict. `rule` is empty when released; `information_bits` is what ending and released files can say at most."""

    verdict: GateVerdict
    rule: str
    checks: tuple[GateCheck, ...]
    released: tuple[ReleasedFile, ...]
    information_bits: int


def add_results(report: GateReport, results: Sequence[PrivacyResult], *, review: bool) -> GateReport:
    """Return what follows when the privacy tests of what the gate let pass ended like this.

    One that did not pass withholds and removes the files, or leaves everything to people, where there is a `review`.
    """
    tested = tuple(GateCheck(item.name, item.outcome is Outcome.PASSED, item.detail) for item in results)
    broken = next((check.name for check in tested if not check.ok), "")
    report = replace(report, checks=report.checks + tested)
    if not broken and tested:
        return report
    if review:
        return replace(report, verdict=GateVerdict.FOR_REVIEW, rule=broken)
    for file in report.released:
        file.path.unlink(missing_ok=True)
    return replace(
        report,
        verdict=GateVerdict.WITHHELD,
        rule=broken or PRIVACY_TESTS[0],
        released=(),
        information_bits=ENDING_BITS,
    )
