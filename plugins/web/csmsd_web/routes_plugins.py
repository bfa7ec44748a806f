"""The plugin set."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from csmsd.errors import PluginNotFound
from csmsd.host import HookStatus, Host, PluginStatus
from csmsd_web.paging import Page
from csmsd_web.problems import Problem

OWN_NAME = "web"


@get("/plugins", scope="read", summary="List plugins", tags=["Plugins"])
async def list_plugins(host: NamedDependency[Host]) -> Page[PluginStatus]:
    """In the order registered."""
    return Page(host.plugins.status())


@get("/hooks", scope="read", summary="Hooks and who is asked", tags=["Plugins"])
async def list_hooks(host: NamedDependency[Host]) -> Page[HookStatus]:
    """Every hook with the plugins that implement it, in the order in which they are asked."""
    return Page(host.plugins.hooks())


@post("/plugins/{name:str}/enable", scope="admin", summary="Enable a plugin", tags=["Plugins"], status_code=200)
async def enable_plugin(
    request: Request[Any, Any, Any], host: NamedDependency[Host], name: FromPath[str]
) -> PluginStatus:
    """Its tables are brought up to date and it is started; also one that was not in the configuration."""
    await host.plugins.enable(name)
    host.audit.record(request.user, "plugin.enable", name)
    return status_of(host, name)


@post("/plugins/{name:str}/disable", scope="admin", summary="Disable a plugin", tags=["Plugins"], status_code=200)
async def disable_plugin(
    request: Request[Any, Any, Any], host: NamedDependency[Host], name: FromPath[str]
) -> PluginStatus:
    """Calls in hand are finished; its tables stay; its routes are gone."""
    if name == OWN_NAME:
        raise Problem(409, "plugin-refused", "the web plugin cannot disable itself: take it out of the configuration")
    await host.plugins.disable(name)
    host.audit.record(request.user, "plugin.disable", name)
    return status_of(host, name)


class Reloaded(msgspec.Struct, frozen=True):
    """What a reload has changed."""

    reloaded: tuple[str, ...]  # the plugin and those that require it; none if it is not enabled
    plugin: PluginStatus


@post("/plugins/{name:str}/reload", scope="admin", summary="Reload a plugin", tags=["Plugins"], status_code=200)
async def reload_plugin(request: Request[Any, Any, Any], host: NamedDependency[Host], name: FromPath[str]) -> Reloaded:
    """Its package is imported anew and its enabled dependants' with it; if that fails the old code runs on."""
    if name == OWN_NAME:
        raise Problem(409, "plugin-refused", "the web plugin cannot reload itself: restart csmsd")
    reloaded = tuple(await host.plugins.reload(name))
    host.audit.record(request.user, "plugin.reload", name, after=reloaded)
    return Reloaded(reloaded, status_of(host, name))


def status_of(host: Host, name: str) -> PluginStatus:
    """How one plugin is doing."""
    for status in host.plugins.status():
        if status.name == name:
            return status
    raise PluginNotFound(f"this csmsd has no plugin {name}")


ROUTES = [list_plugins, list_hooks, enable_plugin, disable_plugin, reload_plugin]
