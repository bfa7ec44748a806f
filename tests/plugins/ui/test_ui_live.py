"""Streams render what is dirty, not what happened: four times a second at most, and never for who may not look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import trio

from csmsd.events import Event
from csmsd.testing import open_test_csms
from csmsd_ui import Fragment
from csmsd_ui.live import EVERYTHING, LiveStream, LiveView, Part
from csmsd_web import WebPlugin


class Counting(LiveView):
    """Remembers what it was asked to render."""

    def __init__(self) -> None:
        self.rendered: list[frozenset[str]] = []

    def dirtied(self, event: Event) -> Iterable[str]:
        return (event.station_id,)

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        self.rendered.append(dirty)
        if "broken" in dirty:
            raise RuntimeError("a row that cannot be shown")
        return [Part("row-1", Fragment("<tr>\n</tr>"))]


class Watching:
    """A browser on a stream."""

    def __init__(self) -> None:
        self.texts: list[tuple[float, bytes]] = []
        self.is_allowed, self.gone = True, trio.Event()

    async def send(self, message: Any) -> None:
        self.texts.append((trio.current_time(), message.get("body", b"")))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def messages(self) -> list[float]:
        return [at for at, text in self.texts if b"hx-partial" in text]


@pytest.mark.parametrize("events_per_second", [1, 100])
async def test_a_thousand_changes_are_few_messages(autojump_clock: object, events_per_second: int) -> None:
    async with open_test_csms(plugins=("core", "web", "ui")) as csms, trio.open_nursery() as nursery:
        host, view, browser = csms.host, Counting(), Watching()
        web = host.plugins.get("web")
        assert isinstance(web, WebPlugin)
        stream: Any = LiveStream(host, web.streams, view, lambda: browser.is_allowed)
        nursery.start_soon(stream, {}, browser.receive, browser.send)
        await trio.sleep(0.1)
        for number in range(10 * events_per_second):
            host.events.publish("x", f"CP-{number % 3}", host.env.now(), {})
            await trio.sleep(1 / events_per_second)
        await trio.sleep(1)
        assert len(browser.messages) <= 10 * min(events_per_second, 4) + 2
        assert all(
            later - sooner >= 0.25 for sooner, later in zip(browser.messages, browser.messages[1:], strict=False)
        )
        assert all(dirty <= {"CP-0", "CP-1", "CP-2"} for dirty in view.rendered)
        data = next(text for _, text in browser.texts if b"hx-partial" in text)
        assert all(line.startswith(b"data: ") for line in data.strip().split(b"\n"))
        browser.gone.set()


async def test_lost_events_make_everything_dirty_and_a_broken_row_breaks_nothing(autojump_clock: object) -> None:
    async with open_test_csms(plugins=("core", "web", "ui")) as csms, trio.open_nursery() as nursery:
        host, view, browser = csms.host, Counting(), Watching()
        web = host.plugins.get("web")
        assert isinstance(web, WebPlugin)
        stream: Any = LiveStream(host, web.streams, view, lambda: browser.is_allowed)
        nursery.start_soon(stream, {}, browser.receive, browser.send)
        await trio.sleep(0.1)
        host.events.publish("x", "broken", host.env.now(), {})
        await trio.sleep(1)
        for _ in range(5000):
            host.events.publish("x", "CP-1", host.env.now(), {})
        await trio.sleep(1)
        host.events.publish("x", "CP-1", host.env.now(), {})
        await trio.sleep(1)
        assert any(EVERYTHING in dirty for dirty in view.rendered)
        assert browser.messages
        browser.is_allowed = False
        host.events.publish("x", "CP-1", host.env.now(), {})
        before = len(browser.messages)
        await trio.sleep(40)
        assert len(browser.messages) <= before + 1
        assert len(web.streams) == 0
