"""The web plugin: what it declares, and its life."""

from __future__ import annotations

import socket

import trio
from litestar.types import ASGIApp

from csmsd.host import Host
from csmsd.plugin import Migrations, Plugin
from csmsd_web import hookspecs, tables
from csmsd_web.app import Services, build_app
from csmsd_web.config import WebConfig
from csmsd_web.front import Front
from csmsd_web.localfiles import URL_FILE, keep_admin_token, write_private
from csmsd_web.serving import open_listener, serve_http, url_of
from csmsd_web.sse import Streams
from csmsd_web.tokens import Tokens


class WebPlugin(Plugin[WebConfig]):
    """The management API over HTTP: stations, commands, events, plugins, metrics."""

    name = "web"
    config_type = WebConfig
    specs = (hookspecs,)
    migrations = Migrations("csmsd_web", tables.metadata)

    def __init__(self, config: WebConfig, host: Host) -> None:
        super().__init__(config, host)
        self.tokens = Tokens(host)
        self.streams = Streams(host, config.streams, config.stream_heartbeat)
        self.http_url = ""  # "" while nothing listens
        self.app = Front(host, self._build)

    def _build(self) -> ASGIApp:
        of_plugins = self.host.hooks.call_plain(hookspecs.web_routes)
        services = Services(self.host, self.config, self.tokens, self.streams)
        return build_app(services, of_plugins)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Listen until csmsd stops; with `listen.http = ""` the application is there and nobody listens."""
        await self.tokens.load()
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
