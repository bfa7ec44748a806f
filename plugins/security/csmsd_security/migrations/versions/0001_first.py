"""The security profile's tables of version 0.1."""

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
        "security_event",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("event_key", sa.Text(), nullable=False),
        sa.Column("type", StationText, nullable=False),
        sa.Column("tech_info", StationText, nullable=True),
        sa.Column("reported_at", UtcTime, nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("last_received_at", UtcTime, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("is_critical", sa.Boolean(), nullable=False),
        sa.Column("acknowledged_at", UtcTime, nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("station_id", "event_key", name="security_event_once"),
    )
    op.create_index("security_event_by_station", "security_event", ["station_id", "id"], unique=False)
    op.create_table(
        "security_job",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("request", StationText, nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("filename", StationText, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "kind", "request_id"),
    )
    op.create_index("security_job_by_age", "security_job", ["station_id", "created_at"], unique=False)
    op.create_table(
        "security_certificate",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("csr", sa.Text(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("issuer", StationText, nullable=False),
        sa.Column("subject", StationText, nullable=False),
        sa.Column("reason", StationText, nullable=False),
        sa.Column("requested_at", UtcTime, nullable=False),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.Column("not_after", UtcTime, nullable=True),
        sa.Column("superseded_until", UtcTime, nullable=True),
        sa.Column("used_at", UtcTime, nullable=True),
        sa.Column("revoked_at", UtcTime, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "security_certificate_by_station", "security_certificate", ["station_id", "requested_at"], unique=False
    )
    op.create_index(op.f("ix_security_certificate_fingerprint"), "security_certificate", ["fingerprint"], unique=False)
    op.create_table(
        "security_installed",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("hash_algorithm", sa.Text(), nullable=False),
        sa.Column("issuer_name_hash", StationText, nullable=False),
        sa.Column("issuer_key_hash", StationText, nullable=False),
        sa.Column("serial_number", StationText, nullable=False),
        sa.Column("read_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint(
            "station_id", "use", "hash_algorithm", "issuer_name_hash", "issuer_key_hash", "serial_number"
        ),
    )
    op.create_table(
        "security_root",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("added_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
