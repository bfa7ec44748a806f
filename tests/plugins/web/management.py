"""How tests ask the management API: in process, without a socket."""

from __future__ import annotations

from typing import Any

import httpx

from csmsd.testing import TestCsms, TestStation
from csmsd_core import BootNotification, BootNotificationResponse
from csmsd_web import WebPlugin
from csmsd_web.principals import Scope


def full_path(path: str) -> str:
    """Where a short path of a test leads."""
    is_full = path == "/" or path.startswith(("/api/", "/ui/", "/healthz", "/readyz", "/metrics"))
    return path if is_full else f"/api/v1{path}"


PASSWORD = "correct horse battery"


class Api:
    """Asks the management API, by default as an administrator."""

    def __init__(self, csms: TestCsms) -> None:
        self.csms, self.host = csms, csms.host
        self.token = ""

    @classmethod
    async def administered(cls, csms: TestCsms) -> Api:
        """With an admin token."""
        api = cls(csms)
        api.token = await api.mint()
        return api

    @property
    def web(self) -> WebPlugin:
        found = self.host.plugins.get("web")
        assert isinstance(found, WebPlugin)
        return found

    async def mint(self, scope: Scope = "admin", **more: Any) -> str:
        _, text = await self.web.tokens.mint(f"test {scope}", scope, actor="test", **more)
        return text

    def client(self, token: str | None = None, peer: str = "127.0.0.1") -> httpx.AsyncClient:
        text = self.token if token is None else token
        headers = {"authorization": f"Bearer {text}"} if text else {}
        transport = httpx.ASGITransport(self.web.app, raise_app_exceptions=False, client=(peer, 1))  # type: ignore[arg-type]  # httpx types ASGI loosely
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)

    async def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        async with self.client(token) as client:
            return await client.request(method, full_path(path), **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("GET", path, **more)

    async def put(self, path: str, body: object = None, **more: Any) -> httpx.Response:
        return await self.ask("PUT", path, json={} if body is None else body, **more)

    async def post(self, path: str, body: object = None, **more: Any) -> httpx.Response:
        if body is not None:
            more["json"] = body
        return await self.ask("POST", path, **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("DELETE", path, **more)

    async def audit(self) -> list[Any]:
        """What was recorded of changes, newest first."""
        trail: Any = self.host.audit
        return list(await trail.entries())

    async def connect(self, station_id: str, **answers: Any) -> TestStation:
        """A station that is accepted and answers commands as given."""
        station = await self.csms.connect(station_id)
        station.behaviour.update(answers)
        await station.send("BootNotification", BootNotification("vendor", "model"), BootNotificationResponse)
        return station


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The response is a problem of that kind; its members."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["type"], body["status"]) == (f"urn:csmsd:{kind}", status)
    assert body["title"]
    assert body["detail"]
    return body


class Browser:
    """Somebody with a browser: keeps cookies, and sends the CSRF token it was given with every change."""

    def __init__(self, api: Api, peer: str = "127.0.0.1") -> None:
        self._client = api.client("", peer)
        self.csrf = ""

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    @property
    def cookies(self) -> httpx.Cookies:
        return self._client.cookies

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        if self.csrf and method not in ("GET", "HEAD"):
            headers = {"x-csrf-token": self.csrf, **headers}
        return await self._client.request(method, full_path(path), headers=headers, **more)

    async def log_in(self, name: str, password: str) -> httpx.Response:
        answer = await self.request("POST", "/session", json={"name": name, "password": password})
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf_token"]
        return answer


async def is_in(browser: Browser) -> bool:
    """Whether the browser's session is good."""
    return (await browser.request("GET", "/session")).status_code == 200
