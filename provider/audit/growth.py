"""Whether a log only ever grew: the root over its entries, compared with the chain's at each size that was anchored."""

from __future__ import annotations

from provider.audit.anchors import Anchors
from provider.audit.findings import Code, Finding
from provider.audit.frontier import Frontier
from provider.receipts.note import Checkpoint
from provider.times import format_time

LAG_S = 600
"""How long after an anchor the provider may still show the log before it."""


class Growth:
    """Takes the leaves of a log in order. That each anchored root is met shows each to be consistent with the next."""

    def __init__(self, anchors: Anchors, frontier: Frontier, *, rewritten: bool = False) -> None:
        """Go on from `frontier`; once a log is seen to be `rewritten`, no later root can be the chain's."""
        self.frontier = frontier
        self.rewritten = rewritten
        self._held = max((a.size for a in anchors.all if a.size <= frontier.size), default=0)
        self._coming = anchors.after(frontier.size)
        self._next = next(self._coming, None)

    def take(self, leaf: bytes) -> list[Finding]:
        """Add a leaf; where an anchor ends, compare roots."""
        self.frontier.append(leaf)
        anchor = self._next
        if anchor is None or anchor.size != self.frontier.size:
            return []
        self._next = next(self._coming, None)
        root, first = self.frontier.root(), self._held
        if root == anchor.root:
            self._held = anchor.size
            return []
        if self.rewritten:
            return []
        self.rewritten = True
        text = (
            f"the entries shown are not those anchored: one from {first} to before {anchor.size} was changed"
        )
        evidence = {
            "size": str(anchor.size),
            "anchored root": anchor.root.hex(),
            "root of the entries shown": root.hex(),
            "anchored in": anchor.tx,
        }
        return [Finding(Code.HISTORY_REWRITTEN, text, first, None, evidence)]

    def check_end(self, checkpoint: Checkpoint) -> list[Finding]:
        """Check, after the last leaf, that the log's own checkpoint is of these entries."""
        root = self.frontier.root()
        if (checkpoint.size, checkpoint.root) != (self.frontier.size, root):
            evidence = {"root it states": checkpoint.root.hex(), "root of the entries shown": root.hex()}
            text = f"the log's checkpoint of size {checkpoint.size} is not of the entries shown"
            return [Finding(Code.CHECKPOINT_DIFFERS, text, evidence=evidence)]
        return []

    def check_reach(self, anchors: Anchors, asked: int | None) -> list[Finding]:
        """Check that no anchor covers more than there is; `asked` is when the provider was asked for its log, if it was.

        A copy may be old. Who is asked has `LAG_S` to show what was just anchored.
        """
        newest, size = anchors.newest, self.frontier.size
        if newest is None or newest.size <= size:
            return []
        evidence = {"anchored in": newest.tx, "anchored root": newest.root.hex()}
        text = f"{newest.size} entries were anchored, the last at {format_time(newest.time)}"
        if asked is None or asked < newest.time + LAG_S:
            text = f"the copy has {size} entries; {text}: copy the log anew"
            return [Finding(Code.COPY_BEHIND, text, size, None, evidence)]
        return [
            Finding(Code.LOG_TRUNCATED, f"the provider shows {size} entries; {text}", size, None, evidence)
        ]
