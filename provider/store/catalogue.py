"""Datasets, uploaded algorithms, and requests for approval."""

from __future__ import annotations

import dataclasses
from typing import Any

from sqlalchemy import func, select

from provider.store.part import StorePart
from provider.store.records import AlgorithmRecord, ApprovalRequestRecord, DatasetRecord
from provider.store.tables import AlgorithmRow, ApprovalRequestRow, ConsumerListRow, DatasetRow, UploadRow


def _record(kind: type[Any], row: object) -> Any:  # noqa: ANN401 - one converter for three record types
    return kind(**{field.name: getattr(row, field.name) for field in dataclasses.fields(kind)})


class CatalogueStore(StorePart):
    """What there is to run and to run on."""

    def prepare_dataset(self, **fields: Any) -> DatasetRecord:  # noqa: ANN401 - columns of DatasetRow
        """Record a described dataset; describing the same thing again gives the same record."""
        keys = ("owner", "path", "commitment", "metadata_digest", "policy_digest")
        with self._write() as session:
            same = [getattr(DatasetRow, key) == fields[key] for key in keys]
            row = session.scalar(select(DatasetRow).where(*same, DatasetRow.token_id.is_(None)))
            if row is None:
                row = DatasetRow(**fields)
                session.add(row)
                session.flush()
            return DatasetRecord(**_columns(row))

    def find_prepared(
        self, *, owner: str, commitment: str, metadata_digest: str, policy_digest: str
    ) -> DatasetRecord | None:
        """Return the described dataset that an on-chain asset of `owner` with these digests means."""
        with self._read() as session:
            row = session.scalar(
                select(DatasetRow)
                .where(
                    DatasetRow.owner == owner,
                    DatasetRow.commitment == commitment,
                    DatasetRow.metadata_digest == metadata_digest,
                    DatasetRow.policy_digest == policy_digest,
                )
                .order_by(DatasetRow.token_id.is_(None).desc(), DatasetRow.id)
            )
            return DatasetRecord(**_columns(row)) if row is not None else None

    def publish_dataset(self, dataset_id: int, *, token_id: int, asset_id: str) -> DatasetRecord:
        """Tie a described dataset to its asset on chain; repeating it changes nothing."""
        with self._write() as session:
            done = session.scalar(select(DatasetRow).where(DatasetRow.asset_id == asset_id))
            if done is not None:
                return DatasetRecord(**_columns(done))
            row = session.get_one(DatasetRow, dataset_id)
            if row.token_id is not None:  # the same data and policy registered a second time
                columns = _columns(row) | {"token_id": token_id, "asset_id": asset_id}
                columns.pop("id")
                row = DatasetRow(**columns)
                session.add(row)
            row.token_id, row.asset_id = token_id, asset_id
            session.flush()
            return DatasetRecord(**_columns(row))

    def find_dataset(self, asset_id: str) -> DatasetRecord | None:
        """Return a published dataset."""
        with self._read() as session:
            row = session.scalar(select(DatasetRow).where(DatasetRow.asset_id == asset_id))
            return DatasetRecord(**_columns(row)) if row is not None else None

    def list_datasets(self) -> list[DatasetRecord]:
        """Return every published dataset, oldest first."""
        with self._read() as session:
            rows = session.scalars(
                select(DatasetRow).where(DatasetRow.asset_id.is_not(None)).order_by(DatasetRow.token_id)
            )
            return [DatasetRecord(**_columns(row)) for row in rows]

    def add_consumer_list(self, root: str, blob: str) -> None:
        """Record which blob has the accounts of an allow-list; repeating it changes nothing."""
        with self._write() as session:
            session.merge(ConsumerListRow(root=root, blob=blob))

    def find_consumer_list(self, root: str) -> str | None:
        """Return the digest of the blob that has an allow-list's accounts."""
        with self._read() as session:
            row = session.get(ConsumerListRow, root)
            return row.blob if row is not None else None

    def add_algorithm(self, record: AlgorithmRecord, *, uploader: str, now: int) -> None:
        """Record a bundle and who uploaded it; repeating it changes nothing."""
        with self._write() as session:
            session.merge(AlgorithmRow(**dataclasses.asdict(record)))
            session.flush()
            if session.get(UploadRow, (record.digest, uploader)) is None:
                session.add(UploadRow(digest=record.digest, uploader=uploader, time=now))

    def find_algorithm(self, digest: str) -> AlgorithmRecord | None:
        """Return an uploaded bundle."""
        with self._read() as session:
            row = session.get(AlgorithmRow, digest)
            return _record(AlgorithmRecord, row) if row is not None else None

    def is_uploader(self, digest: str, address: str) -> bool:
        """Whether `address` uploaded this bundle."""
        with self._read() as session:
            return session.get(UploadRow, (digest, address)) is not None

    def count_uploads(self, address: str) -> int:
        """Return how many bundles `address` has uploaded."""
        with self._read() as session:
            counted = select(func.count()).select_from(UploadRow).where(UploadRow.uploader == address)
            return session.scalar(counted) or 0

    def request_approval(self, record: ApprovalRequestRecord) -> None:
        """Record a request; asking again renews it."""
        with self._write() as session:
            session.merge(ApprovalRequestRow(**dataclasses.asdict(record)))

    def decline_approval(self, asset_id: str, algorithm: str, now: int) -> bool:
        """Mark every open request for this algorithm on this dataset as declined; False when there is none."""
        with self._write() as session:
            rows = list(
                session.scalars(
                    select(ApprovalRequestRow).where(
                        ApprovalRequestRow.asset_id == asset_id, ApprovalRequestRow.algorithm == algorithm
                    )
                )
            )
            for row in rows:
                row.declined = now
            return bool(rows)

    def list_approval_requests(
        self, *, asset_id: str | None = None, algorithm: str | None = None, requester: str | None = None
    ) -> list[ApprovalRequestRecord]:
        """Return requests, newest first, narrowed by what is given."""
        wanted = {"asset_id": asset_id, "algorithm": algorithm, "requester": requester}
        query = select(ApprovalRequestRow).order_by(ApprovalRequestRow.requested.desc())
        for column, value in wanted.items():
            if value is not None:
                query = query.where(getattr(ApprovalRequestRow, column) == value)
        with self._read() as session:
            return [_record(ApprovalRequestRecord, row) for row in session.scalars(query)]


def _columns(row: DatasetRow) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in DatasetRow.__table__.columns}
