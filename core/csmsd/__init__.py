"""csmsd: the charging station management system that OCPP 1.6-J deserves.

Everything a plugin or an embedding program needs is here; messages and commands are in the profiles' packages.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csmsd.action import Action
    from csmsd.app import open_csms
    from csmsd.command import Command
    from csmsd.config import Config
    from csmsd.errors import BackendUnavailable, CallFailed, CallRefused, CallTimeout, CsmsdError, StationUnavailable
    from csmsd.hookspecs import hookimpl, hookspec
    from csmsd.host import Host
    from csmsd.pending import Pending
    from csmsd.plugin import Migrations, NoConfig, Plugin
    from csmsd.station import Arrival, Station, StationRecord
    from csmsd.store import Fact, Store

__all__ = [
    "Action",
    "Arrival",
    "BackendUnavailable",
    "CallFailed",
    "CallRefused",
    "CallTimeout",
    "Command",
    "Config",
    "CsmsdError",
    "Fact",
    "Host",
    "Migrations",
    "NoConfig",
    "Pending",
    "Plugin",
    "Station",
    "StationRecord",
    "StationUnavailable",
    "Store",
    "hookimpl",
    "hookspec",
    "open_csms",
]

# Imported when they are asked for: pytest reads `csmsd.testing.pytest_plugin` in every project of an environment.
_HOMES = {
    "csmsd.action": ("Action",),
    "csmsd.app": ("open_csms",),
    "csmsd.command": ("Command",),
    "csmsd.config": ("Config",),
    "csmsd.errors": (
        "BackendUnavailable",
        "CallFailed",
        "CallRefused",
        "CallTimeout",
        "CsmsdError",
        "StationUnavailable",
    ),
    "csmsd.hookspecs": ("hookimpl", "hookspec"),
    "csmsd.host": ("Host",),
    "csmsd.pending": ("Pending",),
    "csmsd.plugin": ("Migrations", "NoConfig", "Plugin"),
    "csmsd.station": ("Arrival", "Station", "StationRecord"),
    "csmsd.store": ("Fact", "Store"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A public name, from the module that it is in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found
