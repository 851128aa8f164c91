"""Keeps what an owner says of a dataset after it was registered: a new policy, and who may order.

Kept by digest or root, and of no effect until the owner sets that on chain: only what stands there is read by the judge
and by the registry. Decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from datatokens.allowlist import build_proof, build_root
from datatokens.gateway import checksum
from datatokens.model import Asset
from policies.canonical import canonical_json
from policies.model import parse_policy
from provider.auth import Access, Guard, Subject
from provider.blobs import BlobStore
from provider.catalogue import Catalogue
from provider.errors import DeniedError, NotFoundError
from provider.settings import Settings
from provider.store import Database
from provider.wire import ConsumersView, DatasetAllowBody, DatasetPolicyBody, MembershipView, PolicyKept


class Stewardship:
    """What owners change, and what those who may order need of it."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        catalogue: Catalogue,
        load_settings: Callable[[], Settings],
    ) -> None:
        self._store = database.catalogue
        self._witnesses = database.witnesses
        self._blobs = blobs
        self._catalogue = catalogue
        self._load_settings = load_settings

    def keep_policy(
        self,
        guard: Guard,
        signer: str,
        body: DatasetPolicyBody,
        *,
        now: int,  # noqa: ARG002 - one form for every action
    ) -> PolicyKept:
        """Keep a policy for a dataset of the signer's.

        Raises:
            PolicyError: it isn't a policy, or asks for what can't be enforced.
            UnavailableError: the disk is nearly full.
        """
        self._check_owner(guard, body.asset_id, signer)
        policy = body.policy.encode()
        demands = parse_policy(policy).witnesses
        self._witnesses.name_witnesses(key for demand in demands for key in demand.keys)
        return PolicyKept(asset_id=body.asset_id, policy_digest=self._keep(policy))

    def keep_consumers(
        self,
        guard: Guard,
        signer: str,
        body: DatasetAllowBody,
        *,
        now: int,  # noqa: ARG002 - one form for every action
    ) -> ConsumersView:
        """Keep an allow-list for a dataset of the signer's.

        Raises:
            UnavailableError: the disk is nearly full.
        """
        self._check_owner(guard, body.asset_id, signer)
        consumers = sorted({checksum(account) for account in body.consumers})
        root = build_root(consumers).hex()
        self._store.add_consumer_list(root, self._keep(canonical_json(consumers)))
        return ConsumersView(asset_id=body.asset_id, root=root, consumers=consumers)

    def get_consumers(self, guard: Guard, asset_id: str) -> ConsumersView:
        """Return the allow-list that stands on chain, to the dataset's owner.

        Raises:
            NotFoundError: anyone may order, or the list was never handed in here.
        """
        asset = self._check_owner(guard, asset_id, guard.caller)
        root, consumers = self._read_list(asset)
        return ConsumersView(asset_id=asset_id, root=root, consumers=consumers)

    def prove_membership(self, guard: Guard, asset_id: str) -> MembershipView:
        """Return the caller's own proof, so that nobody has to be told who else is on the list.

        Raises:
            NotFoundError: anyone may order, or the list was never handed in here.
            DeniedError: the caller isn't on it.
        """
        guard.check(Access.MEMBERSHIP_READ)
        root, consumers = self._read_list(self._read_asset(asset_id))
        if (
            checksum(guard.caller) not in consumers
        ):  # before the tree is built, which takes a second of a long list
            raise DeniedError(
                f"{guard.caller} is not on the allow-list of dataset {asset_id}",
                code="not-listed",
                remedy="ask its owner, who adds accounts with `sealroom dataset allow`",
            )
        proof = build_proof(consumers, guard.caller)
        return MembershipView(asset_id=asset_id, root=root, proof=[item.hex() for item in proof])

    def _keep(self, data: bytes) -> str:
        self._blobs.check_space(self._load_settings().min_free_bytes)
        return self._blobs.put(data)

    def _check_owner(self, guard: Guard, asset_id: str, caller: str) -> Asset:
        asset = self._read_asset(asset_id)
        guard.check(Access.DATASET_GOVERN, Subject(dataset_owners=frozenset({asset.owner})), caller=caller)
        return asset

    def _read_asset(self, asset_id: str) -> Asset:
        return self._catalogue.read_asset_of(self._catalogue.get_record(asset_id))

    def _read_list(self, asset: Asset) -> tuple[str, list[str]]:
        """Return root and accounts of the list that stands on chain."""
        if asset.consumers_root is None:
            raise NotFoundError("there is no allow-list: anyone may order", code="no-allow-list")
        root = asset.consumers_root.hex()
        blob = self._store.find_consumer_list(root)
        if blob is None:
            raise NotFoundError(
                f"the allow-list of dataset {asset.asset_id} was not handed in here",
                code="allow-list-unknown",
                remedy="its owner runs `sealroom dataset allow` with the same accounts again",
            )
        accounts: list[str] = json.loads(self._blobs.get(blob))
        return root, accounts
