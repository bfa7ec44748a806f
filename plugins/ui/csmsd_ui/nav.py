"""The menu: what is there for whom. A profile that is off takes its entries with it."""

from __future__ import annotations

from csmsd_ui.desk import Desk
from csmsd_ui.extension import NavItem
from csmsd_ui.rendering import Viewer

# Entry, and the plugin that it needs.
ENTRIES: tuple[tuple[NavItem, str], ...] = (
    (NavItem("Overview", "/ui/", "", "home"), ""),
    (NavItem("Stations", "/ui/stations", "", "station"), ""),
    (NavItem("Transactions", "/ui/transactions", "", "bolt"), ""),
    (NavItem("Reservations", "/ui/reservations", "", "cal"), "reservation"),
    (NavItem("Tags", "/ui/tags", "", "tag"), ""),
    (NavItem("Charging profiles", "/ui/profiles", "", "curve"), "smartcharging"),
    (NavItem("Firmware", "/ui/firmware", "", "down"), "firmware"),
    (NavItem("Messages", "/ui/messages", "Diagnose", "msg"), ""),
    (NavItem("Connections", "/ui/connections", "Diagnose", "pulse"), ""),
    (NavItem("Deviations", "/ui/deviations", "Diagnose", "alert"), ""),
    (NavItem("Plugins", "/ui/plugins", "System", "plug"), ""),
    (NavItem("Security", "/ui/security", "System", "shield"), "security"),
    (NavItem("Access", "/ui/access", "System", "user", "admin"), ""),
    (NavItem("Audit", "/ui/audit", "System", "log", "operate"), ""),
    (NavItem("Settings", "/ui/settings", "System", "cog", "admin"), ""),
)


def menu(desk: Desk, viewer: Viewer) -> list[tuple[str, list[NavItem]]]:
    """Groups with their entries; the first group has no heading."""
    groups: dict[str, list[NavItem]] = {"": [], "Diagnose": [], "System": []}
    for item, plugin in ENTRIES:
        if viewer.may(item.scope) and (not plugin or desk.has(plugin)):
            groups[item.group].append(item)
    for owner, item in desk.extras.nav():
        if viewer.may(item.scope):
            groups.setdefault("" if item.group == "Operate" else item.group or owner or "More", []).append(item)
    return [(name, items) for name, items in groups.items() if items]
