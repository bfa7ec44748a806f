"""What csmsd has to say about a command before it is sent (OP-02, VAL-18)."""

from __future__ import annotations

from csmsd.errors import UnknownCommand
from csmsd.host import Host


def warnings_about(host: Host, station_id: str, action: str, payload: bytes) -> tuple[str, ...]:
    """Warnings of the schema and of the plugins; UnknownCommand, UnknownStation, InvalidPayload."""
    command = host.commands.known.get(action)
    if command is None:
        raise UnknownCommand(f"no enabled plugin offers a command {action}")
    host.stations.record(station_id)
    _, warnings = command.decode(payload or b"{}")
    return warnings
