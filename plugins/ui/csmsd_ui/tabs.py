"""The tabs of a station's page: each has an address; those whose plugin is off are not there."""

from __future__ import annotations

from dataclasses import dataclass

from csmsd_ui.desk import Desk
from csmsd_ui.rendering import Viewer, segment

# Path below the station, label, plugin needed, scope needed.
TABS = (
    ("", "Live", "", "read"),
    ("transactions", "Transactions", "", "read"),
    ("configuration", "Configuration", "", "read"),
    ("profiles", "Charging profiles", "smartcharging", "read"),
    ("local-list", "Local list", "localauth", "read"),
    ("reservations", "Reservations", "reservation", "read"),
    ("firmware", "Firmware and logs", "firmware", "read"),
    ("certificates", "Certificates", "security", "read"),
    ("messages", "Messages", "", "read"),
    ("connections", "Connections", "", "read"),
    ("deviations", "Deviations", "", "read"),
    ("edit", "Record", "", "operate"),
)


@dataclass(frozen=True, slots=True)
class StationHead:
    """What every tab of a station shows on top."""

    id: str
    is_online: bool
    is_known: bool
    about: str
    tabs: list[tuple[str, str, bool]]  # path, label, is this one


def head_of(desk: Desk, viewer: Viewer, station_id: str, tab: str, about: str = "") -> StationHead:
    """The head of a tab; UnknownStation."""
    desk.host.stations.record(station_id)
    base = f"/ui/stations/{segment(station_id)}"
    tabs = [
        (f"{base}/{path}" if path else base, label, path == tab)
        for path, label, plugin, scope in TABS
        if viewer.may(scope) and (not plugin or desk.has(plugin))
    ]
    return StationHead(station_id, desk.host.stations.find(station_id) is not None, True, about, tabs)
