"""The tables of Reservation of version 0.1."""

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
        "reservation_reservation",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("id_tag", StationText, nullable=False),
        sa.Column("parent_id_tag", StationText, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("requested_at", UtcTime, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answered_at", UtcTime, nullable=True),
        sa.Column("ended_at", UtcTime, nullable=True),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("reservation_reservation_by_id", "reservation_reservation", ["reservation_id"])
    op.create_index("reservation_reservation_by_station", "reservation_reservation", ["station_id", "number"])
    op.create_index("reservation_reservation_by_state", "reservation_reservation", ["state", "expires_at"])
    op.create_index("reservation_reservation_by_transaction", "reservation_reservation", ["transaction_id"])
    op.create_table(
        "reservation_finding",
        sa.Column("transaction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("found_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("transaction_id"),
    )
