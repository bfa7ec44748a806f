"""Templates, and sites whose stations share a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from csmsd_smartcharging.builder import Draft
from csmsd_smartcharging.routes_common import TAG, AnyRequest, Listing, refusals
from csmsd_smartcharging.site_rows import Site
from csmsd_smartcharging.sites import SiteState
from csmsd_smartcharging.templates import Template

if TYPE_CHECKING:
    from csmsd_smartcharging.plugin import SmartChargingPlugin


class TemplateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draft to be used again."""

    draft: Draft
    note: str = ""


def template_routes(plugin: SmartChargingPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the templates."""
    templates = plugin.templates

    @get("/smartcharging/templates", scope="read", summary="List templates", tags=[TAG])
    async def list_templates() -> Listing[Template]:
        """By name."""
        return Listing(templates.list())

    @get("/smartcharging/templates/{name:str}", scope="read", summary="Look a template up", tags=[TAG])
    async def get_template(name: FromPath[str]) -> Template:
        """The draft and its note."""
        with refusals():
            return templates.get(name)

    @put("/smartcharging/templates/{name:str}", scope="operate", summary="Create or replace a template", tags=[TAG])
    async def put_template(request: AnyRequest, name: FromPath[str], data: JSONBody[TemplateBody]) -> Template:
        """To install it, name it in `POST /stations/…/charging-profiles`."""
        with refusals():
            return await templates.put(name, data.draft, actor=request.user, note=data.note)

    @delete("/smartcharging/templates/{name:str}", scope="operate", summary="Forget a template", tags=[TAG])
    async def delete_template(request: AnyRequest, name: FromPath[str]) -> None:
        """Profiles that were made of it stay."""
        with refusals():
            await templates.remove(name, actor=request.user)

    return [list_templates, get_template, put_template, delete_template]


def site_routes(plugin: SmartChargingPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the sites."""
    sites = plugin.sites

    @get("/smartcharging/sites", scope="read", summary="List sites", tags=[TAG])
    async def list_sites() -> Listing[SiteState]:
        """By name, with what each station may draw now."""
        return Listing([sites.state(name) for name in sites.names()])

    @get("/smartcharging/sites/{name:str}", scope="read", summary="Look a site up", tags=[TAG])
    async def get_site(name: FromPath[str]) -> SiteState:
        """The limit, and what each station may draw now."""
        with refusals():
            return sites.state(name)

    @put("/smartcharging/sites/{name:str}", scope="operate", summary="Create or replace a site", tags=[TAG])
    async def put_site(request: AnyRequest, name: FromPath[str], data: JSONBody[Site]) -> SiteState:
        """The stations are told in the background, reductions first."""
        with refusals():
            return await sites.put(name, data, actor=request.user)

    @delete("/smartcharging/sites/{name:str}", scope="operate", summary="Forget a site", tags=[TAG])
    async def delete_site(request: AnyRequest, name: FromPath[str]) -> None:
        """The stations keep their last limits until they are cleared."""
        with refusals():
            await sites.remove(name, actor=request.user)

    return [list_sites, get_site, put_site, delete_site]
