"""csmsd: the charging station management system that OCPP 1.6-J deserves.

Everything a plugin or an embedding program needs is here; messages and commands are in the profiles' packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csmsd.action import Action
from csmsd.command import Command
from csmsd.config import Config
from csmsd.errors import BackendUnavailable, CallFailed, CallRefused, CallTimeout, CsmsdError, StationUnavailable
from csmsd.hookspecs import hookimpl, hookspec
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.plugin import Migrations, NoConfig, Plugin
from csmsd.station import Arrival, Station, StationRecord
from csmsd.store import Fact, Store

if TYPE_CHECKING:
    from csmsd.app import open_csms

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


def __getattr__(name: str) -> Any:
    """`open_csms` brings the whole machinery; whoever needs only the contracts does not wait for it."""
    if name == "open_csms":
        from csmsd.app import open_csms

        return open_csms
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
