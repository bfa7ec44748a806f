"""One question over HTTP: what is sent, and what counts as an answer."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import msgspec

from csmsd.env import Env
from csmsd.errors import BackendUnavailable, ConfigError
from csmsd_authorizer.config import AuthorizerConfig, read_file
from csmsd_authorizer.messages import Answer, Question
from csmsd_core import IdTagInfo

SIGNATURE = "X-Csmsd-Signature"
LONGEST_ANSWER = 64 * 1024  # bytes


class Backend:
    """Asks; connections are kept and used again."""

    def __init__(self, client: httpx.AsyncClient, url: str, env: Env, key: bytes | None) -> None:
        self._client, self._url, self._env, self._key = client, url, env, key

    async def ask(self, question: Question) -> IdTagInfo | None:
        """The backend's verdict, or None for "not mine"; BackendUnavailable with the reason, in half a sentence."""
        body = msgspec.json.encode(question)
        try:
            async with self._client.stream("POST", self._url, content=body, headers=self._headers(body)) as response:
                return _verdict(response.status_code, await _content(response))
        except httpx.HTTPError as error:
            raise BackendUnavailable(f"{type(error).__name__}: {_reason(error)}") from error

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if self._key is not None:
            headers[SIGNATURE] = signature(self._key, int(self._env.now().timestamp()), body)
        return headers


def signature(key: bytes, at: int, body: bytes) -> str:
    """`t=<Unix time>,v1=<hex HMAC-SHA256 of "<t>.<body>">`: the time is signed too, so that replays can be told."""
    digest = hmac.new(key, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _reason(error: BaseException) -> str:
    """Some errors say nothing themselves: then what they come from, such as a certificate that nobody vouches for."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return "no reason is known" if cause is None else str(cause)


async def _content(response: httpx.Response) -> bytes:
    """The body. Of one that is too long the rest is read and dropped, so that the connection can be used again."""
    content, size = b"", 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        content += piece if size <= LONGEST_ANSWER else b""
    if size > LONGEST_ANSWER:
        raise BackendUnavailable(f"its answer is longer than {LONGEST_ANSWER} bytes")
    return content


def _verdict(status: int, content: bytes) -> IdTagInfo | None:
    if status == 204:
        return None
    if status != 200:
        hint = ": does it take our token?" if status in (401, 403) else ""
        raise BackendUnavailable(f"it answered {status}{hint}")
    try:
        return msgspec.json.decode(content, type=Answer).to_info()
    except msgspec.MsgspecError as error:
        raise BackendUnavailable(f"its answer cannot be used: {error}") from error


@asynccontextmanager
async def open_backend(
    config: AuthorizerConfig, env: Env, transport: httpx.AsyncBaseTransport | None
) -> AsyncGenerator[Backend, None]:
    """A Backend as configured; ConfigError."""
    token, key = read_file("token_file", config.token_file), read_file("hmac_key_file", config.hmac_key_file)
    try:
        verify = ssl.create_default_context(cafile=config.ca_file or None)
        headers = {} if token is None else {"Authorization": f"Bearer {token.decode('ascii')}"}
    except (OSError, ValueError) as error:
        raise ConfigError(f"[plugin.authorizer] ca_file or token_file cannot be used: {error}") from error
    limits = httpx.Limits(max_connections=config.at_once, max_keepalive_connections=config.at_once)
    whole = httpx.Timeout(None)  # a question has a time limit as a whole, so its parts need none
    # trust_env: no proxy that nobody here has named.
    async with httpx.AsyncClient(
        verify=verify, headers=headers, limits=limits, timeout=whole, trust_env=False, transport=transport
    ) as client:
        yield Backend(client, config.url, env, key)
