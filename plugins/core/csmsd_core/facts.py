"""The Core profile's facts: what has happened and is stored, for plugins that must hear of all of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd.store import Fact
from csmsd_core import hookspecs
from csmsd_core.records import MeterValuesBatch, Transaction, TransactionChange


class StationBooted(msgspec.Struct, frozen=True):
    """A BootNotification was answered."""

    at: datetime
    registration: str  # Accepted, Pending or Rejected
    vendor: str
    model: str
    firmware_version: str  # "" if the station did not say
    changed: tuple[str, ...]  # the fields that differ from what the station said before (BOOT-05)


class ConnectorStatusChanged(msgspec.Struct, frozen=True):
    """A StatusNotification told something else than the one before; a repeated one is no fact."""

    connector_id: int  # 0: the station's main controller
    status: str
    previous: str  # "" for a connector that was not known
    error_code: str
    info: str
    vendor_id: str
    vendor_error_code: str
    reported_at: datetime
    received_at: datetime


STATION_BOOTED = Fact("station_booted", StationBooted, hookspecs.station_booted)
CONNECTOR_STATUS_CHANGED = Fact("connector_status_changed", ConnectorStatusChanged, hookspecs.connector_status_changed)
TRANSACTION_STARTED = Fact("transaction_started", Transaction, hookspecs.transaction_started)
TRANSACTION_STOPPED = Fact("transaction_stopped", Transaction, hookspecs.transaction_stopped)
TRANSACTION_UPDATED = Fact("transaction_updated", TransactionChange, hookspecs.transaction_updated)
METER_VALUES_STORED = Fact("meter_values_stored", MeterValuesBatch, hookspecs.meter_values_stored)

FACTS = (
    STATION_BOOTED,
    CONNECTOR_STATUS_CHANGED,
    TRANSACTION_STARTED,
    TRANSACTION_STOPPED,
    TRANSACTION_UPDATED,
    METER_VALUES_STORED,
)
