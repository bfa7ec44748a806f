"""When something happened: what the station reported, when it arrived, and which of the two counts (TX-39)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from csmsd.ocpp.types import UnreadableTimestamp

EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
FARTHEST_AHEAD = timedelta(hours=24)
IMPLAUSIBLE = "TX-39 implausible timestamp"


class Moment(msgspec.Struct, frozen=True, gc=False):
    """The three times of a message."""

    at: datetime  # effective: serves for ordering, superseding and linking
    reported_at: datetime | None  # None: unreadable
    received_at: datetime
    raw: str = ""  # the unreadable text

    @property
    def key(self) -> str:
        """Equal for the retransmissions of one message: whole seconds, for fractions get lost in queues (TX-05)."""
        if self.reported_at is None:
            return f"raw:{self.raw}"
        return self.reported_at.isoformat(timespec="seconds")

    @property
    def exact_key(self) -> str:
        """Equal for equal instants."""
        return f"raw:{self.raw}" if self.reported_at is None else self.reported_at.isoformat(timespec="microseconds")

    @property
    def is_implausible(self) -> bool:
        """Whether the reported time was readable and yet of no use."""
        return self.reported_at is not None and self.reported_at != self.at


def moment_of(timestamp: datetime, received_at: datetime) -> Moment:
    """The times of a message with this timestamp; both have a zone."""
    received_at = received_at.astimezone(UTC)
    if isinstance(timestamp, UnreadableTimestamp):
        return Moment(received_at, None, received_at, timestamp.raw)
    try:
        reported = timestamp.astimezone(UTC)
    except OverflowError:  # the first or the last hours of the calendar, with an offset
        return Moment(received_at, None, received_at, timestamp.isoformat())
    is_plausible = EARLIEST <= reported <= received_at + FARTHEST_AHEAD
    return Moment(reported if is_plausible else received_at, reported, received_at)
