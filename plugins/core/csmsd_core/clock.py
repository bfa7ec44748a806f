"""Stations' clocks: how far they are from ours, judged by messages that are sent at once (BOOT-30)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from csmsd_core.config import CoreConfig


class Clocks:
    """The offset of each station's clock as last seen. A message that had to wait looks like a clock that is behind."""

    def __init__(self, config: CoreConfig) -> None:
        self._warning = config.clock_drift_warning
        self._offsets: dict[str, float] = {}

    def note(self, station_id: str, reported_at: datetime, received_at: datetime) -> None:
        """A live message with a timestamp has arrived."""
        self._offsets[station_id] = (reported_at - received_at).total_seconds()

    def offset(self, station_id: str) -> float | None:
        """Seconds; positive: the station's clock is ahead of ours; None: it has not told the time yet."""
        return self._offsets.get(station_id)

    def is_off(self, station_id: str) -> bool:
        """Whether the station's clock is further off than `clock_drift_warning`."""
        return abs(self._offsets.get(station_id, 0.0)) > self._warning

    def drifting(self) -> Mapping[str, float]:
        """The stations whose clock is off, with their offsets in seconds."""
        return {station_id: offset for station_id, offset in self._offsets.items() if abs(offset) > self._warning}
