"""Datasets, algorithms and requests for approval, as the provider serves them.

A dataset is described beside the data; whether it exists, who owns it and which policy holds is read from the chain.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from datatokens.errors import ChainUnreachableError, NoSuchAssetError
from datatokens.model import Approval, Asset
from policies.canonical import canonical_json, digest_text, parse_digest
from policies.model import parse_policy
from provider.auth import Access, Guard, Subject
from provider.blobs import BlobStore
from provider.chain import Chain
from provider.columns import profile_dataset
from provider.croissant import build_croissant
from provider.datasets import commit_entries, hash_files, list_files, resolve_data_path
from provider.errors import ConflictError, DeniedError, NotFoundError, UnavailableError
from provider.identity import ProviderIdentity
from provider.settings import Settings
from provider.store import Database
from provider.store.records import AlgorithmRecord, ApprovalRequestRecord, DatasetRecord
from provider.tableschema import read_schema
from provider.wire import (
    AlgorithmUploadBody,
    AlgorithmView,
    ApprovalDeclineBody,
    ApprovalRequestBody,
    ApprovalView,
    DatasetPrepareBody,
    DatasetPrepared,
    DatasetPublishBody,
    DatasetView,
    decode_base64,
)
from sandbox.bundle import parse_bundle


class Catalogue:
    """What there is to run and to run on."""

    def __init__(
        self,
        identity: ProviderIdentity,
        database: Database,
        blobs: BlobStore,
        chain: Chain,
        load_settings: Callable[[], Settings],
    ) -> None:
        self._identity = identity
        self._store = database.catalogue
        self._witnesses = database.witnesses
        self._blobs = blobs
        self._chain = chain
        self._load_settings = load_settings

    # Datasets

    def prepare_dataset(
        self, guard: Guard, signer: str, body: DatasetPrepareBody, *, now: int
    ) -> DatasetPrepared:
        """Describe data under the data root: commitment, public description, policy. Nothing is on chain yet.

        Raises:
            BadRequestError: the path, the data, the policy or the schema can't be used.
        """
        settings = self._load_settings()
        guard.check(Access.DATASET_PREPARE, Subject(registrars=frozenset(settings.owners)), caller=signer)
        policy = body.policy.encode()
        demands = parse_policy(policy).witnesses
        path = resolve_data_path(Path(settings.data_root), body.path)
        files = list_files(path)
        entries = hash_files(files)
        profile = profile_dataset(files)
        schema = read_schema(body.table_schema, profile) if body.table_schema is not None else None
        metadata = build_croissant(body.name, body.description, entries, profile, schema)
        record = self._store.prepare_dataset(
            owner=signer,
            path=str(path.relative_to(Path(settings.data_root).resolve())),
            name=body.name,
            description=body.description,
            commitment=digest_text(commit_entries(entries)),
            metadata_digest=self._blobs.put(metadata),
            policy_digest=self._blobs.put(policy),
            files=len(entries),
            size_bytes=sum(entry.size_bytes for entry in entries),
            prepared=now,
        )
        self._witnesses.name_witnesses(key for demand in demands for key in demand.keys)
        return DatasetPrepared(
            commitment=record.commitment,
            metadata_digest=record.metadata_digest,
            policy_digest=record.policy_digest,
            uri=f"http://{settings.host}:{settings.port}",
            provider=self._identity.address,
            files=record.files,
            size_bytes=record.size_bytes,
        )

    def publish_dataset(
        self,
        guard: Guard,
        signer: str,
        body: DatasetPublishBody,
        *,
        now: int,  # noqa: ARG002 - one form for every action
    ) -> DatasetView:
        """Tie an asset on chain to the data it was described from.

        Raises:
            ConflictError: the asset names another provider, or digests that nothing here was described with.
        """
        asset = self._read_asset(int(body.token_id))
        guard.check(Access.DATASET_PUBLISH, Subject(dataset_owners=frozenset({asset.owner})), caller=signer)
        if asset.terms.provider.lower() != self._identity.address.lower():
            raise ConflictError(
                f"the asset names provider {asset.terms.provider}, not this one", code="wrong-provider"
            )
        record = self._store.find_prepared(
            owner=signer,
            commitment=digest_text(asset.terms.commitment),
            metadata_digest=digest_text(asset.terms.metadata_digest),
            policy_digest=digest_text(asset.terms.policy_digest),
        )
        if record is None:
            raise ConflictError(
                "nothing here was described with the digests that stand on chain",
                code="not-prepared",
                remedy="run `sealroom dataset add` again",
            )
        published = self._store.publish_dataset(record.id, token_id=asset.token_id, asset_id=asset.asset_id)
        return self._dataset_view(published, asset)

    def list_datasets(self, guard: Guard) -> list[DatasetView]:
        """Return every published dataset with what the chain says of it."""
        guard.check(Access.DATASET_READ)
        return [
            self._dataset_view(record, self.read_asset_of(record)) for record in self._store.list_datasets()
        ]

    def get_dataset(self, guard: Guard, asset_id: str) -> DatasetView:
        """Return one published dataset with what the chain says of it."""
        guard.check(Access.DATASET_READ)
        record = self.get_record(asset_id)
        return self._dataset_view(record, self.read_asset_of(record))

    def get_document(self, guard: Guard, asset_id: str, kind: str) -> bytes:
        """Return the Croissant description (`metadata`) or the policy YAML (`policy`), by the digest on chain."""
        guard.check(Access.DATASET_READ)
        terms = self.read_asset_of(self.get_record(asset_id)).terms
        return self._blobs.get(
            digest_text(terms.metadata_digest if kind == "metadata" else terms.policy_digest)
        )

    def get_record(self, asset_id: str) -> DatasetRecord:
        """Return the local record of a published dataset.

        Raises:
            NotFoundError: this provider has none of this id.
        """
        record = self._store.find_dataset(asset_id)
        if record is None:
            raise NotFoundError(f"this provider has no dataset {asset_id}", code="dataset-unknown")
        return record

    def read_asset_of(self, record: DatasetRecord) -> Asset:
        """Return what the chain says of a published dataset.

        Raises:
            UnavailableError: the chain can't be reached.
        """
        return self._read_asset(record.token_id or 0)

    def owned_by(self, address: str) -> frozenset[str]:
        """Return the asset ids whose owner on chain is `address`."""
        records = self._store.list_datasets()
        owned = [record for record in records if self.read_asset_of(record).owner.lower() == address.lower()]
        return frozenset(record.asset_id for record in owned if record.asset_id)

    # Algorithms and approvals

    def upload_algorithm(
        self, guard: Guard, signer: str, body: AlgorithmUploadBody, *, now: int
    ) -> AlgorithmView:
        """Store a bundle by its digest; uploading the same one again changes nothing.

        Raises:
            BundleInvalidError: it is not a bundle.
            DeniedError: the account has uploaded too many.
        """
        guard.check(Access.ALGORITHM_UPLOAD, caller=signer)
        settings = self._load_settings()
        self._blobs.check_space(settings.min_free_bytes)
        limit = settings.max_uploads_per_account
        if self._store.count_uploads(signer) >= limit:
            raise DeniedError(f"an account may upload {limit} algorithms here", code="too-many-uploads")
        bundle = parse_bundle({path: decode_base64(content) for path, content in body.files.items()})
        blob = self._blobs.put(encode_bundle(bundle.files))
        manifest = bundle.manifest
        record = AlgorithmRecord(bundle.digest, blob, manifest.name, manifest.version, manifest.image)
        self._store.add_algorithm(record, uploader=signer, now=now)
        return _algorithm_view(record, dict(bundle.files))

    def get_algorithm(self, guard: Guard, digest: str) -> AlgorithmView:
        """Return a bundle's name, image and file sizes, to its uploader or an owner who was asked to approve it."""
        record = self._get_readable(guard, digest)
        return _algorithm_view(record, self.load_files(record))

    def get_algorithm_file(self, guard: Guard, digest: str, path: str) -> bytes:
        """Return one source file of a bundle."""
        files = self.load_files(self._get_readable(guard, digest))
        if path not in files:
            raise NotFoundError(f"the bundle has no file {path!r}", code="file-unknown")
        return files[path]

    def load_files(self, record: AlgorithmRecord) -> dict[str, bytes]:
        """Return a bundle's files as stored; their digest is checked where they are used."""
        return decode_bundle(self._blobs.get(record.blob))

    def request_approval(
        self, guard: Guard, signer: str, body: ApprovalRequestBody, *, now: int
    ) -> ApprovalView:
        """Record that somebody asks a dataset's owner to approve an uploaded algorithm."""
        guard.check(Access.APPROVAL_REQUEST, caller=signer)
        self.get_record(body.asset_id)
        if not self._store.is_uploader(body.algorithm, signer):
            raise NotFoundError(
                f"you have not uploaded {body.algorithm} here",
                code="algorithm-unknown",
                remedy="upload it first",
            )
        record = ApprovalRequestRecord(
            body.asset_id, body.algorithm, signer, body.purpose, body.message, requested=now, declined=None
        )
        self._store.request_approval(record)
        return self._approval_view(record, now)

    def decline_approval(
        self, guard: Guard, signer: str, body: ApprovalDeclineBody, *, now: int
    ) -> ApprovalView:
        """Record the owner's no."""
        asset = self.read_asset_of(self.get_record(body.asset_id))
        guard.check(Access.APPROVAL_DECLINE, Subject(dataset_owners=frozenset({asset.owner})), caller=signer)
        if not self._store.decline_approval(body.asset_id, body.algorithm, now):
            raise NotFoundError("nobody asked for this approval", code="request-unknown")
        requests = self._store.list_approval_requests(asset_id=body.asset_id, algorithm=body.algorithm)
        return self._approval_view(requests[0], now)

    def list_approvals(self, guard: Guard, *, now: int) -> list[ApprovalView]:
        """Return requests for the caller's datasets, and the caller's own."""
        guard.check(Access.APPROVAL_LIST)
        caller = guard.caller
        mine = self._store.list_approval_requests(requester=caller)
        for asset_id in sorted(self.owned_by(caller)):
            mine += [
                r for r in self._store.list_approval_requests(asset_id=asset_id) if r.requester != caller
            ]
        return [self._approval_view(record, now) for record in mine]

    # Inside

    def _read_asset(self, token_id: int) -> Asset:
        try:
            return self._chain.get_asset(token_id)
        except NoSuchAssetError as exc:
            raise NotFoundError(f"the registry has no asset {token_id}", code="dataset-unknown") from exc
        except ChainUnreachableError as exc:
            raise UnavailableError("the chain can't be reached", code="chain-unreachable") from exc

    def _get_readable(self, guard: Guard, digest: str) -> AlgorithmRecord:
        record = self._store.find_algorithm(digest)
        asked = self._store.list_approval_requests(algorithm=digest) if record else []
        assets = {request.asset_id for request in asked}
        owners = frozenset(self.read_asset_of(self.get_record(asset_id)).owner for asset_id in assets)
        caller = guard.caller
        uploaders = frozenset({caller} if self._store.is_uploader(digest, caller) else ())
        guard.check(Access.ALGORITHM_READ, Subject(dataset_owners=owners, uploaders=uploaders))
        if record is None:
            raise NotFoundError(f"there is no algorithm {digest}", code="algorithm-unknown")
        return record

    def _dataset_view(self, record: DatasetRecord, asset: Asset) -> DatasetView:
        return DatasetView(
            asset_id=asset.asset_id,
            token_id=str(asset.token_id),
            name=record.name,
            description=record.description,
            owner=asset.owner,
            provider=asset.terms.provider,
            commitment=digest_text(asset.terms.commitment),
            metadata_digest=digest_text(asset.terms.metadata_digest),
            policy_digest=digest_text(asset.terms.policy_digest),
            datatoken=asset.datatoken,
            payment_token=asset.terms.payment_token,
            price_wei=str(asset.terms.price_wei),
            files=record.files,
            size_bytes=record.size_bytes,
            retired=asset.retired,
        )

    def _approval_view(self, record: ApprovalRequestRecord, now: int) -> ApprovalView:
        algorithm = self._store.find_algorithm(record.algorithm)
        approval = self._find_approval(record)
        return ApprovalView(
            asset_id=record.asset_id,
            algorithm=record.algorithm,
            name=algorithm.name if algorithm else "",
            version=algorithm.version if algorithm else "",
            requester=record.requester,
            purpose=record.purpose,
            message=record.message,
            state=approval_state(approval, declined=record.declined, now=now),
            requested=record.requested,
            expires=approval.expires_at if approval else None,
        )

    def _find_approval(self, record: ApprovalRequestRecord) -> Approval | None:
        token_id = self.get_record(record.asset_id).token_id or 0
        try:
            return self._chain.find_approval(token_id, parse_digest(record.algorithm))
        except ChainUnreachableError as exc:
            raise UnavailableError("the chain can't be reached", code="chain-unreachable") from exc


def approval_state(
    approval: Approval | None, *, declined: int | None, now: int
) -> Literal["pending", "approved", "declined", "revoked", "expired"]:
    """Return what became of a request, the chain's word first."""
    if approval is not None:
        if approval.is_valid(now):
            return "approved"
        return "revoked" if approval.revoked_at else "expired"
    return "declined" if declined else "pending"


def encode_bundle(files: Mapping[str, bytes]) -> bytes:
    """Turn a bundle's files into one document: canonical JSON, path to base64."""
    return canonical_json({path: base64.b64encode(content).decode() for path, content in files.items()})


def decode_bundle(data: bytes) -> dict[str, bytes]:
    """Turn `encode_bundle`'s document back into files."""
    return {path: decode_base64(content) for path, content in json.loads(data).items()}


def _algorithm_view(record: AlgorithmRecord, files: Mapping[str, bytes]) -> AlgorithmView:
    return AlgorithmView(
        algorithm=record.digest,
        name=record.name,
        version=record.version,
        image=record.image,
        files={path: len(content) for path, content in sorted(files.items())},
    )
