"""Messages whose handling held up everybody: counted, and named in the log, but not one line for each."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

log = logging.getLogger("csmsd.reactor")

PAUSE = 10.0  # seconds between two lines


class SlowMessages:
    """Told by the reactor of each message that took over a millisecond."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._quiet_until = -math.inf
        self._unsaid = 0
        self.count = 0
        self.slowest = 0.0  # seconds

    def __call__(self, station_id: str, seconds: float) -> None:
        """Note one."""
        self.count += 1
        self.slowest = max(self.slowest, seconds)
        now = self._monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        more = f"; {self._unsaid} more were slow since the last such line" if self._unsaid else ""
        log.warning(
            "%s: nobody else was served while one message took %.1f ms%s",
            station_id,
            seconds * 1e3,
            more,
            extra={"station": station_id},
        )
        self._quiet_until, self._unsaid = now + PAUSE, 0
