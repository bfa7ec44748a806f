"""Templates: one environment that escapes everything, and the two things it makes: whole pages and fragments."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar import Response
from markupsafe import Markup, escape

from csmsd.host import Host
from csmsd_ui import exchanges, fmt
from csmsd_ui.assets import Assets
from csmsd_ui.extension import Fragment, NavItem
from csmsd_ui.principal import AnyRequest, Principal, csrf_token_of, principal_of

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; img-src 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
THEMES = ("auto", "light", "dark")
ZONE_COOKIE, THEME_COOKIE, UTC_COOKIE = "csmsd_zone", "csmsd_theme", "csmsd_utc"


@dataclass(frozen=True, slots=True)
class Viewer:
    """For whom something is rendered: their rights, clock and colours."""

    principal: Principal | None  # None: nobody has signed in
    zone: tzinfo
    zone_name: str  # of their machine
    shows_utc: bool
    theme: Literal["auto", "light", "dark"]
    now: datetime
    csrf: str = ""

    def may(self, scope: str) -> bool:
        """Whether what needs `scope` is open to them."""
        return self.principal is not None and self.principal.allows(scope)

    @property
    def name(self) -> str:
        """What the page calls them."""
        return "" if self.principal is None else self.principal.user or self.principal.actor


class Pages:
    """What makes every page: give a plugin's page or panel to this, and it looks like ours."""

    def __init__(self, host: Host, name: str, assets: Assets) -> None:
        self.host, self.name, self.assets = host, name, assets
        self._theirs: dict[str, BaseLoader] = {}
        loader = ChoiceLoader([PackageLoader("csmsd_ui"), PrefixLoader(self._theirs)])
        self._env = _environment(assets, loader)
        self.log = logging.getLogger("csmsd.plugin.ui")
        self.nav: Any = None  # set by the plugin: the entries of the menu, by viewer

    def use_templates(self, packages: Iterable[tuple[str, str]]) -> None:
        """Find the templates of plugins too: pairs of plugin and package."""
        self._theirs.clear()
        self._theirs.update({plugin: PackageLoader(package) for plugin, package in packages})

    def compile(self) -> None:
        """Read all templates; in a thread, because that takes a while and stations must not wait for it."""
        for name in self._env.list_templates(extensions=["html"]):
            self._env.get_template(name)

    def viewer(self, request: AnyRequest) -> Viewer:
        """Whoever asks."""
        name = request.cookies.get(ZONE_COOKIE, "")
        shows_utc = request.cookies.get(UTC_COOKIE) == "1"
        theme = request.cookies.get(THEME_COOKIE)
        return Viewer(
            principal_of(request),
            fmt.zone_of("" if shows_utc else name),
            name if fmt.zone_of(name) is not UTC else "",
            shows_utc,
            "light" if theme == "light" else "dark" if theme == "dark" else "auto",
            self.host.env.now(),
            csrf_token_of(request, self.host),
        )

    def fragment(self, viewer: Viewer | None, template: str, **context: Any) -> Fragment:
        """A part of a page; without a viewer times are UTC."""
        if viewer is None:
            viewer = Viewer(None, UTC, "", True, "auto", self.host.env.now())
        return Fragment(self._env.get_template(template).render(viewer=viewer, **context))

    def respond(
        self, request: AnyRequest, template: str, *, title: str, status: int = 200, live: str = "", **context: Any
    ) -> Response[str]:
        """A whole page; `live` is the path of its event stream."""
        viewer = self.viewer(request)
        items: list[tuple[str, list[NavItem]]] = self.nav(viewer) if self.nav is not None else []
        text = self._env.get_template(template).render(
            viewer=viewer,
            title=title,
            live=live,
            site=self.name,
            nav=items,
            path=request.url.path,
            here=f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
            is_open=self.host.config.access.unknown_stations == "register",
            **context,
        )
        return Response(text, status_code=status, media_type="text/html; charset=utf-8", headers=HEADERS)

    def answer(self, request: AnyRequest, template: str, *, status: int = 200, **context: Any) -> Response[str]:
        """A fragment as the answer to a request of htmx."""
        text = self.fragment(self.viewer(request), template, **context)
        return Response(str(text), status_code=status, media_type="text/html; charset=utf-8", headers=HEADERS)


