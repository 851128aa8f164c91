"""What the rules are told of the chain: a dataset and an approval as facts, the same for whoever decides and whoever foresees."""

from __future__ import annotations

from datatokens.model import Approval, Asset
from policies.canonical import digest_text
from policies.decide import ApprovalFacts, AssetFacts


def asset_facts(asset: Asset) -> AssetFacts:
    """Return a registered dataset as the rules read it."""
    return AssetFacts(
        asset_id=asset.asset_id,
        owner=asset.owner,
        provider=asset.terms.provider,
        policy_digest=digest_text(asset.terms.policy_digest),
        retired=asset.retired,
    )


def approval_facts(approval: Approval | None) -> ApprovalFacts | None:
    """Return an approval as the rules read it; None where there never was one."""
    if approval is None:
        return None
    return ApprovalFacts(approval.approved_at, approval.expires_at, approval.revoked_at or None)
