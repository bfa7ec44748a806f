"""The Litestar application: our own routes and those of the plugins; built anew when the plugin set changes."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from litestar import Litestar, Request, Response, Router
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from csmsd.errors import Bug, PluginError
from csmsd.host import Host
from csmsd_web import (
    routes_audit,
    routes_commands,
    routes_docs,
    routes_events,
    routes_journal,
    routes_overview,
    routes_plugins,
    routes_sessions,
    routes_stations,
    routes_system,
    routes_tokens,
    routes_users,
)
from csmsd_web.access import DECLARED, Access
from csmsd_web.config import WebConfig
from csmsd_web.links import Links
from csmsd_web.logins import Logins
from csmsd_web.openapi import PREFIX, Documents
from csmsd_web.problems import Problem, problem_of
from csmsd_web.sessions import Sessions
from csmsd_web.sse import Streams
from csmsd_web.tokens import Tokens
from csmsd_web.users import Users

log = logging.getLogger("csmsd.web")

# What handlers, also those of other plugins, may ask for by name.
OFFERED = ("host", "users", "tokens", "sessions", "logins", "links", "access", "streams")
PARAMETER = re.compile(r"\{[^}]*\}")

OWN_ROUTES: tuple[ControllerRouterHandler, ...] = (
    *routes_stations.ROUTES,
    *routes_commands.ROUTES,
    *routes_journal.ROUTES,
    *routes_overview.ROUTES,
    *routes_events.ROUTES,
    *routes_plugins.ROUTES,
    *routes_audit.ROUTES,
    *routes_tokens.ROUTES,
    *routes_users.ROUTES,
    *routes_sessions.ROUTES,
    *routes_system.ROUTES,
)


class Decoded:
    """Path parameters are percent-decoded after routing, so that `A%2FB` is one segment (WS-04)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decode what is text; bytes that are no UTF-8 and NUL, which not every database stores, name nothing."""
        try:
            scope["path_params"] = {
                name: unquote(value, errors="strict") if isinstance(value, str) else value  # pyright: ignore[reportUnnecessaryIsInstance]: parsers make numbers
                for name, value in scope["path_params"].items()
            }
        except UnicodeDecodeError:
            raise Problem(404, "not-found", "the path is not UTF-8") from None
        if b"%00" in scope["query_string"] or "\0" in "".join(map(str, scope["path_params"].values())):
            raise Problem(400, "bad-request", "NUL is in no name")
        await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers may ask for, by name."""

    host: Host
    config: WebConfig
    users: Users
    tokens: Tokens
    sessions: Sessions
    logins: Logins
    links: Links
    access: Access
    streams: Streams


def build_app(
    services: Services,
    of_plugins: Sequence[Sequence[ControllerRouterHandler]],
    pages: Sequence[Sequence[ControllerRouterHandler]] = (),
) -> Litestar:
    """The application; routes and pages of a plugin that do not fit are left out, and the log says so."""
    if silent := undeclared(OWN_ROUTES):
        raise PluginError(f"the route {silent[0]} does not declare who may use it")
    fitting = _fitting(of_plugins, _claims(OWN_ROUTES))
    return _build(services, fitting, _fitting(pages, set()))


def _fitting(of_plugins: Sequence[Sequence[ControllerRouterHandler]], taken: set[str]) -> list[ControllerRouterHandler]:
    fitting: list[ControllerRouterHandler] = []
    for routes in of_plugins:
        try:
            wanted = _claims(routes)
            if silent := undeclared(routes):
                log.error("routes of a plugin are left out: %s does not declare who may use it (scope=…)", silent[0])
                continue
            if clash := sorted(wanted & taken):
                log.error("routes of a plugin are left out: %s exists already", clash[0])
                continue
        except Bug:
            log.exception("routes of a plugin are left out: %s", routes)
            continue
        taken |= wanted
        fitting.extend(routes)
    return fitting


def _claims(routes: Sequence[ControllerRouterHandler]) -> set[str]:
    """Methods and paths that these routes answer, whatever their parameters are called."""
    return {
        f"{method} {PARAMETER.sub('{}', route.path)}"
        for route in Router("/", route_handlers=routes).routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


def undeclared(routes: Sequence[ControllerRouterHandler]) -> list[str]:
    """The paths of handlers that do not say who may use them, or say nonsense."""
    found: list[str] = []
    for route in Router("/", route_handlers=routes).routes:
        own: Sequence[BaseRouteHandler]
        if isinstance(route, HTTPRoute):
            own = [handler for handler in route.route_handlers if handler.http_methods != {"OPTIONS"}]
        else:
            own = [route.route_handler]
        found += [route.path for handler in own if handler.opt.get("scope") not in DECLARED]
    return found


def _build(
    services: Services, more: Sequence[ControllerRouterHandler], pages: Sequence[ControllerRouterHandler]
) -> Litestar:
    def explain(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return problem_of(request, error, services.host.env)

    described: list[ControllerRouterHandler] = [
        Router(PREFIX, route_handlers=[*OWN_ROUTES, *more]),
        *routes_system.PROBES,
    ]
    offered = {name: _provide(getattr(services, name)) for name in OFFERED}
    documents = _provide(Documents(services.host, described, offered))
    return Litestar(
        [
            *described,
            *pages,
            *(() if "GET /" in _claims(pages) else (routes_docs.front_page,)),
            Router("/api", route_handlers=routes_docs.ROUTES, dependencies={"documents": documents}),
        ],
        guards=[services.access.check],
        dependencies=offered,
        exception_handlers={Exception: explain},
        middleware=[DefineMiddleware(Decoded)],
        request_max_body_size=services.config.request_bytes,
        logging_config=None,
        openapi_config=None,
    )


def _provide(service: object) -> Provide:
    async def provide() -> Any:
        return service

    return Provide(provide)
