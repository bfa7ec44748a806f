"""What csmsd has to say about a command before it is sent (OP-02, VAL-18)."""

from __future__ import annotations

from csmsd.hookspecs import command_warnings
from csmsd.host import Host


def warnings_about(host: Host, station_id: str, action: str, payload: bytes) -> tuple[str, ...]:
    """Warnings of the schema and of the plugins; UnknownCommand, UnknownStation, InvalidPayload."""
    command = host.commands.get(action)
    host.stations.record(station_id)
    request, warnings = command.decode(payload or b"{}")
    station = host.stations.find(station_id)
    if station is None:
        return warnings
    answers = host.hooks.call_plain(command_warnings, station, command, request)
    return (*warnings, *(warning for answer in answers for warning in answer))
