"""A backend in memory: answers when and what it is told to, over httpx's transport."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

from csmsd.testing import TestCsms, open_test_csms
from csmsd_authorizer import AuthorizerPlugin
from csmsd_core import Authorize, AuthorizeResponse, StartTransaction, StartTransactionResponse, Tag
from tests.plugins.profile import EPOCH, virtual_env

URL = "https://billing.example/authorize"


class FakeBackend(httpx.AsyncBaseTransport):
    """`answers` by id tag: a body, a status, or seconds of silence before `Accepted`."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.delay = 0.0
        self.is_down = False
        self.requests: list[httpx.Request] = []
        self.busy = self.most = 0

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Tags and purposes."""
        questions = [json.loads(request.content) for request in self.requests]
        return [(question["id_tag"], question["purpose"]) for question in questions]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        if self.is_down:
            raise httpx.ConnectError("connection refused")
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await trio.sleep(self.delay)
        finally:
            self.busy -= 1
        answer = self.answers.get(json.loads(request.content)["id_tag"], {"status": "Accepted"})
        if isinstance(answer, int):
            return httpx.Response(answer)
        return httpx.Response(200, content=answer) if isinstance(answer, bytes) else httpx.Response(200, json=answer)


@asynccontextmanager
async def csms_with(
    backend: FakeBackend, *tags: Tag, core: dict[str, Any] | None = None, more: tuple[Any, ...] = (), **own: Any
) -> AsyncGenerator[TestCsms, None]:
    """A csmsd that asks this backend; `own` is `[plugin.authorizer]`."""

    class Authorizer(AuthorizerPlugin):
        """The plugin, with a short way to the backend."""

        transport = backend

    tables = {"core": core or {}, "authorizer": {"url": URL, **own}}
    async with open_test_csms(plugins=["core", *more, Authorizer], plugin=tables, env=virtual_env()) as csms:
        for tag in tags:
            await core_tags(csms).put(tag, actor="operator")
        yield csms


def core_tags(csms: TestCsms) -> Any:
    core: Any = csms.host.plugins.get("core")
    return core.tags


async def authorize(station: Any, id_tag: str) -> str:
    answer = await station.send("Authorize", Authorize(id_tag), AuthorizeResponse)
    status: str = answer.id_tag_info.status
    return status


async def start(station: Any, id_tag: str) -> StartTransactionResponse:
    request = StartTransaction(1, id_tag, 0, EPOCH)
    answer: StartTransactionResponse = await station.send("StartTransaction", request, StartTransactionResponse)
    return answer
