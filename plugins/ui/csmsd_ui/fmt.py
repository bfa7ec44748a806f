"""How numbers, times and other people's text look; the one place to change for another locale."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Marks that would turn the text around them, or hide in it: a station can send them, nobody should be fooled by them.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
SUSPICIOUS = re.compile(r"[^\x20-\x7e\n\xa1-\xac\xae-\u017f]")


def visible(text: str) -> str:
    """The text with everything that cannot be seen written out: `\\u202e`."""
    if SUSPICIOUS.search(text) is None:
        return text
    return "".join(_seen(each) for each in text)


def _seen(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in HIDDEN:
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def grouped(number: int) -> str:
    """12,345."""
    return f"{number:,}"


def energy(watt_hours: int | None) -> str:
    """Wh as kWh with two decimals; nothing for what is not known, never 0."""
    if watt_hours is None:
        return ""
    sign, rest = ("-", -watt_hours) if watt_hours < 0 else ("", watt_hours)
    hundredths = (rest + 5) // 10
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02d}"


def duration(seconds: float | None) -> str:
    """`42 s`, `6 min`, `3 h 05 min`, `2 d 4 h`."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if minutes < 60:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{days} d {hours % 24} h"


def milliseconds(microseconds: int) -> str:
    """`0.7`, `12`, `1,204`."""
    value = microseconds / 1000
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def zone_of(name: str) -> tzinfo:
    """A time zone by its name; UTC for one that this machine does not know."""
    if not name or len(name) > 64:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def iso(moment: datetime) -> str:
    """For programs: UTC with `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(moment: datetime, now: datetime, zone: tzinfo, *, exact: bool = False) -> str:
    """The time of day if it is today, with the date if it is not; `exact` with milliseconds."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    time = local.strftime("%H:%M:%S") + (f".{local.microsecond // 1000:03d}" if exact else "")
    if local.date() == today:
        return time
    day = f"{local.day} {local.strftime('%b')}"
    return f"{day} {time}" if local.year == today.year else f"{day} {local.year} {time}"
