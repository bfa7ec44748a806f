"""What about a TriggerMessage is refused, and what is only warned of."""

from __future__ import annotations

from collections.abc import Iterator

from csmsd.station import Station
from csmsd_core import CorePlugin
from csmsd_trigger.messages import WITH_CONNECTOR, TriggerMessage


def refusal(station: Station, request: TriggerMessage) -> str | None:
    """TRG-05: a station that was told Accepted is not asked to boot; it must do so by itself. C-15."""
    if request.requested_message == "BootNotification" and station.record.announced == "Accepted":
        return "it was told Accepted, so BootNotification is not triggered until it has sent one of its own (TRG-05)"
    return None


def needless_connector(request: TriggerMessage) -> str | None:
    """TRG-02: messages that have no connector are triggered without one."""
    if request.connector_id is not None and request.requested_message not in WITH_CONNECTOR:
        return f"{request.requested_message} has no connector: it is triggered without connectorId (TRG-02)"
    return None


def warnings(core: CorePlugin, station: Station, request: TriggerMessage) -> Iterator[str]:
    """One sentence for each finding (OP-02)."""
    needless = needless_connector(request)
    if needless is not None:
        yield needless
    elif request.connector_id == 0:
        yield "connectorId 0 is the station itself by one part of the standard and forbidden by another (TRG-03)"
    count = core.configuration.number(station.id, "NumberOfConnectors")
    if count is not None and request.connector_id is not None and request.connector_id > count:
        yield f"NumberOfConnectors of {station.id} is {count} (BOOT-28)"
    if core.configuration.lacks_profile(station.id, "RemoteTrigger"):
        yield f"{station.id} does not name RemoteTrigger among its SupportedFeatureProfiles (OP-02)"
