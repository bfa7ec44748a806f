"""The Core profile, which is enabled as long as this plugin is."""

from __future__ import annotations

from csmsd.errors import PluginError
from csmsd.host import Host
from csmsd_core import CorePlugin


def core_of(host: Host) -> CorePlugin:
    """The Core profile; PluginError if it is not there."""
    core = host.plugins.get("core")
    if not isinstance(core, CorePlugin):
        raise PluginError("Firmware Management needs the Core profile")
    return core
