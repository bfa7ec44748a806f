"""What every page's module gets: csmsd, the Core profile, the templates, the streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import trio
from litestar.types import ASGIApp

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd_core import CorePlugin, core_of
from csmsd_ui.config import UiConfig
from csmsd_ui.extension import Fragment
from csmsd_ui.extras import Extras
from csmsd_ui.figures import Figures
from csmsd_ui.live import LiveStream, LiveView
from csmsd_ui.principal import AnyRequest, is_still_allowed
from csmsd_ui.rendering import Pages, Viewer
from csmsd_web import WebPlugin

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a page that may have failed: what it shows, or why it shows nothing."""

    title: str
    html: Fragment | None
    trouble: str = ""
    plugin: str = ""


class Desk:
    """The means of all pages."""

    def __init__(self, host: Host, config: UiConfig, pages: Pages) -> None:
        self.host, self.config, self.pages = host, config, pages
        self.figures = Figures(host)
        self.extras = Extras(host, pages)

    @property
    def core(self) -> CorePlugin:
        """The Core profile as it is now."""
        return core_of(self.host)

    @property
    def web(self) -> WebPlugin:
        """The web plugin that serves us."""
        web = self.host.plugins.get(WebPlugin.name)
        if not isinstance(web, WebPlugin):
            raise CsmsdError("the pages need the plugin web")
        return web

    def plugin(self, type_: type[T], name: str) -> T | None:
        """Another plugin if it is enabled and what we take it for."""
        found = self.host.plugins.get(name)
        return found if isinstance(found, type_) else None

    def has(self, name: str) -> bool:
        """Whether a plugin is enabled."""
        return self.host.plugins.get(name) is not None

    def stream(self, request: AnyRequest, view: LiveView) -> ASGIApp:
        """The event stream of a page."""
        return LiveStream(self.host, self.web.streams, view, is_still_allowed(request, self.web))

    async def boxed(self, title: str, plugin: str, render: Callable[[], Awaitable[Any]]) -> Box:
        """What a plugin renders, or an error in its place: a page is never worse than its worst panel."""
        try:
            with trio.fail_after(self.config.panel_timeout):
                made = await render()
        except trio.TooSlowError:
            return Box(title, None, f"no answer within {self.config.panel_timeout:g} s", plugin)
        except Exception as error:
            id_ = self.host.env.new_id()
            self.pages.log.exception("a panel of the plugin %s failed (%s)", plugin, id_)
            return Box(title, None, f"{type(error).__name__}; csmsd's log has the reason under {id_}", plugin)
        if not isinstance(made, Fragment):
            return Box(title, None, "the plugin returned something else than a Fragment", plugin)
        return Box(title, made, plugin=plugin)

    async def panels(self, request: AnyRequest, place: str, subject: str = "", *, of: str = "") -> list[Box]:
        """The panels of plugins for a place, one after the other; with `of` only those of one plugin."""
        viewer = self.viewer(request)
        return [
            await self.boxed(panel.title, plugin, partial(panel.render, subject))
            for plugin, panel in self.extras.panels(place)
            if viewer.may(panel.scope) and of in ("", plugin)
        ]

    def viewer(self, request: AnyRequest) -> Viewer:
        """Whoever asks."""
        return self.pages.viewer(request)
