"""The Core profile's tables of version 0.1."""

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
        "core_boot",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("vendor", StationText, nullable=True),
        sa.Column("model", StationText, nullable=True),
        sa.Column("charge_point_serial_number", StationText, nullable=True),
        sa.Column("charge_box_serial_number", StationText, nullable=True),
        sa.Column("firmware_version", StationText, nullable=True),
        sa.Column("iccid", StationText, nullable=True),
        sa.Column("imsi", StationText, nullable=True),
        sa.Column("meter_type", StationText, nullable=True),
        sa.Column("meter_serial_number", StationText, nullable=True),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("core_boot_by_station", "core_boot", ["station_id", "id"], unique=False)
    op.create_table(
        "core_configuration",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("key_folded", StationText, nullable=False),
        sa.Column("key", StationText, nullable=False),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.Column("is_readonly", sa.Boolean(), nullable=True),
        sa.Column("value", StationText, nullable=True),
        sa.Column("pending_value", StationText, nullable=True),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "key_folded"),
    )
    op.create_table(
        "core_meter_value",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("at_key", StationText, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.BigInteger(), nullable=True),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("stop_id", sa.BigInteger(), nullable=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("reported_at", UtcTime, nullable=True),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("samples", sa.Text(), nullable=False),
        sa.Column("set_aside", sa.Text(), nullable=True),
        sa.Column("energy_wh", sa.BigInteger(), nullable=True),
        sa.Column("power_w", sa.BigInteger(), nullable=True),
        sa.Column("current_ma", sa.BigInteger(), nullable=True),
        sa.Column("voltage_mv", sa.BigInteger(), nullable=True),
        sa.Column("soc_permille", sa.BigInteger(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("at_key", "station_id", "origin", "part", name="core_meter_value_key"),
    )
    op.create_index(
        "core_meter_value_by_connector", "core_meter_value", ["station_id", "connector_id", "at"], unique=False
    )
    op.create_index("core_meter_value_by_transaction", "core_meter_value", ["transaction_id", "at"], unique=False)
    op.create_table(
        "core_proposal",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("stop_id", sa.BigInteger(), nullable=True),
        sa.Column("connector_id", sa.BigInteger(), nullable=True),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("transaction_id", "subject", "station_id", name="core_proposal_key"),
    )
    op.create_index("core_proposal_by_state", "core_proposal", ["state", "id"], unique=False)
    op.create_table(
        "core_remote_start",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("id_tag_key", sa.Text(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=True),
        sa.Column("requested_at", UtcTime, nullable=False),
        sa.Column("valid_until", UtcTime, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("core_remote_start_by_station", "core_remote_start", ["station_id", "id_tag_key"], unique=False)
    op.create_table(
        "core_station",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("vendor", StationText, nullable=True),
        sa.Column("model", StationText, nullable=True),
        sa.Column("charge_point_serial_number", StationText, nullable=True),
        sa.Column("charge_box_serial_number", StationText, nullable=True),
        sa.Column("firmware_version", StationText, nullable=True),
        sa.Column("iccid", StationText, nullable=True),
        sa.Column("imsi", StationText, nullable=True),
        sa.Column("meter_type", StationText, nullable=True),
        sa.Column("meter_serial_number", StationText, nullable=True),
        sa.Column("booted_at", UtcTime, nullable=True),
        sa.Column("configuration_read_at", UtcTime, nullable=True),
        sa.PrimaryKeyConstraint("station_id"),
    )
    op.create_table(
        "core_status",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", StationText, nullable=False),
        sa.Column("info", StationText, nullable=False),
        sa.Column("vendor_id", StationText, nullable=False),
        sa.Column("vendor_error_code", StationText, nullable=False),
        sa.Column("reported_at", UtcTime, nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", "connector_id"),
    )
    op.create_table(
        "core_status_history",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_code", StationText, nullable=False),
        sa.Column("info", StationText, nullable=False),
        sa.Column("vendor_id", StationText, nullable=False),
        sa.Column("vendor_error_code", StationText, nullable=False),
        sa.Column("reported_at", UtcTime, nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("core_status_history_by_station", "core_status_history", ["station_id", "id"], unique=False)
    op.create_table(
        "core_stop",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stop_key", StationText, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.BigInteger(), nullable=False),
        sa.Column("meter_stop", sa.BigInteger(), nullable=True),
        sa.Column("id_tag", StationText, nullable=True),
        sa.Column("id_tag_key", StationText, nullable=False),
        sa.Column("parent_key", sa.Text(), nullable=False),
        sa.Column("reason", StationText, nullable=False),
        sa.Column("variant", StationText, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("reported_at", UtcTime, nullable=True),
        sa.Column("raw_timestamp", StationText, nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("begin_wh", sa.BigInteger(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "stop_key", "station_id", "reference", "id_tag_key", "meter_stop", "variant", name="core_stop_key"
        ),
    )
    op.create_index("core_stop_by_transaction", "core_stop", ["transaction_id"], unique=False)
    op.create_index(
        "core_stop_unmatched",
        "core_stop",
        ["station_id"],
        unique=False,
        sqlite_where=sa.text("state = 'unmatched'"),
        postgresql_where=sa.text("state = 'unmatched'"),
    )
    op.create_table(
        "core_tag",
        sa.Column("id_tag_key", sa.Text(), nullable=False),
        sa.Column("id_tag", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("parent_id_tag", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcTime, nullable=True),
        sa.Column("max_active_transactions", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("id_tag_key"),
    )
    op.create_table(
        "core_transaction",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("connector_id", sa.BigInteger(), nullable=False),
        sa.Column("id_tag", StationText, nullable=False),
        sa.Column("id_tag_key", StationText, nullable=False),
        sa.Column("parent_id_tag", sa.Text(), nullable=False),
        sa.Column("parent_key", sa.Text(), nullable=False),
        sa.Column("meter_start", sa.BigInteger(), nullable=False),
        sa.Column("start_key", StationText, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("start_reported_at", UtcTime, nullable=True),
        sa.Column("start_raw", StationText, nullable=False),
        sa.Column("start_received_at", UtcTime, nullable=False),
        sa.Column("reservation_id", sa.BigInteger(), nullable=True),
        sa.Column("remote_start_id", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.Column("superseded_by", sa.BigInteger(), nullable=True),
        sa.Column("superseded_at", UtcTime, nullable=True),
        sa.Column("stop_rank", sa.Integer(), nullable=False),
        sa.Column("stop_id", sa.BigInteger(), nullable=True),
        sa.Column("stopped_at", UtcTime, nullable=True),
        sa.Column("meter_stop", sa.BigInteger(), nullable=True),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "start_key", "station_id", "connector_id", "id_tag_key", "meter_start", name="core_transaction_key"
        ),
    )
    op.create_index(
        "core_transaction_by_connector", "core_transaction", ["station_id", "connector_id", "started_at"], unique=False
    )
    op.create_index(
        "core_transaction_by_receipt",
        "core_transaction",
        ["station_id", "connector_id", "start_received_at"],
        unique=False,
    )
    op.create_index(
        "core_transaction_by_remote_start",
        "core_transaction",
        ["remote_start_id"],
        unique=False,
        sqlite_where=sa.text("remote_start_id IS NOT NULL"),
        postgresql_where=sa.text("remote_start_id IS NOT NULL"),
    )
    op.create_index("core_transaction_by_stop", "core_transaction", ["station_id", "stopped_at"], unique=False)
    op.create_index("core_transaction_by_time", "core_transaction", ["started_at"], unique=False)
    op.create_index(
        "core_transaction_open",
        "core_transaction",
        ["station_id", "connector_id"],
        unique=False,
        sqlite_where=sa.text("stop_rank = 0"),
        postgresql_where=sa.text("stop_rank = 0"),
    )
    op.create_index(
        "core_transaction_open_by_tag",
        "core_transaction",
        ["id_tag_key"],
        unique=False,
        sqlite_where=sa.text("stop_rank = 0"),
        postgresql_where=sa.text("stop_rank = 0"),
    )
