"""Reads what a job's assessment needs, by the digests on chain and from the ledger: the provider's side of `assessment`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache

from datatokens.model import Asset
from policies.canonical import digest_text
from policies.facts import PrivacyFacts
from policies.policy import Policy
from provider.blobs import BlobDamagedError, BlobStore
from provider.description import Description, parse_description
from provider.errors import NotFoundError
from provider.privacy.assessment import Assessment, Counted, assess
from provider.receipts.errors import MalformedError
from provider.store.privacy import PrivacyStore
from provider.store.records import JobRecord, LedgerRecord, Reservation
from sandbox.bundle import Bundle, apply_parameters
from sandbox.errors import BundleInvalidError


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands to one dataset's privacy, and what it would reserve there; None where it costs nothing."""

    assessment: Assessment = field(default_factory=Assessment)
    reservation: Reservation | None = None


class Assessor:
    """Assesses jobs; changes nothing."""

    def __init__(self, store: PrivacyStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    def assess(self, job: JobRecord, asset: Asset, policy: Policy, bundle: Bundle) -> Standing:
        """Say how a job stands to a dataset under its policy."""
        recipe = bundle.manifest.recipe
        if recipe is None:
            return Standing()
        try:
            recipe = apply_parameters(recipe, json.loads(job.parameters))
        except BundleInvalidError:
            return Standing(Assessment(PrivacyFacts(problem="the parameters don't fit the recipe")))
        ledger = self._store.get_ledger(asset.asset_id)
        own = next((item.cost for item in ledger.spendings if item.job_id == job.job_id), None)
        description = self._find_description(asset)
        counted = count(ledger, job.consumer, but_for=job.job_id)
        assessment = assess(recipe, policy.privacy, description, counted, reserved=own)
        cost = assessment.facts.cost
        return Standing(assessment, Reservation(asset.asset_id, cost, ledger.version) if cost else None)

    def _find_description(self, asset: Asset) -> Description | None:
        try:
            return _parse(self._blobs.get(digest_text(asset.terms.metadata_digest)))
        except (NotFoundError, BlobDamagedError, MalformedError):
            return None


def count(ledger: LedgerRecord, consumer: str, *, but_for: str = "") -> Counted:
    """Return the mechanisms of each job that counts in a ledger, but for one."""
    counting = [item for item in ledger.spendings if item.counts and item.job_id != but_for]
    mine = [item for item in counting if item.consumer.lower() == consumer.lower()]
    return Counted(
        tuple(item.cost.mechanisms for item in counting), tuple(item.cost.mechanisms for item in mine)
    )


@lru_cache(maxsize=16)
def _parse(data: bytes) -> Description:
    return parse_description(data)
