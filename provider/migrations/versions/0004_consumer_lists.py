"""The accounts of allow-lists, by Merkle root."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consumer_lists",
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("root", name=op.f("pk_consumer_lists")),
    )
