"""The tables of Smart Charging."""

from __future__ import annotations

import sqlalchemy as sa

from csmsd.store import UtcTime

metadata = sa.MetaData()

profile = sa.Table(  # the mirror: what each station holds (SC-20)
    "smartcharging_profile",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("charging_profile_id", sa.BigInteger, primary_key=True),
    sa.Column("connector_id", sa.BigInteger, nullable=False),
    sa.Column("transaction_id", sa.BigInteger),  # the one a TxProfile belongs to; NULL: not known
    sa.Column("accepted_at", UtcTime, nullable=False),
    sa.Column("content", sa.Text, nullable=False),  # the ChargingProfile as JSON, complete
)

offer = sa.Table(  # profiles that went with a remote start and wait for its transaction (SC-22)
    "smartcharging_offer",
    metadata,
    sa.Column("remote_start_id", sa.Text, primary_key=True),
    sa.Column("station_id", sa.Text, nullable=False),
    sa.Column("accepted_at", UtcTime, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)

answer = sa.Table(  # the last GetCompositeSchedule.conf of each connector (SC-29)
    "smartcharging_answer",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("connector_id", sa.BigInteger, primary_key=True),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("duration", sa.BigInteger, nullable=False),  # as asked
    sa.Column("unit", sa.Text),  # as asked
    sa.Column("content", sa.Text, nullable=False),  # the answer as JSON
)

rating = sa.Table(  # the most a connector, or a station (connector 0), can do (SCA-16)
    "smartcharging_rating",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("connector_id", sa.BigInteger, primary_key=True),
    sa.Column("tenths", sa.BigInteger, nullable=False),  # of A per phase or of W
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("phases", sa.Integer, nullable=False),
)

template = sa.Table(  # profiles to be made of, by name
    "smartcharging_template",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("draft", sa.Text, nullable=False),  # JSON
    sa.Column("changed_at", UtcTime, nullable=False),
)

site = sa.Table(  # stations that share a limit
    "smartcharging_site",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),  # the limit, how it is shared, and the members, as JSON
    sa.Column("changed_at", UtcTime, nullable=False),
)

share = sa.Table(  # what a station of a site was told, and what it may draw meanwhile; durable before it is sent
    "smartcharging_share",
    metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("charging_profile_id", sa.BigInteger, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("confirmed", sa.BigInteger),  # tenths; NULL: it has accepted nothing yet
    sa.Column("outstanding", sa.BigInteger),  # tenths; the highest that was sent and not answered
)
