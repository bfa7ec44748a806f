"""Timestamps as stations write them: every ISO 8601 date-time that is not ambiguous (VAL-04, VAL-05)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

_ISO_8601 = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)? ?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_LEAP_SECOND = 60
_END_OF_DAY = 24


class ReadTimestamp(NamedTuple):
    """A moment with a zone; without an offset in the text that zone is UTC (VAL-05)."""

    moment: datetime
    has_offset: bool


def read_timestamp(text: str) -> ReadTimestamp | None:
    """None if the text is no date-time or has no equivalent in UTC; digits beyond microseconds are dropped."""
    parts = _ISO_8601.fullmatch(text)
    if parts is None:
        return None
    year, month, day, hour, minute = map(int, parts.group(1, 2, 3, 4, 5))
    second = int(parts[6] or 0)
    microsecond = int((parts[7] or "")[:6].ljust(6, "0"))
    extra = timedelta()  # what datetime cannot say: 23:59:60 and 24:00:00
    if second == _LEAP_SECOND:
        second, extra = 59, timedelta(seconds=1)
    if hour == _END_OF_DAY and minute == second == microsecond == 0:
        hour, extra = 0, timedelta(days=1)
    try:
        zone = _zone(parts[9], parts[10], parts[11])
        moment = datetime(year, month, day, hour, minute, second, microsecond, zone) + extra
        moment.astimezone(UTC)  # the year 1 east of Greenwich has none
    except (ValueError, OverflowError):
        return None
    return ReadTimestamp(moment, parts[8] is not None or parts[9] is not None)


def _zone(sign: str | None, hours: str | None, minutes: str | None) -> timezone:
    if sign is None:
        return UTC
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset)
