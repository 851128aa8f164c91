"""The anchors of one log in order: which of them covers an entry first, and whether they follow one another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from provider.audit.findings import Code, Finding
from provider.receipts.trust import Anchor, TrustRoot
from provider.times import format_time

LATE_S = 24 * 3600
"""How long a receipt may wait for its anchor before an audit says so."""


class Anchors:
    """A trust root's anchors, smallest size first."""

    def __init__(self, trust: TrustRoot) -> None:
        self.all = tuple(sorted(trust.anchors, key=lambda anchor: anchor.size))
        self._sizes = [anchor.size for anchor in self.all]

    @property
    def newest(self) -> Anchor | None:
        """The anchor of the largest size."""
        return self.all[-1] if self.all else None

    def first_covering(self, index: int) -> Anchor | None:
        """Return the first anchor whose root is over the entry at `index`; None while there is none."""
        place = bisect_right(self._sizes, index)
        return self.all[place] if place < len(self.all) else None

    def after(self, size: int) -> Iterator[Anchor]:
        """Yield the anchors of sizes larger than `size`."""
        yield from self.all[bisect_right(self._sizes, size) :]


def check_anchors(trust: TrustRoot) -> list[Finding]:
    """Check that sizes grow from one anchor to the next, and blocks and times don't go back."""
    found = []
    for before, after in zip(trust.anchors, trust.anchors[1:], strict=False):
        if after.size <= before.size or (after.block, after.time) < (before.block, before.time):
            found.append(
                Finding(
                    Code.ANCHORS_BROKEN,
                    f"the anchor of size {after.size} follows that of size {before.size}",
                    evidence={"transaction": after.tx, "before": before.tx},
                )
            )
    return found


def check_closed(trust: TrustRoot) -> list[Finding]:
    """Say that a log is closed, and check that nothing was anchored after that."""
    if trust.closed is None:
        return []
    text = f"the log was closed for good at {format_time(trust.closed)}, and anchored again"
    late = [anchor for anchor in trust.anchors if trust.is_closed_at(anchor)]
    goes_on = [
        Finding(
            Code.CLOSED_LOG_GOES_ON, f"{text} in block {anchor.block}", evidence={"anchored in": anchor.tx}
        )
        for anchor in late
    ]
    return [Finding(Code.LOG_CLOSED, f"the provider closed its log at {format_time(trust.closed)}"), *goes_on]
