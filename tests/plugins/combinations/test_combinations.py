"""Every profile with every other one switched off: what is offered, and what is said of the rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from trio.testing import MockClock

from csmsd._kernel.offers import COMMANDS_OF, VERBS_OF
from csmsd.cli.check import look_at
from csmsd.cli.settings import load_settings
from csmsd.command import Command
from csmsd.errors import UnknownCommand
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import Heartbeat, HeartbeatResponse
from tests.plugins.combinations.profiles import (
    COMBINATIONS,
    CORNERS,
    OTHERS,
    PROFILES,
    TYPES,
    Names,
    commands_of,
    off,
    spelled,
    verbs_of,
)
from tests.plugins.combinations.rules import (
    Paths,
    check_calls,
    check_commands,
    check_routes,
    check_tables,
    paths_of,
    rows_of,
)
from tests.plugins.profile import booted, virtual_env

every_combination = pytest.mark.parametrize("chosen", COMBINATIONS, ids=spelled)


@asynccontextmanager
async def charging_day(chosen: Names, folder: Path) -> AsyncGenerator[tuple[TestCsms, TestStation], None]:
    """A csmsd with these profiles and the API, and a station that has booted."""
    async with open_test_csms(plugins=("core", *chosen, "web"), env=virtual_env(), data_dir=folder) as csms:
        yield csms, await booted(csms)


async def paths_by_plugin(csms: TestCsms) -> Paths:
    """Which paths come with which profile: those that go with it. "core" is what stays."""
    everything, paths = paths_of(csms), Paths()
    for name in PROFILES:
        await csms.host.plugins.disable(name)
        paths[name] = everything - paths_of(csms)
        assert paths[name], f"{name} has no routes"
        await csms.host.plugins.enable(name)
    return paths | {"core": everything.difference(*paths.values())}


def test_there_are_as_many_combinations_as_there_should_be() -> None:
    assert len(set(COMBINATIONS)) == 2 ** len(PROFILES)
    assert all(set(TYPES[name].requires) <= {"core"} for name in PROFILES), "else some of them cannot be"


def test_what_csmsd_knows_by_heart_is_what_its_plugins_offer() -> None:
    assert COMMANDS_OF.keys() == {name for name in TYPES if TYPES[name].commands}
    assert VERBS_OF.keys() == {name for name in TYPES if TYPES[name].cli}
    for name in TYPES:
        assert set(COMMANDS_OF.get(name, ())) == commands_of([name])
        assert set(VERBS_OF.get(name, ())) == verbs_of([name])


@every_combination
def test_check_is_content_with_every_combination(chosen: Names, tmp_path: Path) -> None:
    for others in ((), OTHERS):
        names = ",".join(("core", *chosen, *others))
        findings = look_at(load_settings(None, {"CSMSD_PLUGINS": names, "CSMSD_DATA_DIR": str(tmp_path)}))
        assert findings.problems == ()
        assert {plugin.name for plugin in findings.plugins} == {"core", *chosen, *others}


@pytest.mark.req("RPC-34")
async def test_in_every_combination_what_is_on_is_offered_and_the_rest_refused(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with charging_day(PROFILES, tmp_path / "all") as (csms, _):
        paths = await paths_by_plugin(csms)
    for chosen in COMBINATIONS:
        folder = tmp_path / spelled(chosen)
        async with charging_day(chosen, folder) as (csms, station):
            await check_calls(station, chosen)
            await check_commands(csms, chosen)
            await check_routes(csms, chosen, paths)
            assert {status.state for status in csms.host.plugins.status()} == {"enabled"}
            assert {status.failures for status in csms.host.plugins.status()} == {0}
            check_tables(csms.host.config.store_url, ("core", *chosen, "web"))
    told = {record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}}
    assert {sentence for sentence in told if "PKCS#10" not in sentence} == set(), "apart from what we send on purpose"


@pytest.mark.req("RPC-34")
async def test_no_profile_needs_the_api_the_simulator_or_the_certification(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    for chosen in CORNERS:
        for others in ((), ("certification", "simulator")):
            folder = tmp_path / spelled((*chosen, *others))
            async with open_test_csms(plugins=("core", *chosen, *others), env=virtual_env(), data_dir=folder) as csms:
                await check_calls(await booted(csms), chosen)
                await check_commands(csms, chosen)
                check_tables(csms.host.config.store_url, ("core", *chosen, *others))


@pytest.mark.req("RPC-34")
async def test_profiles_are_switched_while_a_station_is_connected(tmp_path: Path, autojump_clock: MockClock) -> None:
    everything = ("core", *PROFILES, "web")
    async with charging_day(PROFILES, tmp_path) as (csms, station):
        paths = await paths_by_plugin(csms)
        for name in PROFILES:
            await csms.host.plugins.disable(name)
            rest = tuple(each for each in PROFILES if each != name)
            await check_calls(station, rest)
            await check_commands(csms, rest)
            await check_routes(csms, rest, paths)
            check_tables(csms.host.config.store_url, everything)
            await csms.host.plugins.enable(name)
            await check_calls(station, PROFILES)
            await check_commands(csms, PROFILES)
            await check_routes(csms, PROFILES, paths)
        for count in range(1, len(PROFILES) + 1):  # one after the other, until only the Core profile is left
            await csms.host.plugins.disable(PROFILES[count - 1])
            await check_calls(station, PROFILES[count:])
            await check_commands(csms, PROFILES[count:])
            await check_routes(csms, PROFILES[count:], paths)
        assert station.closed is None
        assert {status.failures for status in csms.host.plugins.status()} == {0}


async def test_a_plugin_of_somebody_else_is_named_too(autojump_clock: MockClock) -> None:
    class Foreign(Plugin[NoConfig]):
        """Offers what csmsd does not know by heart."""

        name = "foreign"
        commands = (Command("Reset", Heartbeat, HeartbeatResponse),)

    async with open_test_csms(plugins=(Foreign,)) as csms:
        assert csms.host.commands.get("Reset") is Foreign.commands[0]
        await csms.host.plugins.disable("foreign")
        with pytest.raises(UnknownCommand, match="enable the plugin foreign"):
            csms.host.commands.get("Reset")
        with pytest.raises(UnknownCommand, match=r"offers a command Bogus$"):
            csms.host.commands.get("Bogus")


async def test_what_a_profile_has_stored_is_kept_while_it_is_off(tmp_path: Path, autojump_clock: MockClock) -> None:
    url = f"sqlite:///{tmp_path / 'csmsd.db'}"
    async with charging_day(PROFILES, tmp_path) as (_, station):
        await check_calls(station, PROFILES)
    told = {table: rows_of(url, table) for table in ("firmware_status", "security_event")}
    assert all(told.values())
    async with charging_day((), tmp_path) as (_, station):
        await check_calls(station, ())
    check_tables(url, ("core", *PROFILES, "web"))
    assert {table: rows_of(url, table) for table in told} == told
    for chosen in (("firmware",), ("security",), PROFILES):
        async with charging_day(chosen, tmp_path) as (csms, station):
            await check_calls(station, chosen)
            assert csms.host.commands.known.keys().isdisjoint(commands_of(off(chosen)))
    assert all(rows_of(url, table)[: len(rows)] for table, rows in told.items())
