"""The pages as a plugin: what it declares, and which module makes which page."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.plugin import Plugin
from csmsd_ui import hookspecs
from csmsd_ui.assets import Assets
from csmsd_ui.config import UiConfig
from csmsd_ui.desk import Desk
from csmsd_ui.errors import explainer
from csmsd_ui.nav import menu
from csmsd_ui.page_access import access_routes, token_routes
from csmsd_ui.page_audit import audit_routes
from csmsd_ui.page_commands import command_routes
from csmsd_ui.page_connections import connection_routes
from csmsd_ui.page_deviations import deviation_routes
from csmsd_ui.page_firmware import firmware_routes, station_firmware_routes
from csmsd_ui.page_gate import account_routes, gate_routes
from csmsd_ui.page_local_list import local_list_routes
from csmsd_ui.page_messages import message_routes
from csmsd_ui.page_overview import overview_routes
from csmsd_ui.page_plugins import plugin_routes
from csmsd_ui.page_preferences import preference_routes
from csmsd_ui.page_profiles import profile_routes
from csmsd_ui.page_reservations import reservation_routes
from csmsd_ui.page_search import search_routes
from csmsd_ui.page_security import security_routes
from csmsd_ui.page_settings import settings_routes
from csmsd_ui.page_station import station_routes
from csmsd_ui.page_station_record import station_record_routes
from csmsd_ui.page_station_tabs import station_tab_routes
from csmsd_ui.page_stations import station_list_routes
from csmsd_ui.page_tags import tag_routes
from csmsd_ui.page_transaction import transaction_routes
from csmsd_ui.page_transactions import transaction_list_routes
from csmsd_ui.rendering import Pages, Viewer

PAGES = (
    gate_routes,
    account_routes,
    station_list_routes,
    station_routes,
    command_routes,
    transaction_list_routes,
    transaction_routes,
    tag_routes,
    station_tab_routes,
    station_record_routes,
    message_routes,
    connection_routes,
    deviation_routes,
    overview_routes,
    plugin_routes,
    search_routes,
    access_routes,
    token_routes,
    settings_routes,
    profile_routes,
    reservation_routes,
    local_list_routes,
    firmware_routes,
    station_firmware_routes,
    security_routes,
    audit_routes,
)


class UiPlugin(Plugin[UiConfig]):
    """The operator's pages: what needs somebody, what stations do now, why something was refused."""

    name = "ui"
    requires = ("core", "web")
    config_type = UiConfig
    specs = (hookspecs,)

    def __init__(self, config: UiConfig, host: Host) -> None:
        super().__init__(config, host)
        self._assets = Assets()
        self.pages = Pages(host, config.name, self._assets)
        self.desk = Desk(host, config, self.pages)
        self.pages.nav = self._menu

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Have the templates at hand before anybody asks for a page."""
        await trio.to_thread.run_sync(self.pages.compile)
        task_status.started()

    def _menu(self, viewer: Viewer) -> list[tuple[str, list[object]]]:
        return [(name, list(items)) for name, items in menu(self.desk, viewer)]

    @hookimpl(optionalhook=True)
    def web_pages(self) -> Sequence[ControllerRouterHandler]:
        """All of them, with errors as pages."""
        self.pages.use_templates(self.desk.extras.templates())
        own = [handler for routes in PAGES for handler in routes(self.desk)]
        theirs = Router("/ui/x", route_handlers=list(self.desk.extras.routes()))
        handlers: list[ControllerRouterHandler] = [*own, *preference_routes(), theirs, *self._front()]
        router = Router(
            "/", route_handlers=handlers, exception_handlers={Exception: explainer(self.pages)}, include_in_schema=False
        )
        return [router]

    def _front(self) -> list[HTTPRouteHandler]:
        return [self._assets.handler()]
