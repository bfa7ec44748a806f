"""What every request passes first: raw paths, security headers, and the application that fits the plugin set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Send

from csmsd.host import Host

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
DEFAULTS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),  # pages with forms say same-origin, else browsers hide the forms' origin
)


class Front:
    """One ASGI application for as long as csmsd runs; the one behind it is replaced when plugins come and go."""

    def __init__(self, host: Host, build: Callable[[], ASGIApp], trusted_proxies: Collection[str] = ()) -> None:
        self._host, self._build, self._trusted = host, build, trusted_proxies
        self._plugins: tuple[object | None, ...] = ()
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name.lower() for name, _ in headers}
                headers.extend(HEADERS)
                headers.extend(pair for pair in DEFAULTS if pair[0] not in present)
                message["headers"] = headers
            await send(message)

        raw: Any = scope.get("raw_path") or scope["path"].encode()
        client = client_behind(scope.get("client"), scope["headers"], self._trusted)
        inner: Any = {**scope, "path": raw.partition(b"?")[0].decode("latin-1"), "client": client}
        await self.current()(inner, receive, send_with_headers)

    def current(self) -> ASGIApp:
        """The application for the plugins that are enabled now; a plugin that came back is another instance."""
        plugins = tuple(self._host.plugins.get(status.name) for status in self._host.plugins.status())
        if self._app is None or plugins != self._plugins:
            self._app, self._plugins = self._build(), plugins
        return self._app


def client_behind(client: Any, headers: Iterable[tuple[bytes, bytes]], trusted: Collection[str]) -> Any:
    """Who asks: the last address in X-Forwarded-For that is no trusted proxy, if a trusted proxy has written it."""
    if client is None or client[0] not in trusted:
        return client
    lines = [value.decode("latin-1") for name, value in headers if name.lower() == b"x-forwarded-for"]
    for address in reversed(",".join(lines).split(",")):
        if (address := address.strip()) and address not in trusted:
            return address, 0
    return client


async def _live(receive: Receive, send: Send) -> None:
    """The server's start and end are none of the application's business."""
    while True:
        message: Any = await receive()
        answer: Any = {"type": f"{message['type']}.complete"}
        await send(answer)
        if message["type"] == "lifespan.shutdown":
            return
