"""Which stations a campaign is for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from csmsd.errors import InvalidPayload
from csmsd.host import Host
from csmsd_core import core_of


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stations by name, or all that say of themselves what is given here; both together: those of the named ones."""

    ids: tuple[str, ...] = ()
    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    all: bool = False  # must be said: nobody updates everything by leaving something out


async def select_stations(host: Host, wanted: Selection) -> Sequence[str]:
    """The stations, in the order given or by name; InvalidPayload if nothing selects."""
    criteria = {"vendor": wanted.vendor, "model": wanted.model, "firmware_version": wanted.firmware_version}
    given = {name: value for name, value in criteria.items() if value is not None}
    if not (wanted.ids or given or wanted.all):
        raise InvalidPayload("say which stations: ids, vendor, model, firmware_version or all")
    candidates = list(dict.fromkeys(wanted.ids)) or [record.id for record in host.stations.records()]
    if not given:
        return candidates
    boots, chosen = core_of(host).boots, list[str]()
    for station_id in candidates:
        data = (await boots.nameplate(station_id)).data
        if all(getattr(data, name) == value for name, value in given.items()):
            chosen.append(station_id)
    return chosen
