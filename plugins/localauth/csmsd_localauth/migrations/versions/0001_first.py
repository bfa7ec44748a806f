"""The tables of Local Auth List Management of version 0.1."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from csmsd.store import StationText, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "localauth_list",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("is_supported", sa.Boolean(), nullable=False),
        sa.Column("is_doubtful", sa.Boolean(), nullable=False),
        sa.Column("concern", sa.Text(), nullable=False),
        sa.Column("sends", sa.BigInteger(), nullable=False),
        sa.Column("full_order", sa.BigInteger(), nullable=False),
        sa.Column("last_order", sa.BigInteger(), nullable=False),
        sa.Column("unanswered", sa.Text(), nullable=False),
        sa.Column("reported_version", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("station_id"),
    )
    op.create_table(
        "localauth_entry",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("id_tag_key", StationText, nullable=False),
        sa.Column("id_tag", StationText, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expiry_date", UtcTime, nullable=True),
        sa.Column("parent_id_tag", StationText, nullable=True),
        sa.PrimaryKeyConstraint("station_id", "id_tag_key"),
    )
