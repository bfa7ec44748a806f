"""New code of a plugin while stations are connected."""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from csmsd.errors import PluginError, PluginNotFound
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import DataTransfer, DataTransferResponse, Heartbeat, HeartbeatResponse
from csmsd_core.messages import BootNotification, BootNotificationResponse
from tests.kernel.reload_world import Shop, shop

__all__ = ["shop"]

GREETER = """
class ThePlugin(Plugin):
    '''Answers with its version.'''

    name = "greeter"
    requires = ("core",)
    version = "{version}"

    def __init__(self, config, host):
        super().__init__(config, host)
        self.met = []
        self.serving = False

    async def serve(self, task_status):
        await trio.sleep({pause})
        {before}
        task_status.started()
        self.serving = True
        try:
            await trio.sleep_forever()
        finally:
            self.serving = False

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        self.met.append(station.id)

    @hookimpl
    async def data_transfer(self, request: DataTransfer) -> DataTransferResponse | None:
        await trio.sleep(float(request.data or 0))
        return DataTransferResponse("Accepted", self.version)
"""


def greeter(version: str, pause: float = 0, before: str = "pass") -> str:
    return GREETER.format(version=version, pause=pause, before=before)


async def ask(station: TestStation, pause: float = 0) -> str | None:
    request = DataTransfer("org.example", None, str(pause))
    answer = await station.send("DataTransfer", request, DataTransferResponse)
    return answer.data


def states(csms: TestCsms) -> dict[str, tuple[str, str]]:
    return {status.name: (status.state, status.version) for status in csms.host.plugins.status()}


async def test_new_code_answers_and_knows_who_is_online(autojump_clock: MockClock, shop: Shop) -> None:
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter"]) as csms:
        station = await csms.connect("CP-1")
        assert await ask(station) == "1.0"
        old: Any = csms.host.plugins.get("greeter")
        shop.install("greeter", "2.0", greeter("2.0"))
        assert await csms.host.plugins.reload("greeter") == ["greeter"]
        new: Any = csms.host.plugins.get("greeter")
        assert await ask(station) == "2.0"
        assert new is not old
        assert (old.serving, new.serving) == (False, True)
        assert new.met == ["CP-1"]
        assert states(csms)["greeter"] == ("enabled", "2.0")


async def test_a_call_in_flight_is_finished_by_the_old_code_and_the_next_one_waits_for_the_new(
    autojump_clock: MockClock, shop: Shop
) -> None:
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter"]) as csms:
        one, two = await csms.connect("CP-1"), await csms.connect("CP-2")
        shop.install("greeter", "2.0", greeter("2.0", pause=3))
        said: dict[str, str | None] = {}

        async def say(name: str, station: TestStation, pause: float) -> None:
            said[name] = await ask(station, pause)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, "in flight", one, 2)
            await trio.sleep(1)
            nursery.start_soon(csms.host.plugins.reload, "greeter")
            await trio.sleep(0.5)
            nursery.start_soon(say, "meanwhile", two, 0)
            await trio.sleep(0.1)
            assert said == {}
        assert said == {"in flight": "1.0", "meanwhile": "2.0"}


async def test_who_connects_meanwhile_is_let_in_afterwards(autojump_clock: MockClock, shop: Shop) -> None:
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter"]) as csms, trio.open_nursery() as nursery:
        shop.install("greeter", "2.0", greeter("2.0", pause=3))
        nursery.start_soon(csms.host.plugins.reload, "greeter")
        await trio.sleep(1)
        station = await csms.connect("CP-1")
        assert trio.current_time() >= 3
        assert await ask(station) == "2.0"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("this is no Python", "SyntaxError"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("raise SystemExit(1)", "SystemExit"),
        ("class ThePlugin: pass", "is no subclass of csmsd.Plugin"),
        (greeter("2.0").replace("def data_transfer(", "def data_tranfer("), "the nearest is data_transfer"),
        (greeter("2.0").replace('("core",)', '("core", "billing")'), "requires the plugin billing"),
        (greeter("2.0").replace("self.met = []", "raise OSError('no disk')"), "cannot be created: OSError: no disk"),
        (greeter("2.0", before="raise OSError('no port')"), "greeter did not start: OSError: no port"),
        (greeter("2.0", pause=1000), "did not start within 20 s"),
    ],
    ids=range(9),
)
async def test_what_does_not_load_or_start_leaves_the_old_code_running(
    autojump_clock: MockClock, shop: Shop, source: str, reason: str
) -> None:
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter"]) as csms:
        station = await csms.connect("CP-1")
        module = sys.modules["csmsd_greeter.plugin"]
        shop.install("greeter", "2.0", source)
        with pytest.raises(PluginError, match="greeter stays with the code it has: ") as caught:
            await csms.host.plugins.reload("greeter")
        assert reason in str(caught.value)
        assert await ask(station) == "1.0"
        assert states(csms)["greeter"] == ("enabled", "1.0")
        assert cast("Any", csms.host.plugins.get("greeter")).serving
        assert sys.modules["csmsd_greeter.plugin"] is module
        shop.install("greeter", "3.0", greeter("3.0"))
        await csms.host.plugins.reload("greeter")
        assert await ask(station) == "3.0"


