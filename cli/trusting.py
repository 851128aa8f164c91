"""Builds the trust root of a provider from the chain alone: its published keys and its anchored roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provider.receipts.log import log_origin
from provider.receipts.trust import TRUST_VERSION, Anchor, TrustedKey, TrustRoot

if TYPE_CHECKING:
    from datatokens.client import ChainClient
    from datatokens.model import AnchorRecord, KeySet


def build_trust(chain: ChainClient, provider: str) -> TrustRoot:
    """Return the trust root of `provider` as the chain has it now.

    Raises:
        ChainUnreachableError: the chain doesn't answer.
    """
    return TrustRoot(
        version=TRUST_VERSION,
        chain_id=chain.chain_id,
        escrow=chain.deployment.escrow,
        provider=provider,
        origin=log_origin(provider, chain.chain_id),
        keys=tuple(_key(item) for item in chain.list_keys(provider)),
        anchors=tuple(_anchor(item) for item in chain.list_anchors(provider)),
        closed=chain.closed_at(provider),
    )


def _key(item: KeySet) -> TrustedKey:
    return TrustedKey(
        p256=item.p256,
        signer=item.signer,
        ed25519=item.ed25519,
        valid_from=item.valid_from,
        valid_from_block=item.valid_from_block,
        valid_until=item.valid_until,
        revoked_at=item.revoked_at,
    )


def _anchor(item: AnchorRecord) -> Anchor:
    return Anchor(
        size=item.size,
        root=item.root,
        block=item.block.number,
        block_hash=item.block.hash,
        time=item.block.time,
        tx=item.tx_hash,
    )
