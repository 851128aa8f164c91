"""The checks that every signed message passes before anything else looks at it."""

from __future__ import annotations

from provider.errors import BadSignatureError, StaleRequestError
from provider.identity import ProviderIdentity


def check_addressee(
    identity: ProviderIdentity, *, provider: str, chain_id: int, expiry: int, now: int
) -> None:
    """Refuse what was signed for another provider or chain, or has expired.

    Raises:
        StaleRequestError: it was.
    """
    if provider.lower() != identity.address.lower():
        raise StaleRequestError(
            f"the request is for provider {provider}; this one is {identity.address}", code="wrong-provider"
        )
    if chain_id != identity.deployment.chain_id:
        raise StaleRequestError(
            f"the request is for chain {chain_id}; this provider is on {identity.deployment.chain_id}",
            code="wrong-chain",
        )
    if expiry <= now:
        raise StaleRequestError(
            f"the request expired {now - expiry} s ago", code="expired", remedy="sign a new one"
        )


def check_signer(recovered: str, stated: str) -> None:
    """Refuse a signature that recovers to somebody else than the sender believes.

    Raises:
        BadSignatureError: it does.
    """
    if recovered.lower() != stated.lower():
        raise BadSignatureError(
            f"the signature recovers to {recovered}, not to {stated}: it is for another body, provider or chain"
        )
