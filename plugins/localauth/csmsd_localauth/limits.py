"""How much a station's list, and one message, can hold (LAL-06)."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from csmsd.errors import CallFailed, CsmsdError
from csmsd.station import Station
from csmsd_core import CorePlugin
from csmsd_localauth.config import LocalAuthConfig

LIST_KEY, MESSAGE_KEY = "LocalAuthListMaxLength", "SendLocalListMaxLength"


class LimitsUnknown(CsmsdError):
    """The station does not tell how long its list may be, and nobody else has."""


class ListTooLong(CsmsdError):
    """More entries than the station can hold."""


class Limits(msgspec.Struct, frozen=True):
    """In entries; None: not given."""

    list_length: int | None = None
    message_length: int | None = None


class KnownLimits(msgspec.Struct, frozen=True):
    """In entries."""

    list_length: int
    message_length: int

    def check(self, station_id: str, size: int) -> None:
        """ListTooLong."""
        if size > self.list_length:
            raise ListTooLong(f"{LIST_KEY} of {station_id} is {self.list_length}, the list has {size} entries (LAL-06)")


async def limits_of(core: CorePlugin, config: LocalAuthConfig, station: Station, given: Limits) -> KnownLimits:
    """As given, else as the station said or says when it is asked, else as configured; LimitsUnknown."""
    told = _told(core, station, given)
    if told.list_length is None or told.message_length is None:
        await _read(core, station)
        told = _told(core, station, given)
    length = told.list_length or config.assumed_list_length
    message = told.message_length or config.assumed_message_length
    if length is None or message is None:
        missing = LIST_KEY if length is None else MESSAGE_KEY
        raise LimitsUnknown(f"{station.id} does not tell its {missing}: give the limits (LAL-06)")
    return KnownLimits(length, message)


def _told(core: CorePlugin, station: Station, given: Limits) -> Limits:
    def number(key: str) -> int | None:
        told = core.configuration.number(station.id, key)
        return told if told is not None and told > 0 else None

    return Limits(given.list_length or number(LIST_KEY), given.message_length or number(MESSAGE_KEY))


async def _read(core: CorePlugin, station: Station) -> None:
    with suppress(CallFailed):  # it does not say, which is an answer, too
        await core.configuration.refresh(station, (LIST_KEY, MESSAGE_KEY))
