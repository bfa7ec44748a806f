"""The HTTP listener: Hypercorn in a task of csmsd's own trio loop."""

from __future__ import annotations

import logging
import socket
from typing import Any

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.logging import Logger
from hypercorn.trio import serve  # pyright: ignore[reportUnknownVariableType]: half typed

from csmsd.config import Listen
from csmsd.listening import bind, bound_address, parse_address, refuse_exposed

log = logging.getLogger("csmsd.web.http")
KEY = "listen.http"


def open_listener(listen: Listen) -> socket.socket:
    """A listening socket; ConfigError says in one sentence why there is none."""
    address = parse_address(listen.http, KEY)
    refuse_exposed(address, listen, KEY)
    return bind(address, KEY)


def url_of(listener: socket.socket) -> str:
    """Where it can be reached from this machine."""
    address = bound_address(listener)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address.host)  # noqa: S104
    return f"http://{address}" if host is None else f"http://{host}:{address.port}"


class QuietLogger(Logger):
    """Hypercorn's own words at start advise CTRL + C; what is served here csmsd says itself."""

    async def info(self, message: str, *args: Any, **kwargs: Any) -> None:
        """For those who debug."""
        await self.debug(message, *args, **kwargs)


async def serve_http(app: Any, listener: socket.socket, stop_timeout: float, stop: trio.Event) -> None:
    """Serve until `stop`; requests in hand have `stop_timeout` seconds to end. Takes the socket over."""
    config = HypercornConfig()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = None
    config.errorlog = log
    config.logger_class = QuietLogger
    config.graceful_timeout = stop_timeout
    config.include_server_header = False
    config.h11_max_incomplete_size = 16_384
    await serve(app, config, shutdown_trigger=stop.wait, mode="asgi")
