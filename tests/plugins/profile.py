"""What the tests of profile plugins share: virtual time, stations that boot, and the management API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from csmsd.command import AnyCommand
from csmsd.env import Env
from csmsd.hookspecs import command_warnings
from csmsd.testing import TestCsms, TestStation
from csmsd_core import BootNotification, BootNotificationResponse


def in_virtual_time(main: Callable[..., Any], clock: Any = None, instruments: Any = ()) -> Any:
    """Like trio.run; time passes only when everybody waits."""
    return trio.run(main, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)


def run_in_virtual_time(items: Sequence[pytest.Item], folder: Path) -> None:
    """All async tests of a folder, without having to say so; for its `pytest_collection_modifyitems`."""
    for item in items:
        if item.path.parent == folder and iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.trio(run=in_virtual_time))


async def boot(station: TestStation) -> str:
    """What the station was told."""
    answer = await station.send("BootNotification", BootNotification("vendor", "model"), BootNotificationResponse)
    return answer.status


async def booted(csms: TestCsms, station_id: str = "CP-1", **record: Any) -> TestStation:
    """A station that has connected and booted."""
    station = await csms.connect(station_id, **record)
    await boot(station)
    return station


def warnings_about(csms: TestCsms, command: AnyCommand, request: Any, station_id: str = "CP-1") -> list[str]:
    """What all plugins have to say about a command before it is sent."""
    station = csms.host.stations.get(station_id)
    answers = csms.host.hooks.call_plain(command_warnings, station, command, request)
    return [warning for answer in answers for warning in answer]


async def ask(csms: TestCsms, method: str, path: str, body: object = None) -> httpx.Response:
    """Ask the management API, in process, as an administrator."""
    web: Any = csms.host.plugins.get("web")
    _, token = await web.tokens.mint("test", "admin", actor="test")
    headers = {"authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(web.app, raise_app_exceptions=False)
    more: dict[str, Any] = {} if body is None else {"json": body}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        return await client.request(method, f"/api/v1{path}", **more)


EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)


def virtual_env() -> Env:
    """A wall clock that goes with trio's."""
    return Env(now=lambda: EPOCH + timedelta(seconds=trio.current_time()))
