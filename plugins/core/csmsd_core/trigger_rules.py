"""What about a request to send a message is refused, and what is only warned of; whichever command it comes with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from csmsd.station import Station
from csmsd_core.configuration import ConfigurationMirror

WITH_CONNECTOR = frozenset({"MeterValues", "StatusNotification"})


class TriggerRequest(Protocol):
    """What TriggerMessage and ExtendedTriggerMessage have in common."""

    @property
    def requested_message(self) -> str:
        """The name of what is to be sent."""
        ...

    @property
    def connector_id(self) -> int | None:
        """None: of the station and all connectors."""
        ...


def refusal(station: Station, request: TriggerRequest) -> str | None:
    """TRG-05: a station that was told Accepted is not asked to boot; it must do so by itself. C-15."""
    if request.requested_message == "BootNotification" and station.record.announced == "Accepted":
        return "it was told Accepted, so BootNotification is not triggered until it has sent one of its own (TRG-05)"
    return None


def needless_connector(request: TriggerRequest) -> str | None:
    """TRG-02: messages that have no connector are triggered without one."""
    if request.connector_id is not None and request.requested_message not in WITH_CONNECTOR:
        return f"{request.requested_message} has no connector: it is triggered without connectorId (TRG-02)"
    return None


def connector_warnings(configuration: ConfigurationMirror, station: Station, request: TriggerRequest) -> Iterator[str]:
    """One sentence for each finding (OP-02)."""
    needless = needless_connector(request)
    if needless is not None:
        yield needless
    elif request.connector_id == 0:
        yield "connectorId 0 is the station itself by one part of the standard and forbidden by another (TRG-03)"
    count = configuration.number(station.id, "NumberOfConnectors")
    if count is not None and request.connector_id is not None and request.connector_id > count:
        yield f"NumberOfConnectors of {station.id} is {count} (BOOT-28)"
