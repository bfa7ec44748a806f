"""A whole csmsd with the security profile, and a station."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from csmsd.env import Env
from csmsd.hookspecs import command_warnings
from csmsd.host import CommandRecord, Host
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import CorePlugin, GetConfiguration, GetConfigurationResponse, KeyValue
from csmsd_security import SecurityPlugin
from tests.plugins.profile import run_in_virtual_time

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def virtual_env() -> Env:
    """A wall clock that goes with trio's."""
    return Env(now=lambda: START + timedelta(seconds=trio.current_time()))


@dataclass
class Site:
    """One csmsd, its plugin and one station."""

    csms: TestCsms
    station: TestStation

    @property
    def host(self) -> Host:
        return self.csms.host

    @property
    def core(self) -> CorePlugin:
        core = self.host.plugins.get("core")
        assert isinstance(core, CorePlugin)
        return core

    @property
    def plugin(self) -> SecurityPlugin:
        plugin = self.host.plugins.get("security")
        assert isinstance(plugin, SecurityPlugin)
        return plugin

    async def submit(self, action: str, request: msgspec.Struct, answer: Any = None) -> CommandRecord:
        """A command on the raw route, and what became of it."""
        if answer is not None:
            self.station.behaviour[action] = answer
        payload = self.host.commands.known[action].encode(request)
        record = await self.host.commands.submit(self.station.id, action, payload, actor="op")
        return await self.host.commands.outcome(record.id)

    def sent(self, action: str) -> Any:
        """The payload of the last command of that name, as JSON."""
        call = [each for each in self.station.calls if each.action == action][-1]
        return msgspec.json.decode(call.payload)

    def warnings(self, action: str, request: msgspec.Struct) -> list[str]:
        station, command = self.host.stations.get(self.station.id), self.host.commands.known[action]
        answers = self.host.hooks.call_plain(command_warnings, station, command, request)
        return [warning for answer in answers for warning in answer]

    async def configure(self, **values: str) -> None:
        """The station has told these configuration keys, and that it has no others."""
        entries = tuple(KeyValue(key, True, value) for key, value in values.items())
        self.core.configuration.read(self.station.id, GetConfiguration(), GetConfigurationResponse(entries))
        await trio.sleep(1)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_test_csms(plugins=["core", "security"], env=virtual_env()) as csms:
        yield Site(csms, await csms.connect("CP-1", serial_number="SN-1"))


OpenSsl = Callable[..., str]


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    """The command, run in the test's folder, as a second opinion: what it prints; AssertionError if it refuses."""
    program = shutil.which("openssl")
    if program is None:
        remedy = "openssl is not here, try: apt-get install openssl"
        if os.environ.get("CI"):
            pytest.fail(remedy)
        pytest.skip(remedy)

    def run(*arguments: str | Path) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=tmp_path, input="")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All but those with sockets, whose time is the real one."""
    without_sockets = [item for item in items if "transport" not in getattr(item, "fixturenames", ())]
    run_in_virtual_time(without_sockets, Path(__file__).parent)