def row_id(kind: str, key: object) -> str:
    """An element's id for something whose name comes from outside: letters and digits only."""
    return f"{kind}-{sha256(str(key).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def segment(text: object) -> str:
    """Text as one segment of a path."""
    return quote(str(text), safe="", errors="replace")


def _environment(assets: Assets, loader: BaseLoader) -> Environment:
    env = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
        finalize=_finalize,
    )
    names: dict[str, Any] = {"static": assets.url, "row_id": row_id, "query": query_of}
    names |= {"summary": exchanges.summary, "verdict": exchanges.verdict, "decider": exchanges.decider}
    env.globals.update(names)
    filters: dict[str, Any] = {
        "seg": segment,
        "kwh": fmt.energy,
        "grouped": fmt.grouped,
        "ms": fmt.milliseconds,
        "duration": fmt.duration,
        "at": _at,
        "at_exact": _at_exact,
        "ago": _ago,
        "pretty": pretty,
        "string_of": _string_of,
    }
    env.filters.update(filters)
    return env


def _finalize(value: object) -> object:
    """Nothing for None; and no text reaches a page with characters that hide in it or turn it."""
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return fmt.visible(value)
    return value


def query_of(**parameters: object) -> str:
    """`?a=1&b=2` of those that are given."""
    given = {name: str(value) for name, value in parameters.items() if value not in (None, "", False)}
    return f"?{urlencode(given, errors='replace')}" if given else "?"


def _viewer(context: Context) -> Viewer:
    viewer: Viewer = context["viewer"]
    return viewer


@pass_context
def _at(context: Context, moment: datetime | None, exact: bool = False) -> Markup:
    """A moment as the viewer wants it, with UTC as its title."""
    if moment is None:
        return Markup("")
    viewer = _viewer(context)
    text = fmt.clock(moment, viewer.now, viewer.zone, exact=exact)
    moment_iso = escape(fmt.iso(moment))
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(moment_iso, text)


@pass_context
def _at_exact(context: Context, moment: datetime | None) -> Markup:
    """The same with milliseconds."""
    return _at(context, moment, exact=True)


@pass_context
def _ago(context: Context, moment: datetime | None) -> Markup:
    """How long ago; the browser keeps it right."""
    if moment is None:
        return Markup("")
    seconds = (_viewer(context).now - moment).total_seconds()
    text = fmt.duration(seconds)
    return Markup('<time datetime="{0}" title="{0}" data-ago>{1}</time>').format(fmt.iso(moment), text)


def pretty(payload: str | None) -> Markup:
    """A JSON text with its parts coloured; what is no JSON stays as it is, and very much of it is cut."""
    if payload is None:
        return Markup("")
    if len(payload) > 65_536:
        return escape(fmt.visible(payload[:65_536])) + " … (cut)"
    try:
        value = json.loads(payload, parse_float=_Number, parse_int=_Number)
        return _colour(value, 0)
    except (ValueError, RecursionError):
        return escape(fmt.visible(payload))


def _string_of(raw: str | msgspec.Raw) -> str:
    """The text of a payload, be it one already or bytes."""
    return raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")


class _Number(str):
    """A number as it was written."""


def _colour(value: Any, depth: int) -> Markup:
    if depth > 32:
        return Markup("…")
    pad, end = "  " * (depth + 1), "  " * depth
    match value:
        case dict():
            if not value:
                return Markup("{}")
            pairs = [
                Markup('{}<span class="k">{}</span>: {}').format(pad, _text(name), _colour(each, depth + 1))
                for name, each in value.items()  # pyright: ignore[reportUnknownVariableType]: JSON has no types
            ]
            return Markup("{{\n{}\n{}}}").format(Markup(",\n").join(pairs), end)
        case list():
            if not value:
                return Markup("[]")
            items = [Markup("{}{}").format(pad, _colour(each, depth + 1)) for each in value]  # pyright: ignore[reportUnknownVariableType]: JSON has no types
            return Markup("[\n{}\n{}]").format(Markup(",\n").join(items), end)
        case _Number():
            return Markup('<span class="n">{}</span>').format(str(value))
        case str():
            return Markup('<span class="s">{}</span>').format(_text(value))
        case _:
            return Markup('<span class="n">{}</span>').format(json.dumps(value))


def _text(value: Any) -> str:
    return fmt.visible(json.dumps(str(value), ensure_ascii=False))
