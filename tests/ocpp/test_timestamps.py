"""Timestamps, read and written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.timestamps import read_timestamp
from csmsd.ocpp.types import Payload, Timestamp, UnreadableTimestamp

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)


class Line(Payload, frozen=True):
    """Part of a message."""

    at: Timestamp


class Note(Payload, frozen=True):
    """A message with timestamps on two levels."""

    at: Timestamp
    lines: tuple[Line, ...] = ()


def written(moment: datetime, *, whole_seconds: bool = False) -> str:
    note: dict[str, str] = msgspec.json.decode(encode_payload(Note(moment), whole_seconds=whole_seconds))
    return note["at"]


@pytest.mark.req("VAL-04")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-31T12:00:00Z", NOON),
        ("2025-01-31T12:00:00.0Z", NOON),
        ("2025-01-31T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2025-01-31T12:00:00.123456789012345Z", NOON + timedelta(microseconds=123456)),
        ("2025-01-31T12:00:00,25Z", NOON + timedelta(milliseconds=250)),
        ("2025-01-31T13:30:00+01:30", NOON),
        ("2025-01-31T10:30:00-01:30", NOON),
        ("2025-01-31T13:00:00+0100", NOON),
        ("2025-01-31T13:00:00+01", NOON),
        ("2025-01-31T12:00Z", NOON),
        ("20250131T120000Z", NOON),
        ("2025-01-31T24:00:00Z", NOON + timedelta(hours=12)),
        ("2025-01-31T11:59:60Z", NOON),
        ("2025-01-31T12:00:00-00:00", NOON),
    ],
)
def test_every_iso_8601_date_time_is_read(text: str, moment: datetime) -> None:
    timestamp = read_timestamp(text)
    assert timestamp is not None
    assert timestamp == (moment, True)


@pytest.mark.req("VAL-05")
@pytest.mark.parametrize("text", ["2025-01-31t12:00:00z", "2025-01-31 12:00:00Z", "2025-01-31 12:00:00 +00:00"])
def test_lower_case_and_blanks_are_tolerated(text: str) -> None:
    assert read_timestamp(text) == (NOON, True)


@pytest.mark.req("VAL-05")
@pytest.mark.parametrize("text", ["2025-01-31T12:00:00", "2025-01-31 12:00:00.000", "20250131T1200"])
def test_without_an_offset_it_is_utc_and_that_is_told(text: str) -> None:
    assert read_timestamp(text) == (NOON, False)


@pytest.mark.req("VAL-04")
@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2025-01-31", "12:00:00", "1738324800", "2025-02-30T12:00:00Z", "2025-13-01T12:00:00Z",
        "2025-01-31T25:00:00Z", "2025-01-31T24:00:01Z", "2025-01-31T12:60:00Z", "2025-01-31T12:00:61Z",
        "2025-01-31T12:00:00Z ", " 2025-01-31T12:00:00Z", "2025-01-31T12:00:00+25:00", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "9999-12-31T24:00:00Z", "31.01.2025 12:00:00",
        "٢٠٢٥-01-31T12:00:00Z", "2025-01-31T12:00:00.Z", "2025-01-31T12:00:00Z\n",
    ],
)  # fmt: skip
def test_what_is_no_date_time_or_has_no_place_in_utc_is_unreadable(text: str) -> None:
    assert read_timestamp(text) is None


@pytest.mark.req("VAL-04")
@given(MOMENTS)
def test_what_python_writes_is_read(moment: datetime) -> None:
    assert read_timestamp(moment.isoformat()) == (moment, True)


@pytest.mark.req("VAL-04")
@given(st.text(alphabet="0123456789-:.,TtZz+ ", max_size=40))
def test_no_text_is_too_strange_to_be_judged(text: str) -> None:
    timestamp = read_timestamp(text)
    assert timestamp is None or timestamp.moment.utcoffset() is not None


@pytest.mark.req("VAL-06")
@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2025-01-31T12:00:00.000Z"),
        (NOON.replace(microsecond=123999), "2025-01-31T12:00:00.123Z"),
        (NOON.replace(microsecond=100), "2025-01-31T12:00:00.000Z"),
        (NOON.astimezone(timezone(timedelta(hours=-5, minutes=-30))), "2025-01-31T12:00:00.000Z"),
        (NOON.replace(tzinfo=None), "2025-01-31T12:00:00.000Z"),
    ],
)
def test_what_we_write_is_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert written(moment) == text


@pytest.mark.req("VAL-06")
def test_a_station_can_have_whole_seconds() -> None:
    assert written(NOON.replace(microsecond=999999), whole_seconds=True) == "2025-01-31T12:00:00Z"


@pytest.mark.req("VAL-04", "VAL-06")
@given(MOMENTS)
def test_what_we_write_we_read(moment: datetime) -> None:
    timestamp = read_timestamp(written(moment))
    assert timestamp is not None
    assert timestamp.moment == moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@pytest.mark.req("VAL-06")
def test_timestamps_are_written_alike_at_any_depth() -> None:
    payload = encode_payload(Note(NOON, (Line(NOON.replace(microsecond=5000)),)))
    assert payload == b'{"at":"2025-01-31T12:00:00.000Z","lines":[{"at":"2025-01-31T12:00:00.005Z"}]}'


@pytest.mark.req("VAL-14")
def test_a_stand_in_is_a_time_and_keeps_the_text() -> None:
    stand_in = UnreadableTimestamp.at(NOON, "yesterday")
    assert stand_in == NOON
    assert stand_in.raw == "yesterday"
    assert written(stand_in) == "yesterday"
