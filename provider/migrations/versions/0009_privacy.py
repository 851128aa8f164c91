"""What jobs have spent of datasets' privacy."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "privacy_ledgers",
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_privacy_ledgers")),
    )
    op.create_table(
        "privacy_spendings",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("epsilon", sa.String(), nullable=False),
        sa.Column("delta", sa.String(), nullable=False),
        sa.Column("mechanisms", sa.String(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("stated", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_privacy_spendings_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_privacy_spendings")),
    )
    op.create_index("ix_privacy_spendings_asset_id", "privacy_spendings", ["asset_id"])
