"""The plugin set."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from csmsd.errors import PluginNotFound
from csmsd.facts import SetAside
from csmsd.host import HookStatus, Host, PluginStatus
from csmsd_web.paging import After, Limit, Page, link_after
from csmsd_web.problems import Problem

OWN_NAME = "web"

AnyRequest = Request[Any, Any, Any]
Reader = Annotated[str | None, QueryParameter(description="One of the plugin's readers; without: its hooks.")]


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


@get("/plugins/{name:str}/facts/failed", scope="read", summary="List facts a plugin could not take", tags=["Plugins"])
async def list_failed_facts(
    request: AnyRequest,
    host: NamedDependency[Host],
    name: FromPath[str],
    reader: Reader = None,
    limit: Limit = 100,
    after: After = None,
) -> Page[SetAside]:
    """Facts that were tried in vain and set aside, the oldest first; also those of the plugin's readers."""
    status_of(host, name)
    found = await host.facts.set_aside(name, reader=reader, after=_place(after), limit=limit)
    more = link_after(request, f"{found[-1].fact_id}.{found[-1].reader}") if len(found) == limit else None
    return Page(found, more)


@post(
    "/plugins/{name:str}/facts/failed/{fact_id:int}/retry",
    scope="operate",
    summary="Deliver a fact that was set aside",
    tags=["Plugins"],
    status_code=204,
)
async def retry_failed_fact(
    request: AnyRequest, host: NamedDependency[Host], name: FromPath[str], fact_id: FromPath[int], reader: Reader = None
) -> None:
    """Once, now; 502 if it is not taken again: then it stays where it was."""
    status_of(host, name)
    await host.facts.retry(name, fact_id, reader=reader or "")
    host.audit.record(request.user, "plugin.fact.retry", _subject(name, reader, fact_id))


@delete(
    "/plugins/{name:str}/facts/failed/{fact_id:int}",
    scope="operate",
    summary="Discard a fact that was set aside",
    tags=["Plugins"],
)
async def discard_failed_fact(
    request: AnyRequest, host: NamedDependency[Host], name: FromPath[str], fact_id: FromPath[int], reader: Reader = None
) -> None:
    """The plugin will never get it; the audit trail keeps what it said."""
    status_of(host, name)
    discarded = await host.facts.discard(name, fact_id, reader=reader or "")
    host.audit.record(request.user, "plugin.fact.discard", _subject(name, reader, fact_id), discarded)


def _place(after: str | None) -> tuple[int, str]:
    number, _, reader = (after or "0.").partition(".")
    if not number.isdecimal():
        raise Problem(400, "invalid-request", "`after` is not one of ours: follow `next`")
    return int(number), reader


def _subject(name: str, reader: str | None, fact_id: int) -> str:
    return f"{name}/{reader} {fact_id}" if reader else f"{name} {fact_id}"


def status_of(host: Host, name: str) -> PluginStatus:
    """How one plugin is doing."""
    for status in host.plugins.status():
        if status.name == name:
            return status
    raise PluginNotFound(f"this csmsd has no plugin {name}")


ROUTES = [
    list_plugins,
    list_hooks,
    enable_plugin,
    disable_plugin,
    reload_plugin,
    list_failed_facts,
    retry_failed_fact,
    discard_failed_fact,
]
