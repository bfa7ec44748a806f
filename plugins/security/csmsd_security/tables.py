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

certificate = sa.Table(  # of stations: asked for, issued, uploaded, revoked (SEC-53, SEC-56)
    "security_certificate",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("csr", sa.Text, nullable=False),  # "" if csmsd was given the chain without a request
    sa.Column("chain", sa.Text, nullable=False),  # PEM, leaf first; "" while there is none
    sa.Column("fingerprint", sa.Text, nullable=False, index=True),  # SHA-256 of the leaf
    sa.Column("serial_number", sa.Text, nullable=False),  # hexadecimal
    sa.Column("issuer", StationText, nullable=False),
    sa.Column("subject", StationText, nullable=False),
    sa.Column("reason", StationText, nullable=False),  # why it failed; what deviates in the request
    sa.Column("requested_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("not_after", UtcTime),
    sa.Column("superseded_until", UtcTime),  # a newer one was accepted; good until then
    sa.Column("used_at", UtcTime),  # first
    sa.Column("revoked_at", UtcTime),
    sa.Index("security_certificate_by_station", "station_id", "requested_at"),
)

installed = sa.Table(  # root certificates in stations, as they report them (SEC-62)
    "security_installed",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("use", sa.Text, primary_key=True),
    sa.Column("hash_algorithm", sa.Text, primary_key=True),
    sa.Column("issuer_name_hash", StationText, primary_key=True),
    sa.Column("issuer_key_hash", StationText, primary_key=True),
    sa.Column("serial_number", StationText, primary_key=True),
    sa.Column("read_at", UtcTime, nullable=False),
)

root = sa.Table(  # root certificates that csmsd has sent: names for what stations report (SEC-64)
    "security_root",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("pem", sa.Text, nullable=False),
    sa.Column("added_at", UtcTime, nullable=False),
)
