"""ApiClient: the management API of a running csmsd, for command lines and scripts. Plain and synchronous.

with find_server(Path("data")) as csmsd:
csmsd.put("/tags/04A1B2C3", {"status": "Accepted"})
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from csmsd.errors import CsmsdError

T = TypeVar("T")

API = "/api/v1"
TOKEN_FILE, URL_FILE = "admin.token", "http.url"  # in data_dir, written by the server
DEFAULT_URL = "http://127.0.0.1:8080"
USER_AGENT = "csmsd-cli"  # by which the server tells command lines from other programs, for the audit
_NAMESPACE = "urn:csmsd:"
_PAGE = 1000
_CONNECT_TIMEOUT = 5.0
_TRANSFER_TIMEOUT = 60.0  # for the next part of a file
_QUIET_TIMEOUT = 60.0  # a live feed that is silent for longer is dead: the server sends comments in between


class ServerUnreachable(CsmsdError):
    """No csmsd answers at the URL."""


class ApiError(CsmsdError):
    """The server said no, in one sentence; `status` is HTTP's, `kind` a word for programs, like `station-offline`."""

    def __init__(self, status: int, message: str, kind: str = "", problem: bytes = b"{}") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind
        self.problem = problem  # as received, JSON


class _Problem(msgspec.Struct, frozen=True):
    """problem+json (RFC 9457), as far as it concerns us."""

    type: str = ""
    title: str = ""
    detail: str = ""


class _Page(msgspec.Struct, frozen=True):
    """A part of a list."""

    items: list[msgspec.Raw]
    next: str | None = None


class ServerEvent(msgspec.Struct, frozen=True):
    """One event of the live feed; `resync` tells that some were missed."""

    kind: str
    station_id: str = ""
    at: datetime | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")  # JSON object


def segment(text: str) -> str:
    """A name as one segment of a path: identities and id tags may contain anything."""
    return quote(text, safe="")


def find_server(
    data_dir: Path,
    *,
    url: str = "",
    token: str = "",
    environ: Mapping[str, str] = os.environ,
    fallback: str = "",
) -> ApiClient:
    """A client for the server: as given, else as CSMSD_URL and CSMSD_TOKEN say, else as it left word in data_dir."""
    found_url = url or environ.get("CSMSD_URL", "") or _content(data_dir / URL_FILE)
    found_token = token or environ.get("CSMSD_TOKEN", "") or _content(data_dir / TOKEN_FILE)
    return ApiClient(found_url or fallback or DEFAULT_URL, found_token)


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
        headers = {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {token}"} if token else {})
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

    def get(self, path: str, **query: Any) -> msgspec.Raw:
        """What is there; queries that are None are left out."""
        return self._ask("GET", path, query=query)

    def put(self, path: str, body: object) -> msgspec.Raw:
        """Create or replace."""
        return self._ask("PUT", path, _encode(body))

    def post(
        self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, timeout: float | None = 30.0
    ) -> msgspec.Raw:
        """Do something; `body` may be JSON text as bytes, which is sent as it is. Timeout None waits for ever."""
        content = body if isinstance(body, bytes) else None if body is None else _encode(body)
        return self._ask("POST", path, content, headers=headers, timeout=timeout)

    def delete(self, path: str) -> None:
        """Remove."""
        self._ask("DELETE", path)

    def upload(self, path: str, file: BinaryIO, **query: Any) -> msgspec.Raw:
        """Put a file's content there, streamed."""
        kind = {"Content-Type": "application/octet-stream"}
        return self._ask("PUT", path, file, headers=kind, timeout=_TRANSFER_TIMEOUT, query=query)

    def save(self, path: str, file: BinaryIO) -> int:
        """Write what is there into a file, streamed: how many bytes."""
        timeout = httpx.Timeout(_TRANSFER_TIMEOUT, connect=_CONNECT_TIMEOUT)
        size = 0
        try:
            with self._http.stream("GET", API + path, timeout=timeout) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _refusal(response)
                for piece in response.iter_raw():
                    size += file.write(piece)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        return size

    def items(self, path: str, *, most: int | None = None, **query: Any) -> Iterator[msgspec.Raw]:
        """The items of a list, from as many pages as it takes; no more than `most`."""
        size = _PAGE if most is None else min(most, _PAGE)
        page = msgspec.json.decode(self.get(path, limit=size, **query), type=_Page)
        left = most
        while True:
            yield from page.items if left is None else page.items[:left]
            left = None if left is None else left - len(page.items)
            if page.next is None or (left is not None and left <= 0):
                return
            page = msgspec.json.decode(self._ask("GET", page.next.removeprefix(API)), type=_Page)

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
        content: bytes | BinaryIO | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        query: Mapping[str, Any] | None = None,
    ) -> msgspec.Raw:
        kind = {"Content-Type": "application/json"} if isinstance(content, bytes) else {}
        limits = httpx.Timeout(timeout, connect=_CONNECT_TIMEOUT)
        try:
            response = self._http.request(
                method,
                API + path,
                content=content,
                headers={**kind, **(headers or {})},
                params=_given(query or {}) or None,  # httpx drops the query of a path if there is an empty one here
                timeout=limits,
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if response.status_code >= 400:
            raise _refusal(response)
        return msgspec.Raw(response.content or b"null")

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
    """One sentence out of problem+json."""
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        return ApiError(response.status_code, f"the server answered {response.status_code} {response.reason_phrase}")
    sentence = problem.detail or problem.title or f"the server answered {response.status_code}"
    if response.status_code == 401:
        sentence += " (tokens are looked for in --token, CSMSD_TOKEN and the server's data_dir)"
    return ApiError(response.status_code, sentence, problem.type.removeprefix(_NAMESPACE), response.content)


def _events_in(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Server-sent events; what is no event of ours is passed over."""
    kind, data = "", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        if name == "event":
            kind = value.strip()
        elif name == "data":
            data.append(value)
        elif not line and data:
            text = "\n".join(data)
            yield ServerEvent(kind) if kind == "resync" else msgspec.json.decode(text, type=ServerEvent)
            kind, data = "", []
