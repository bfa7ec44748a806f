"""The web plugin: what it declares, and its life."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import timedelta

import trio
from litestar.types import ASGIApp

from csmsd.hookspecs import Metric, hookimpl
from csmsd.host import Host
from csmsd.plugin import Migrations, Plugin
from csmsd_web import cli, hookspecs, tables
from csmsd_web.access import Access
from csmsd_web.app import Services, build_app
from csmsd_web.config import WebConfig
from csmsd_web.front import Front
from csmsd_web.links import Links
from csmsd_web.localfiles import URL_FILE, keep_admin_token, write_private
from csmsd_web.logins import OUTCOMES, Logins
from csmsd_web.passwords import Passwords
from csmsd_web.serving import open_listener, serve_http, url_of
from csmsd_web.sessions import Sessions
from csmsd_web.sse import Streams
from csmsd_web.tokens import Tokens
from csmsd_web.users import Users


class WebPlugin(Plugin[WebConfig]):
    """The management API over HTTP: stations, commands, events, plugins, metrics."""

    name = "web"
    config_type = WebConfig
    specs = (hookspecs,)
    cli = (cli.user, cli.token)
    migrations = Migrations("csmsd_web", tables.metadata)

    def __init__(self, config: WebConfig, host: Host) -> None:
        super().__init__(config, host)
        self.passwords = Passwords()
        self.users = Users(host, self.passwords)
        self.tokens = Tokens(host, self.users)
        self.sessions = Sessions(host, config)
        self.logins = Logins(host, self.users, self.sessions, config)
        self.links = Links(host, self.users, config)
        self.access = Access(self.users, self.tokens, self.sessions, config)
        self.users.when_shut_out.append(self.sessions.end_all_of)
        self.users.when_removed += [self.tokens.forget_all_of, self.links.forget_all_of]
        self.streams = Streams(host, config.streams, config.stream_heartbeat)
        self.http_url = ""  # "" while nothing listens
        self._first_link = ""  # the text of the one-time link, while there is no user
        self.app = Front(host, self._build, config.trusted_proxies)

    def _build(self) -> ASGIApp:
        of_plugins = self.host.hooks.call_plain(hookspecs.web_routes)
        pages = self.host.hooks.call_plain(hookspecs.web_pages)
        services = Services(
            self.host,
            self.config,
            self.users,
            self.tokens,
            self.sessions,
            self.logins,
            self.links,
            self.access,
            self.streams,
        )
        return build_app(services, of_plugins, pages)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Listen until csmsd stops; with `listen.http = ""` the application is there and nobody listens."""
        for book in (self.users, self.tokens, self.sessions, self.links):
            await book.load()
        if not self.host.config.listen.http:
            task_status.started()
            return
        folder = self.host.config.data_dir
        listener = open_listener(self.host.config.listen)
        try:
            self.http_url = url_of(listener)
            if self.config.local_token:
                await keep_admin_token(folder, self.tokens)
            write_private(folder / URL_FILE, self.http_url)
            self.app.current()
            await self._offer_first_link()
            await self._serve(listener, task_status)
        finally:
            listener.close()
            self.http_url = ""
            (folder / URL_FILE).unlink(missing_ok=True)

    async def _offer_first_link(self) -> None:
        """While there is no user: for whoever reads the terminal (or the log) of this machine."""
        if not self.users.all():
            self._first_link = await self.links.for_first_administrator()

    @hookimpl
    def greet(self) -> Iterable[tuple[str, str]]:
        """How the first user comes in."""
        if not self.http_url or self.users.all():
            return []
        if self.host.plugins.get("ui") is None:
            return [("users", "none yet: csmsd user add <name> --role administrator")]
        until = (self.host.env.now() + timedelta(seconds=self.config.link_lifetime)).astimezone()
        url = self.links.url_of(self._first_link, self.http_url)
        return [("welcome", f"{url}   (the first user comes in here, once, until {until:%H:%M})")]

    @hookimpl
    def report_metrics(self) -> Iterable[Metric]:
        """Sessions, and how log-ins ended."""
        yield Metric("web_sessions", "Open sessions of people.", len(self.sessions.all()))
        for outcome in OUTCOMES:
            count = self.logins.outcomes[outcome]
            yield Metric("web_logins_total", "Log-ins, by outcome.", count, (("outcome", outcome),), "counter")

    async def _serve(self, listener: socket.socket, task_status: trio.TaskStatus[None]) -> None:
        stop = trio.Event()

        async def run() -> None:
            with trio.CancelScope(shield=True):
                await serve_http(self.app, listener, self.config.stop_timeout, stop)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self.streams.end()
                stop.set()
