"""The live feed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.plugins.web.management import Api, problem


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"streams": 2, "stream_heartbeat": 15.0}


class Watch:
    """One stream as its client sees it: the texts, and how to leave."""

    def __init__(self) -> None:
        self.status, self.headers, self.texts, self.is_over = 0, dict[bytes, bytes](), list[str](), False
        self.room: trio.CapacityLimiter | None = None
        self.left = trio.Event()
        self.may_read = trio.Event()
        self.may_read.set()

    @property
    def events(self) -> list[tuple[str, Any]]:
        found = []
        for text in "".join(self.texts).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
            if "event" in fields:
                found.append((fields["event"], json.loads(fields["data"])))
        return found

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.may_read.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.texts.append(message.get("body", b"").decode())
            self.is_over = not message.get("more_body", False)


@asynccontextmanager
async def watching(api: Api, query: str = "", token: str | None = None, **headers: str) -> AsyncIterator[Watch]:
    """Ask for the stream over ASGI itself, because httpx's in-process transport waits for the end."""
    watch = Watch()
    sent = {"host": "127.0.0.1", "authorization": f"Bearer {token or api.token}", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/v1/events",
        "raw_path": b"/api/v1/events",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.web.app, scope, watch.receive, watch.send)
        await wait_all_tasks_blocked()
        yield watch
        watch.left.set()


def publish(api: Api, kind: str = "x", station_id: str = "CP-1", **data: Any) -> None:
    api.host.events.publish(kind, station_id, api.host.env.now(), data)


async def test_events_arrive_as_they_happen_with_their_filter(api: Api) -> None:
    async with watching(api) as everything, watching(api, "kinds=a,b&station_id=CP-1") as some:
        publish(api, "a", n=1)
        publish(api, "a", "CP-2", n=2)
        publish(api, "c", n="line\nbreak")
        await wait_all_tasks_blocked()
        assert everything.status == 200
        assert everything.headers[b"content-type"].startswith(b"text/event-stream")
        assert [(kind, event["data"]) for kind, event in everything.events] == [
            ("a", {"n": 1}),
            ("a", {"n": 2}),
            ("c", {"n": "line\nbreak"}),
        ]
        assert [event["data"] for _, event in some.events] == [{"n": 1}]
        assert some.events[0][1].keys() == {"kind", "station_id", "at", "data"}


async def test_a_stations_connection_is_seen(api: Api) -> None:
    async with watching(api, "kinds=station.connected,exchange") as watch:
        await api.connect("CP-1")
        await wait_all_tasks_blocked()
        assert [kind for kind, _ in watch.events] == ["station.connected", "exchange"]


async def test_a_quiet_stream_carries_heartbeats(api: Api, autojump_clock: MockClock) -> None:
    async with watching(api) as watch:
        await trio.sleep(46)
        assert watch.texts.count(": alive\n\n") == 3


async def test_who_was_away_or_too_slow_is_told_to_read_again(api: Api) -> None:
    async with watching(api, last_event_id="7") as returned:
        assert returned.events == [("resync", {})]
        returned.may_read = trio.Event()
        for number in range(1200):
            publish(api, n=number)
        await wait_all_tasks_blocked()
        returned.may_read.set()
        await wait_all_tasks_blocked()
        publish(api, n=-1)
        await wait_all_tasks_blocked()
        kinds = [kind for kind, _ in returned.events]
        assert len(kinds) <= 1005
        assert kinds[-2:] == ["resync", "x"]


async def test_a_stream_ends_when_the_client_leaves_and_its_place_is_free_again(api: Api) -> None:
    async with watching(api), watching(api) as second:
        assert len(api.web.streams) == 2
        problem(await api.get("/events"), 503, "too-many-streams")
        second.left.set()
        await wait_all_tasks_blocked()
        assert len(api.web.streams) == 1
        async with watching(api) as third:
            assert third.status == 200
    assert len(api.web.streams) == 0
    assert not api.host.events.is_watched


@pytest.mark.req("SEC-80")
async def test_a_stream_ends_with_its_token(api: Api) -> None:
    text = await api.mint("read")
    async with watching(api, token=text) as watch:
        await api.web.tokens.revoke(text.split("_")[1], actor="test")
        publish(api, secret="x")
        await wait_all_tasks_blocked()
        assert watch.is_over
        assert watch.events == []


async def test_every_stream_ends_properly_when_csmsd_stops(api: Api) -> None:
    async with watching(api) as one, watching(api) as two:
        api.web.streams.end()
        await wait_all_tasks_blocked()
        assert one.is_over
        assert two.is_over
