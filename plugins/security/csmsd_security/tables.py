"""The security profile's tables."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

metadata = sa.MetaData()
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's rowid must be called INTEGER

event = sa.Table(  # SecurityEventNotifications, equal ones once (SEC-70)
    "security_event",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("event_key", sa.Text, nullable=False),  # digest of type, timestamp and techInfo
    sa.Column("type", StationText, nullable=False),
    sa.Column("tech_info", StationText),
    sa.Column("reported_at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),  # first
    sa.Column("last_received_at", UtcTime, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("is_critical", sa.Boolean, nullable=False),
    sa.Column("acknowledged_at", UtcTime),
    sa.Column("acknowledged_by", sa.Text, nullable=False, default=""),
    sa.UniqueConstraint("station_id", "event_key", name="security_event_once"),
    sa.Index("security_event_by_station", "station_id", "id"),
)

job = sa.Table(  # GetLog and SignedUpdateFirmware, by the id in the request (SEC-72, SEC-75)
    "security_job",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),  # log or firmware
    sa.Column("request_id", sa.BigInteger, primary_key=True),
    sa.Column("request", StationText, nullable=False),  # redacted
    sa.Column("answer", sa.Text, nullable=False),  # "" until the station has answered
    sa.Column("filename", StationText, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # the last one notified, "" for none
    sa.Column("outcome", sa.Text, nullable=False),  # "" while it goes on
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Index("security_job_by_age", "station_id", "created_at"),
)
