"""Several datasets, each with an order of its own, for one job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_datasets",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("asset_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_datasets_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "asset_id", name=op.f("pk_job_datasets")),
    )
    op.create_index(op.f("ix_job_datasets_asset_id"), "job_datasets", ["asset_id"], unique=False)
    op.execute("INSERT INTO job_datasets (job_id, asset_id) SELECT job_id, asset_id FROM jobs")
    op.drop_column("jobs", "asset_id")
    op.add_column("jobs", sa.Column("orders", sa.String(), nullable=True))
    op.execute("""UPDATE jobs SET orders = '[' || "order" || ']' WHERE "order" IS NOT NULL""")
    op.drop_column("jobs", "order")
