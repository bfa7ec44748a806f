"""The Core profile, as it is now: asked for each time, because it may have been enabled anew in between."""

from __future__ import annotations

from csmsd.errors import PluginError
from csmsd.host import Host
from csmsd_core import CorePlugin


def core_of(host: Host) -> CorePlugin:
    """The Core profile of this csmsd; PluginError if it is disabled, which `requires` does not allow."""
    core = host.plugins.get("core")
    if not isinstance(core, CorePlugin):
        raise PluginError("Smart Charging needs the Core profile")
    return core
