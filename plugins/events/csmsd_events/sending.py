"""One HTTP request of a webhook: to a judged address, within limits of time and size, and no further."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpcore
import msgspec
import trio

from csmsd_events.addresses import ForbiddenAddress, Policy

ANSWER_BYTES = 16_384  # a longer body, or one that does not say how long it is, is not read
PORTS = {"https": 443, "http": 80}
_RESOLVERS = trio.CapacityLimiter(8)  # threads: a name server that hangs must not use up everybody's

Resolve = Callable[[str, int], Awaitable[list[str]]]  # the addresses of a host, in numbers; OSError


class InvalidUrl(ValueError):
    """No webhook can have this URL."""


class Unreachable(Exception):
    """No answer: says why, for the operator."""


class Target(msgspec.Struct, frozen=True):
    """Where a webhook goes."""

    is_tls: bool
    host: str
    port: int
    path: str  # and query


class Answer(msgspec.Struct, frozen=True):
    """What the receiver said."""

    status: int
    retry_after: str  # the header's value; "" without one


def target_of(url: str) -> Target:
    """Take a URL apart; InvalidUrl says what is wrong with it."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidUrl("a webhook's URL is ASCII without spaces: write other characters as %XX, names as xn--")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidUrl(f"{url} is no URL: {error}") from None
    if parts.scheme not in PORTS:
        raise InvalidUrl(f"{url} does not begin with https:// or http://")
    if not parts.hostname:
        raise InvalidUrl(f"{url} names no host")
    if parts.username is not None or parts.password is not None:
        raise InvalidUrl("a webhook's URL has no user or password: the signature is what proves who sends")
    if parts.fragment:
        raise InvalidUrl("a webhook's URL has no fragment: it would not be sent")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", parts.hostname, port or PORTS[parts.scheme], path)


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system."""
    found = await trio.to_thread.run_sync(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), limiter=_RESOLVERS, abandon_on_cancel=True
    )
    return [str(address[0]) for *_, address in found]


class _JudgedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the policy allows, whatever a name says the next time it is asked for."""

    def __init__(self, policy: Policy, resolver: Resolve, *, is_tls: bool) -> None:
        self._policy, self._resolver, self._is_tls = policy, resolver, is_tls
        connector: Any = httpcore.TrioBackend()  # its type is another one where trio is missing
        self._trio: httpcore.AsyncNetworkBackend = connector

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """One allowed address after the other, until one answers."""
        allowed = self._policy.select(host, await self._resolver(host, port), is_tls=self._is_tls)
        share = None if timeout is None else timeout / len(allowed)
        for address in allowed[:-1]:
            try:
                return await self._trio.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._trio.connect_tcp(allowed[-1], port, share, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """As it says."""
        await trio.sleep(seconds)


class Sender:
    """The connections of one webhook; `async with` closes them."""

    def __init__(
        self,
        url: str,
        policy: Policy,
        *,
        tls: ssl.SSLContext,
        timeout: float,
        at_once: int,
        resolver: Resolve = resolve,
    ) -> None:
        self._target, self._timeout = target_of(url), timeout
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=at_once,
            max_keepalive_connections=at_once,
            keepalive_expiry=15.0,
            network_backend=_JudgedBackend(policy, resolver, is_tls=self._target.is_tls),
        )

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is open; the next request opens a connection again."""
        with trio.move_on_after(1, shield=True):
            await self._pool.aclose()

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Unreachable tells why there is no answer; redirects are answers like any other, and are not followed."""
        try:
            with trio.fail_after(self._timeout):
                return await self._post(headers, body)
        except trio.TooSlowError:
            raise Unreachable(f"no answer within {self._timeout:g} s") from None
        except ForbiddenAddress as error:
            raise Unreachable(str(error)) from None
        except socket.gaierror as error:
            raise Unreachable(f"{self._target.host} has no address: {error.strerror}") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {_words(error)}") from None

    async def _post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        target = self._target
        url = httpcore.URL(
            scheme=b"https" if target.is_tls else b"http",
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        )
        default = target.port == PORTS["https" if target.is_tls else "http"]
        name = f"[{target.host}]" if ":" in target.host else target.host
        host = name if default else f"{name}:{target.port}"
        sent = {"host": host, "content-length": str(len(body)), **headers}
        timeouts = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)}
        async with self._pool.stream(
            "POST", url, headers=list(sent.items()), content=body, extensions=timeouts
        ) as response:
            found = {name.lower(): value for name, value in response.headers}
            if _is_short(found.get(b"content-length", b"")):  # then the connection can be used again, else it is closed
                await response.aread()
            return Answer(response.status, found.get(b"retry-after", b"").decode("latin-1"))


def _is_short(length: bytes) -> bool:
    return length.isdigit() and len(length) < 10 and int(length) <= ANSWER_BYTES


def _words(error: BaseException) -> str:
    """What it says, or else what its cause does: trio tells of a broken connection without a word."""
    while not str(error) and (reason := error.__cause__ or error.__context__) is not None:
        error = reason
    return str(error) or "no reason is given"
