"""Which policy an asset had, and since when: from events, which every node keeps, and so for any block."""

from __future__ import annotations

from datatokens.model import PolicyRecord
from datatokens.reads import ChainReader


class PolicyTimeline(ChainReader):
    """The policies of assets over time."""

    def list_policies(self, token_id: int, *, at_block: int | None = None) -> list[PolicyRecord]:
        """Return every policy that an asset had up to the end of a block, or until now, oldest first."""
        filters = {"tokenId": token_id}
        first = self._logs(self._registry, "Registered", filters, last=at_block)
        changes = self._logs(self._registry, "PolicyChanged", filters, last=at_block)
        return [
            PolicyRecord(bytes(log["args"]["policyDigest"]), self._gateway.block(bytes(log["blockHash"])))
            for log in [*first, *changes]
        ]

    def find_policy(self, token_id: int, at_block: int) -> bytes | None:
        """Return the digest of the policy that an asset had at the end of a block; None before it was registered."""
        known = self.list_policies(token_id, at_block=at_block)
        return known[-1].digest if known else None
