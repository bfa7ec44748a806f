"""Stations that answer no pings are judged by their other traffic (WS-33)."""

from __future__ import annotations

import logging
from datetime import timedelta

import trio

from csmsd._kernel.registry import Registry
from csmsd._kernel.stationbook import StationBook
from csmsd.env import Env

log = logging.getLogger("csmsd.door")

SWEEP = 60.0  # seconds
MISSED_HEARTBEATS = 3


async def close_silent(registry: Registry, book: StationBook, env: Env, timeout: float) -> None:
    """Close, until cancelled, who has said nothing for `timeout` seconds or three heartbeats, whichever is longer."""
    while True:
        await trio.sleep(SWEEP)
        now = env.now()
        for connection in registry.online():
            station = connection.station
            record = book.look_up(station.id)
            if connection.is_pinged or record is None:
                continue
            patience = max(timeout, MISSED_HEARTBEATS * (record.heartbeat_interval or 0))
            heard_at = max(station.connected_at, book.last_seen(station.id) or station.connected_at)
            if now - heard_at > timedelta(seconds=patience):
                log.warning(
                    "%s has said nothing for %d s and answers no pings: closed",
                    station.id,
                    patience,
                    extra={"station": station.id},
                )
                connection.close(1001, "nothing was heard for too long")
