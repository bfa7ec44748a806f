"""The tables of Smart Charging of version 0.1."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from csmsd.store import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "smartcharging_answer",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "connector_id"),
    )
    op.create_table(
        "smartcharging_offer",
        sa.Column("remote_start_id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("accepted_at", UtcTime, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("remote_start_id"),
    )
    op.create_table(
        "smartcharging_profile",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("charging_profile_id", sa.BigInteger(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", UtcTime, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "charging_profile_id"),
    )
    op.create_table(
        "smartcharging_rating",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("tenths", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("phases", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "connector_id"),
    )
    op.create_table(
        "smartcharging_share",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("charging_profile_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.BigInteger(), nullable=True),
        sa.Column("outstanding", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("station_id"),
    )
    op.create_table(
        "smartcharging_site",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "smartcharging_template",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
