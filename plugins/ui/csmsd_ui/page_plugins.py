"""Plugins: how they do, what they take part in, on and off."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd.errors import CsmsdError
from csmsd.host import PluginStatus
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.targets import back_to

OURS = ("ui", "web")  # whoever disables these from here would sit on the branch that is sawn off


def plugin_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """List, look, switch."""

    def status_of(name: str) -> PluginStatus:
        for status in desk.host.plugins.status():
            if status.name == name:
                return status
        raise HTTPException(detail=f"This csmsd has no plugin {name}.", status_code=404)

    @get("/ui/plugins", scope="read")
    async def plugins(request: AnyRequest) -> Response[str]:
        """In the order asked: later ones first."""
        return desk.pages.respond(
            request, "plugins.html", title="Plugins", plugins=list(reversed(desk.host.plugins.status()))
        )

    @get("/ui/plugins/{name:str}", scope="read")
    async def plugin(request: AnyRequest, name: FromPath[str]) -> Response[str]:
        """One, with what would be missing without it."""
        status = status_of(name)
        needed_by = [
            each.name for each in desk.host.plugins.status() if name in each.requires and each.state == "enabled"
        ]
        return desk.pages.respond(
            request,
            "plugin.html",
            title=f"Plugin {name}",
            p=status,
            needed_by=needed_by,
            is_ours=name in OURS,
            panels=await desk.panels(request, "plugin", name, of=name),
        )

    @post("/ui/plugins/{name:str}/enable", scope="admin", status_code=303)
    async def enable(request: AnyRequest, name: FromPath[str]) -> Redirect:
        """Its tables are brought up to date, and it takes part."""
        await desk.host.plugins.enable(name)
        desk.host.audit.record(request.user, "plugin.enable", name)
        return back_to(f"/ui/plugins/{name}")

    @post("/ui/plugins/{name:str}/disable", scope="admin", status_code=303)
    async def disable(request: AnyRequest, name: FromPath[str]) -> Redirect:
        """Calls in hand are finished; its tables stay."""
        if name in OURS:
            raise CsmsdError(f"The plugin {name} shows this page; it is switched off in the configuration only.")
        await desk.host.plugins.disable(name)
        desk.host.audit.record(request.user, "plugin.disable", name)
        return back_to(f"/ui/plugins/{name}")

    return [plugins, plugin, enable, disable]
