"""Who this provider is: its account, the chain and contracts it trusts, the software it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from datatokens.model import Deployment
from policies.canonical import canonical_json, digest_of
from provider.receipts.log import log_origin
from provider.wire import Domain

PACKAGES = ("policies", "sandbox", "datatokens", "provider", "cli")
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """The provider's account on one deployment."""

    address: str
    deployment: Deployment

    @property
    def origin(self) -> str:
        """The name of this provider's log."""
        return log_origin(self.address, self.deployment.chain_id)

    @property
    def domain(self) -> Domain:
        """What signatures for this provider's contracts are bound to."""
        return Domain(chain_id=self.deployment.chain_id, escrow=self.deployment.escrow)


@cache
def software_digest() -> str:
    """Return the digest of every source file of this software, as installed."""
    root = Path(__file__).resolve().parent.parent
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return digest_of(
        canonical_json([[str(path.relative_to(root)), digest_of(path.read_bytes())] for path in files])
    )
