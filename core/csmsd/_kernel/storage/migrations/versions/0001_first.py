"""The kernel's tables of version 0.1."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from csmsd.store import StationText, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "kernel_attempt",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("station_id", StationText, nullable=False),
        sa.Column("peer", StationText, nullable=False),
        sa.Column("listener", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("cause", StationText, nullable=False),
        sa.Column("subprotocols", StationText, nullable=False),
        sa.Column("user_agent", StationText, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kernel_attempt_at", "kernel_attempt", ["at"], unique=False)
    op.create_index("ix_kernel_attempt_station_id", "kernel_attempt", ["station_id"], unique=False)
    op.create_table(
        "kernel_audit",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor", StationText, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", StationText, nullable=False),
        sa.Column("before", StationText, nullable=True),
        sa.Column("after", StationText, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "kernel_command",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("request", StationText, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("submitted_at", UtcTime, nullable=False),
        sa.Column("finished_at", UtcTime, nullable=True),
        sa.Column("result", StationText, nullable=True),
        sa.Column("error_code", StationText, nullable=False),
        sa.Column("error", StationText, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("kernel_command_by_station", "kernel_command", ["station_id", "submitted_at"], unique=False)
    op.create_table(
        "kernel_credential",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "rank"),
    )
    op.create_table(
        "kernel_deviation",
        sa.Column("station_id", StationText, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("path", StationText, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_at", UtcTime, nullable=False),
        sa.Column("example", StationText, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "rule", "path"),
    )
    op.create_table(
        "kernel_journal",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("station_id", StationText, nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("call_id", StationText, nullable=False),
        sa.Column("action", StationText, nullable=False),
        sa.Column("request", StationText, nullable=False),
        sa.Column("response", StationText, nullable=True),
        sa.Column("error", StationText, nullable=False),
        sa.Column("microseconds", sa.BigInteger(), nullable=False),
        sa.Column("deviations", StationText, nullable=False),
        sa.Column("trace", StationText, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("kernel_journal_by_station", "kernel_journal", ["station_id", "id"], unique=False)
    op.create_table(
        "kernel_outbox",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("kernel_outbox_by_station", "kernel_outbox", ["station_id", "id"], unique=False)
    op.create_table(
        "kernel_outbox_cursor",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("plugin"),
    )
    op.create_table(
        "kernel_outbox_failure",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.BigInteger(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", StationText, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("plugin", "fact_id"),
    )
    op.create_table(
        "kernel_outbox_straggler",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("fact_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("plugin", "station_id"),
    )
    op.create_table(
        "kernel_sequence",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "kernel_station",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("announced", sa.Text(), nullable=True),
        sa.Column("security_profile", sa.Integer(), nullable=True),
        sa.Column("tolerance", sa.Text(), nullable=True),
        sa.Column("accept_long_message_ids", sa.Boolean(), nullable=False),
        sa.Column("whole_seconds", sa.Boolean(), nullable=False),
        sa.Column("call_timeout", sa.Float(), nullable=True),
        sa.Column("heartbeat_interval", sa.Integer(), nullable=True),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("last_seen_at", UtcTime, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