async def test_if_the_old_code_does_not_come_back_either_both_reasons_are_told(
    autojump_clock: MockClock, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    once = "import builtins; assert not hasattr(builtins, 'greeted'), 'only once'; builtins.greeted = 1"
    shop.install("greeter", "1.0", greeter("1.0", before=once))
    try:
        async with open_test_csms(plugins=["core", "greeter"]) as csms:
            station = await csms.connect("CP-1")
            shop.install("greeter", "2.0", greeter("2.0", before="raise OSError('no port')"))
            with pytest.raises(PluginError, match="no port"):
                await csms.host.plugins.reload("greeter")
            status = next(status for status in csms.host.plugins.status() if status.name == "greeter")
            assert status.state == "failed"
            assert "no port" in status.last_failure
            assert "only once" in status.last_failure
            assert (await station.send("Heartbeat", Heartbeat(), HeartbeatResponse)).current_time
    finally:
        import builtins

        del cast("Any", builtins).greeted


async def test_plugins_keep_their_turn(autojump_clock: MockClock, shop: Shop) -> None:
    class Last(Plugin[NoConfig]):
        """Asked first."""

        name = "last"

        @hookimpl
        def data_transfer(self) -> DataTransferResponse | None:
            return DataTransferResponse("Accepted", "last") if self.host.config.plugins else None

    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter", Last]) as csms:
        station = await csms.connect("CP-1")
        assert await ask(station) == "last"
        await csms.host.plugins.reload("greeter")
        assert await ask(station) == "last"
        assert list(states(csms)) == ["core", "greeter", "last"]


async def test_whoever_requires_a_plugin_is_exchanged_with_it(
    autojump_clock: MockClock, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Their modules hold its classes: a fact or an answer of the old class would be none of the new one."""
    caplog.set_level(logging.INFO)
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "trigger", "greeter", "web"]) as csms:
        station = await csms.connect("CP-1")
        before = {name: csms.host.plugins.get(name) for name in ("core", "trigger", "greeter", "web")}
        core = sys.modules["csmsd_core"]
        assert await csms.host.plugins.reload("core") == ["core", "trigger", "greeter"]
        assert "new code runs of core, trigger, greeter" in caplog.text
        after = {name: csms.host.plugins.get(name) for name in before}
        assert {name for name in before if before[name] is not after[name]} == {"core", "trigger", "greeter"}
        assert await ask(station) == "1.0"
        assert (await station.send("Heartbeat", Heartbeat(), HeartbeatResponse)).current_time
        boot = await station.send("BootNotification", BootNotification("a", "b"), BootNotificationResponse)
        assert boot.status == "Accepted"
        assert sys.modules["csmsd_core"] is not core


async def test_a_plugin_that_is_not_enabled_runs_its_new_code_when_it_is(autojump_clock: MockClock, shop: Shop) -> None:
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter"]) as csms:
        station = await csms.connect("CP-1")
        await csms.host.plugins.disable("greeter")
        shop.install("greeter", "2.0", greeter("2.0"))
        assert await csms.host.plugins.reload("greeter") == []
        assert states(csms)["greeter"] == ("disabled", "2.0")
        await csms.host.plugins.enable("greeter")
        assert await ask(station) == "2.0"


async def test_what_cannot_be_read_anew_says_so(autojump_clock: MockClock, shop: Shop) -> None:
    class Own(Plugin[NoConfig]):
        """Of an embedding program."""

        name = "own"

    shop.install("greeter", "1.0", greeter("1.0"))
    shop.install("other", "1.0", greeter("1.0").replace('"greeter"', '"other"'))
    info = next(shop.folder.glob("csmsd_other-*.dist-info")) / "entry_points.txt"
    (shop.folder / "csmsd_greeter" / "more.py").write_text((shop.folder / "csmsd_other" / "plugin.py").read_text())
    info.write_text("[csmsd.plugins]\nother = csmsd_greeter.more:ThePlugin\n")
    async with open_test_csms(plugins=["core", Own, "greeter", "other"]) as csms:
        with pytest.raises(PluginError, match="own is a class of the program that runs csmsd: it cannot be read anew"):
            await csms.host.plugins.reload("own")
        with pytest.raises(PluginNotFound, match="this csmsd has no plugin nobody"):
            await csms.host.plugins.reload("nobody")
        with pytest.raises(PluginError, match="other is in the same package csmsd_greeter; disable that first"):
            await csms.host.plugins.reload("greeter")
        await csms.host.plugins.disable("other")
        sys.modules["csmsd_greeter.fast"] = cast("Any", type(sys)("csmsd_greeter.fast"))
        sys.modules["csmsd_greeter.fast"].__file__ = "fast.cpython-311-x86_64-linux-gnu.so"
        with pytest.raises(PluginError, match=r"csmsd_greeter.fast is compiled .* restart csmsd"):
            await csms.host.plugins.reload("greeter")


async def test_a_reload_that_is_called_off_leaves_the_old_code_running(autojump_clock: MockClock, shop: Shop) -> None:
    shop.install("greeter", "1.0", greeter("1.0"))
    async with open_test_csms(plugins=["core", "greeter"]) as csms:
        station = await csms.connect("CP-1")
        shop.install("greeter", "2.0", greeter("2.0", pause=10))
        with trio.move_on_after(2):
            await csms.host.plugins.reload("greeter")
        assert await ask(station) == "1.0"
        assert states(csms)["greeter"] == ("enabled", "1.0")
