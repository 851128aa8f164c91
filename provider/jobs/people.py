"""Reads what is known of a job's consumer: on which of a policy's allow-lists the account is, and what issuers said of it.

A list counts only when its accounts have the root that the policy names; what can't be read has nobody on it.
"""

from __future__ import annotations

import json

from datatokens.allowlist import build_root
from datatokens.errors import AllowListInvalidError, ContractRefusedError
from datatokens.gateway import checksum
from policies.facts import PeopleFacts
from policies.people import CredentialDemand
from policies.policy import Policy
from provider.blobs import BlobDamagedError, BlobStore
from provider.credentials import Credential
from provider.errors import NotFoundError
from provider.issuing import list_verified
from provider.store.catalogue import CatalogueStore
from provider.store.records import JobRecord

KEPT_LISTS = 64


class PeopleRegister:
    """The facts about consumers that a provider has at hand."""

    def __init__(self, store: CatalogueStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs
        self._verified: dict[str, str] = {}

    def read(self, job: JobRecord, policy: Policy) -> PeopleFacts:
        """Return what is known of a job's consumer that a policy asks for."""
        lists = frozenset(root for root in policy.allow_lists if self._has(root, job.consumer))
        asked = tuple(
            one for one in job.credentials if any(_is_asked(one, item) for item in policy.credentials)
        )
        return PeopleFacts(lists, list_verified(asked))

    def _has(self, root: str, consumer: str) -> bool:
        try:
            return checksum(consumer) in self._read_list(root)
        except (NotFoundError, BlobDamagedError, AllowListInvalidError, ContractRefusedError, ValueError):
            return False

    def _read_list(self, root: str) -> list[str]:
        blob = self._store.find_consumer_list(root)
        if blob is None:
            raise NotFoundError(f"no allow-list of root {root} was handed in here")
        accounts: list[str] = json.loads(self._blobs.get(blob))
        if self._verified.get(root) != blob:  # a long list's tree takes a second
            if build_root(accounts).hex() != root:
                raise AllowListInvalidError(f"allow-list: what is kept under {root} has another root")
            if len(self._verified) >= KEPT_LISTS:
                self._verified.clear()
            self._verified[root] = blob
        return accounts


def _is_asked(credential: Credential, demand: CredentialDemand) -> bool:
    """Tell whether a credential could meet a demand if its issuer signed it: recovering a stranger's signature is work for nothing."""
    return credential.claim == demand.claim and credential.issuer.lower() in demand.issuers
