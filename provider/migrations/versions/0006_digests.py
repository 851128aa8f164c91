"""The digest of each receipt's PAE in place of the leaf hash that is made from it."""

from __future__ import annotations

import base64
import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
AT_ONCE = 500
TAG = b"sealroom-receipt-v1\n"
entries = sa.table(
    "log_entries", sa.column("index"), sa.column("envelope"), sa.column("leaf_hash"), sa.column("digest")
)


def upgrade() -> None:
    op.add_column("log_entries", sa.Column("digest", sa.LargeBinary(), nullable=True))
    while (
        rows := op.get_bind()
        .execute(sa.select(entries).where(entries.c.digest.is_(None)).limit(AT_ONCE))
        .all()
    ):
        for row in rows:
            digest = receipt_digest(row.envelope)
            if hashlib.sha256(b"\x00" + TAG + digest).digest() != row.leaf_hash:
                raise ValueError(
                    f"receipt {row.index} is not the one in the log: restore the database from a backup"
                )
            op.execute(entries.update().where(entries.c.index == row.index).values(digest=digest))
    with op.batch_alter_table("log_entries") as table:
        table.alter_column("digest", existing_type=sa.LargeBinary(), nullable=False)
        table.drop_column("leaf_hash")


def receipt_digest(envelope: bytes) -> bytes:
    document = json.loads(envelope)
    kind, payload = document["payloadType"].encode(), base64.b64decode(document["payload"])
    return hashlib.sha256(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)).digest()
