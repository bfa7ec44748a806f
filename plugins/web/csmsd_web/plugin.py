"""The web plugin: what it declares, and its life."""

from __future__ import annotations

import socket

import trio
from litestar.types import ASGIApp

from csmsd.host import Host
from csmsd.plugin import Migrations, Plugin
from csmsd_web import hookspecs, tables
from csmsd_web.access import Access
from csmsd_web.app import Services, build_app
from csmsd_web.config import WebConfig
from csmsd_web.front import Front
from csmsd_web.links import Links
from csmsd_web.localfiles import URL_FILE, keep_admin_token, write_private
from csmsd_web.logins import Logins
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
        self.app = Front(host, self._build)

    def _build(self) -> ASGIApp:
        of_plugins = self.host.hooks.call_plain(hookspecs.web_routes)
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
        return build_app(services, of_plugins)

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
            await self._serve(listener, task_status)
        finally:
            listener.close()
            self.http_url = ""
            (folder / URL_FILE).unlink(missing_ok=True)

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
