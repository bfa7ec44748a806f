"""Security events are kept as long as the operator wants, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import trio

from csmsd.testing import TestCsms, open_test_csms
from csmsd_security import SecurityPlugin
from csmsd_security.events import EventRow, SecurityEvent
from csmsd_security.retention import CHUNK, EventRetention
from tests.plugins.security.conftest import START, virtual_env
from tests.plugins.security.test_security_events import report

DAY = 86_400.0  # seconds


def security_of(csms: TestCsms) -> SecurityPlugin:
    plugin = csms.host.plugins.get("security")
    assert isinstance(plugin, SecurityPlugin)
    return plugin


async def types(csms: TestCsms) -> Sequence[str]:
    events: Sequence[SecurityEvent] = await security_of(csms).events.page(limit=5_000)
    return [event.type for event in reversed(events)]


async def received(csms: TestCsms, type_: str, at: datetime) -> None:
    """As if a station had reported it at that moment."""
    row = EventRow("CP-1", type_, None, START, at, False)
    await csms.host.store.submit(security_of(csms).events._add, row)


def settings(**security: Any) -> dict[str, Any]:
    return {"plugins": ["core", "security"], "env": virtual_env(), "plugin": {"security": security}}


@pytest.mark.req("SEC-70")
async def test_events_go_when_they_are_too_old_acknowledged_or_not_and_copies_do_not_keep_them() -> None:
    async with open_test_csms(**settings(event_retention_days=10)) as csms:
        await report(await csms.connect("CP-1"), "MemoryExhaustion")
        await trio.sleep(9 * DAY)
        station = await csms.connect("CP-1")
        await report(station, "MemoryExhaustion")  # once more
        await report(station, "InvalidMessages")
        assert await types(csms) == ["MemoryExhaustion", "InvalidMessages"]
        await trio.sleep(1.1 * DAY)
        assert await types(csms) == ["InvalidMessages"]
        await trio.sleep(9 * DAY)
        assert await types(csms) == []


async def test_by_default_they_stay_for_a_year() -> None:
    async with open_test_csms(**settings()) as csms:
        for days in (366, 364):
            await received(csms, f"E{days}", START - timedelta(days=days))
        await EventRetention(csms.host, security_of(csms).config).sweep()
        assert await types(csms) == ["E364"]


@pytest.mark.parametrize(("most", "left"), [(0, 2 * CHUNK + 1), (3, 3)])
async def test_none_is_too_old_with_0_and_the_newest_stay_where_their_number_is_limited(most: int, left: int) -> None:
    async with open_test_csms(**settings(event_retention_days=0, event_max_rows=most)) as csms:
        names = [f"E{number}" for number in range(2 * CHUNK + 1)]
        for name in names:
            await received(csms, name, START - timedelta(days=5_000))
        assert await EventRetention(csms.host, security_of(csms).config).sweep() == len(names) - left
        assert await types(csms) == names[-left:]
