"""The kernel's own tables: stations, credentials, attempts, journal, deviations, outbox, commands, audit."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import StationText, UtcTime

metadata = sa.MetaData()
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's rowid must be called INTEGER

station = sa.Table(
    "kernel_station",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("registration", sa.Text, nullable=False),
    sa.Column("announced", sa.Text),
    sa.Column("security_profile", sa.Integer),
    sa.Column("profile_upgrade_to", sa.Integer),
    sa.Column("tolerance", sa.Text),
    sa.Column("accept_long_message_ids", sa.Boolean, nullable=False, default=False),
    sa.Column("whole_seconds", sa.Boolean, nullable=False, default=False),
    sa.Column("call_timeout", sa.Float),
    sa.Column("heartbeat_interval", sa.Integer),
    sa.Column("serial_number", sa.Text, nullable=False, default=""),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("last_seen_at", UtcTime),
)

credential = sa.Table(
    "kernel_credential",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("rank", sa.Integer, primary_key=True),  # 0: in force; from 1: staged, the oldest first (SEC-33)
    sa.Column("digest", sa.Text, nullable=False),  # "$argon2id$…" or "blake2b$<salt>$<hex>": never the secret
    sa.Column("created_at", UtcTime, nullable=False),
)

attempt = sa.Table(
    "kernel_attempt",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("station_id", StationText, nullable=False, index=True),
    sa.Column("peer", StationText, nullable=False),
    sa.Column("listener", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("cause", StationText, nullable=False),
    sa.Column("subprotocols", StationText, nullable=False),
    sa.Column("user_agent", StationText, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
)

journal = sa.Table(
    "kernel_journal",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("station_id", StationText, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("call_id", StationText, nullable=False),
    sa.Column("action", StationText, nullable=False),
    sa.Column("request", StationText, nullable=False),
    sa.Column("response", StationText),
    sa.Column("error", StationText, nullable=False),
    sa.Column("microseconds", sa.BigInteger, nullable=False),
    sa.Column("deviations", StationText, nullable=False),  # JSON, "[]" for none
    sa.Column("trace", StationText, nullable=False),
    sa.Index("kernel_journal_by_station", "station_id", "id"),
    sqlite_autoincrement=True,  # ids are never reused, or who follows by id would miss exchanges
)

deviation = sa.Table(
    "kernel_deviation",
    metadata,
    sa.Column("station_id", StationText, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("path", StationText, primary_key=True),  # without array positions, so that it stays bounded
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("example", StationText, nullable=False),
)

outbox = sa.Table(
    "kernel_outbox",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index("kernel_outbox_by_station", "station_id", "id"),
    sqlite_autoincrement=True,  # ids are never reused, or a cursor would skip facts
)

outbox_cursor = sa.Table(
    "kernel_outbox_cursor",
    metadata,
    sa.Column("plugin", sa.Text, primary_key=True),  # or "<plugin>/<reader>", here and below
    sa.Column("fact_id", sa.BigInteger, nullable=False),  # up to here all is delivered or set aside, but stragglers'
)

outbox_straggler = sa.Table(  # stations that a cursor has passed although facts of them wait
    "kernel_outbox_straggler",
    metadata,
    sa.Column("plugin", sa.Text, primary_key=True),
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column(
        "fact_id", sa.BigInteger, nullable=False
    ),  # everything of this station up to here is delivered or set aside
)

outbox_failure = sa.Table(  # facts a plugin could not take: retried, then set aside until somebody looks
    "kernel_outbox_failure",
    metadata,
    sa.Column("plugin", sa.Text, primary_key=True),
    sa.Column("fact_id", sa.BigInteger, primary_key=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("reason", StationText, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("recorded_at", UtcTime),  # of the fact; none in rows of older versions
)

command = sa.Table(
    "kernel_command",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("request", StationText, nullable=False),  # redacted
    sa.Column("fingerprint", sa.Text, nullable=False),  # digest of station, action and the redacted payload
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("submitted_at", UtcTime, nullable=False),
    sa.Column("finished_at", UtcTime),
    sa.Column("result", StationText),
    sa.Column("error_code", StationText, nullable=False, default=""),
    sa.Column("error", StationText, nullable=False, default=""),
    sa.Index("kernel_command_by_station", "station_id", "submitted_at"),
)

audit = sa.Table(
    "kernel_audit",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),  # 1, 2, 3… without a gap
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", StationText, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", StationText, nullable=False),
    sa.Column("before", StationText),
    sa.Column("after", StationText),
    sa.Column("way", sa.Text, nullable=False, server_default=""),
    sa.Column("previous", sa.Text, nullable=False, server_default=""),  # the hash of the entry before
    sa.Column("hash", sa.Text, nullable=False, server_default=""),  # see csmsd._kernel.storage.chain
)

audit_mark = sa.Table(  # where the chain of the audit begins and ends
    "kernel_audit_mark",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # base: the last entry that retention deleted; head: the last one
    sa.Column("entry_id", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

sequence = sa.Table(  # hi/lo blocks of ids (TX-02)
    "kernel_sequence",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("next", sa.BigInteger, nullable=False),
)
