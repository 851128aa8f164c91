"""The tables. Amounts and ids are text, times are unix seconds, documents live in the blob store by digest."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Common base: constraint names are the same on every database."""

    metadata = MetaData(naming_convention=NAMING)


class DatasetRow(Base):
    """A dataset described beside the data; on chain once it has a token id."""

    __tablename__ = "datasets"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    path: Mapped[str]
    name: Mapped[str]
    description: Mapped[str]
    commitment: Mapped[str]
    metadata_digest: Mapped[str]
    policy_digest: Mapped[str]
    files: Mapped[int]
    size_bytes: Mapped[int]
    prepared: Mapped[int]
    token_id: Mapped[int | None] = mapped_column(unique=True)
    asset_id: Mapped[str | None] = mapped_column(unique=True)
    __table_args__ = (
        UniqueConstraint("owner", "path", "commitment", "metadata_digest", "policy_digest", "token_id"),
    )


class ConsumerListRow(Base):
    """An allow-list by its Merkle root; the accounts on it are one blob."""

    __tablename__ = "consumer_lists"
    root: Mapped[str] = mapped_column(primary_key=True)
    blob: Mapped[str]


class AlgorithmRow(Base):
    """An uploaded bundle; its files are one blob."""

    __tablename__ = "algorithms"
    digest: Mapped[str] = mapped_column(primary_key=True)
    blob: Mapped[str]
    name: Mapped[str]
    version: Mapped[str]
    image: Mapped[str]


class UploadRow(Base):
    """Who uploaded a bundle, and so may read it."""

    __tablename__ = "uploads"
    digest: Mapped[str] = mapped_column(ForeignKey("algorithms.digest"), primary_key=True)
    uploader: Mapped[str] = mapped_column(primary_key=True)
    time: Mapped[int]


class ApprovalRequestRow(Base):
    """Somebody asks a dataset's owner to approve an algorithm. The approval itself is on chain."""

    __tablename__ = "approval_requests"
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    algorithm: Mapped[str] = mapped_column(ForeignKey("algorithms.digest"), primary_key=True)
    requester: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    message: Mapped[str]
    requested: Mapped[int]
    declined: Mapped[int | None]


class JobRow(Base):
    """One job: the signed request, where it stands, and what it ended with."""

    __tablename__ = "jobs"
    job_id: Mapped[str] = mapped_column(primary_key=True)
    consumer: Mapped[str]
    request: Mapped[str]
    signature: Mapped[str]
    parameters: Mapped[str]
    submitted: Mapped[int]
    state: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[int | None]
    cancelled_by: Mapped[str | None]
    orders: Mapped[str | None]
    release: Mapped[str | None]
    log_blob: Mapped[str | None]
    __table_args__ = (Index("ix_jobs_state", "state"), Index("ix_jobs_consumer", "consumer"))


class JobDatasetRow(Base):
    """One dataset of a job, to find jobs by; what counts is the signed request."""

    __tablename__ = "job_datasets"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), primary_key=True)
    asset_id: Mapped[str] = mapped_column(primary_key=True, index=True)


class StepRow(Base):
    """One line of a job's timeline; never changed."""

    __tablename__ = "steps"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), index=True)
    time: Mapped[int]
    state: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]


class ReviewRow(Base):
    """A release that waits for people, or did; what could be read of its data is null once that is over."""

    __tablename__ = "reviews"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), primary_key=True)
    reviewers: Mapped[str]
    looked_at: Mapped[str]
    salt: Mapped[str]
    drafts: Mapped[str | None]
    lines: Mapped[str | None]
    log_blob: Mapped[str | None]
    opened: Mapped[int]
    due: Mapped[int]
    outcome: Mapped[str | None]


class ReviewDecisionRow(Base):
    """One reviewer's signed decision; never changed. `words` are what the reviewer wrote, which stays here."""

    __tablename__ = "review_decisions"
    job_id: Mapped[str] = mapped_column(ForeignKey("reviews.job_id"), primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    decision: Mapped[str]
    reason: Mapped[str]
    words: Mapped[str]
    nonce: Mapped[str]
    expiry: Mapped[int]
    signature: Mapped[str]
    time: Mapped[int]


class LogEntryRow(Base):
    """One receipt in the log, at its index for ever; `digest` is the SHA-256 of its PAE."""

    __tablename__ = "log_entries"
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"), unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    proof: Mapped[str | None]
    checkpoint_size: Mapped[int | None]


class CheckpointRow(Base):
    """A signed checkpoint; anchored once it has a transaction."""

    __tablename__ = "checkpoints"
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str]
    tx_hash: Mapped[str | None]
    block: Mapped[int | None]


class WitnessRow(Base):
    """A key that some policy kept here names: by it, checkpoints may be cosigned."""

    __tablename__ = "witnesses"
    key: Mapped[str] = mapped_column(primary_key=True)


class CosignatureRow(Base):
    """One witness's cosignature of a checkpoint, as a line under it."""

    __tablename__ = "cosignatures"
    checkpoint_size: Mapped[int] = mapped_column(ForeignKey("checkpoints.size"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[str]


class SettlementRow(Base):
    """An order that the chain still has to be told about: did its job run, or not.

    `settled_block` is a block by which it was told, until enough blocks stand on that one.
    """

    __tablename__ = "settlements"
    order_id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.job_id"))
    ran: Mapped[bool]
    done: Mapped[bool] = mapped_column(default=False)
    settled_block: Mapped[int | None]


class ChallengeRow(Base):
    """A login message that waits for its signature."""

    __tablename__ = "login_challenges"
    message_digest: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    expires: Mapped[int]


class TokenRow(Base):
    """A read token, kept as its digest only."""

    __tablename__ = "tokens"
    token_digest: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    expires: Mapped[int]


class UsedActionRow(Base):
    """A signed action that was taken; the same one is not taken twice."""

    __tablename__ = "used_actions"
    digest: Mapped[str] = mapped_column(primary_key=True)
    expires: Mapped[int]


class FactRow(Base):
    """Small things one process tells another, such as whether the chain answers."""

    __tablename__ = "facts"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    time: Mapped[int]
