"""ApiClient: the management API of a running csmsd, for command lines and scripts. Plain and synchronous.

with find_server(Path("data")) as csmsd:
csmsd.put("/tags/04A1B2C3", {"status": "Accepted"})
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from csmsd.errors import CsmsdError

T = TypeVar("T")

API = "/api/v1"
TOKEN_FILE, URL_FILE = "admin.token", "http.url"  # in data_dir, written by the server
DEFAULT_URL = "http://127.0.0.1:8080"
_CONNECT_TIMEOUT = 5.0
_QUIET_TIMEOUT = 60.0  # a live feed that is silent for longer is dead: the server sends comments in between


class ServerUnreachable(CsmsdError):
    """No csmsd answers at the URL."""


class ApiError(CsmsdError):
    """The server said no: `status` is HTTP's, `code` a word for programs; the message is one sentence."""

    def __init__(self, status: int, message: str, code: str = "", problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.problem = status, code, dict(problem or {})


class ServerEvent(msgspec.Struct, frozen=True):
    """One event of the live feed."""

    kind: str
    data: msgspec.Raw  # JSON
    id: str = ""


def segment(text: str) -> str:
    """A name as one segment of a path: identities and id tags may contain anything."""
    return quote(text, safe="")


def find_server(
    data_dir: Path, *, url: str = "", token: str = "", environ: Mapping[str, str] = os.environ
) -> ApiClient:
    """A client for the server: as given, else as CSMSD_URL and CSMSD_TOKEN say, else as it left word in data_dir."""
    found_url = url or environ.get("CSMSD_URL", "") or _content(data_dir / URL_FILE) or DEFAULT_URL
    found_token = token or environ.get("CSMSD_TOKEN", "") or _content(data_dir / TOKEN_FILE)
    return ApiClient(found_url, found_token)


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except PermissionError as error:
        raise CsmsdError(f"{path} belongs to another user: use that user's account, or --token") from error


class ApiClient:
    """Speaks JSON with `/api/v1`. Errors: ServerUnreachable, ApiError."""

    def __init__(self, url: str, token: str = "", *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # trust_env: no proxy of the environment stands between a machine and itself.
        self._http = httpx.Client(
            base_url=self.url, headers=headers, transport=transport, trust_env=False, timeout=_CONNECT_TIMEOUT
        )

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """What is there, as JSON values; queries that are None are left out."""
        return self._ask("GET", path, query=query)

    def put(self, path: str, body: object) -> Any:
        """Create or replace."""
        return self._ask("PUT", path, _encode(body))

    def patch(self, path: str, body: object) -> Any:
        """Change some fields."""
        return self._ask("PATCH", path, _encode(body))

    def post(self, path: str, body: object = None, *, timeout: float = 30.0, **query: Any) -> Any:
        """Do something; `body` may be JSON text as bytes, which is sent as it is."""
        content = body if isinstance(body, bytes) else None if body is None else _encode(body)
        return self._ask("POST", path, content, timeout=timeout, query=query)

    def delete(self, path: str) -> Any:
        """Remove."""
        return self._ask("DELETE", path)

    def events(self, **query: Any) -> Iterator[ServerEvent]:
        """The live feed (server-sent events), until it ends; ServerUnreachable when the connection breaks."""
        timeout = httpx.Timeout(_CONNECT_TIMEOUT, read=_QUIET_TIMEOUT)
        try:
            with self._http.stream("GET", f"{API}/events", params=_given(query), timeout=timeout) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _refusal(response)
                yield from _events_in(response.iter_lines())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _ask(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        timeout: float = 30.0,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        headers = {"Content-Type": "application/json"} if content is not None else {}
        limits = httpx.Timeout(timeout, connect=_CONNECT_TIMEOUT)
        try:
            response = self._http.request(
                method, API + path, content=content, headers=headers, params=_given(query or {}), timeout=limits
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if response.status_code >= 400:
            raise _refusal(response)
        return json.loads(response.content) if response.content else None

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return ServerUnreachable(f"csmsd at {self.url} does not answer in time")
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return ServerUnreachable(f"{self.url} is no URL of a csmsd: expected something like {DEFAULT_URL}")
        return ServerUnreachable(f"no csmsd answers at {self.url}: is it running? `csmsd run` starts it")


def _encode(body: object) -> bytes:
    return msgspec.json.encode(body)


def _given(query: Mapping[str, Any]) -> dict[str, str]:
    def text(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return {name: text(value) for name, value in query.items() if value is not None}


def _refusal(response: httpx.Response) -> ApiError:
    """One sentence out of problem+json, with the fix if there is one."""
    try:
        fields = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return ApiError(response.status_code, _without_problem(response))
    message = str(fields.get("detail") or fields.get("title") or _without_problem(response))
    if fix := fields.get("fix"):
        message = f"{message.rstrip('.')}: {fix}"
    if response.status_code == 401:
        message = f"{message.rstrip('.')} (the token is looked for in --token, CSMSD_TOKEN and the server's data_dir)"
    return ApiError(response.status_code, message, str(fields.get("code") or fields.get("type") or ""), fields)


def _without_problem(response: httpx.Response) -> str:
    return f"the server answered {response.status_code} {response.reason_phrase}"


def _events_in(lines: Iterator[str]) -> Iterator[ServerEvent]:
    kind, id_, data = "message", "", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield ServerEvent(kind, msgspec.Raw("\n".join(data).encode()), id_)
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            id_ = value
