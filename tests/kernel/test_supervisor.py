"""Background work of plugins: starts loudly, restarts quietly, ends when told. And who holds up the loop is named."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from csmsd._kernel.supervisor import Supervisor
from csmsd._kernel.watchdog import watch_the_loop
from csmsd.errors import PluginError
from csmsd.plugin import NoConfig, Plugin


@asynccontextmanager
async def supervising() -> AsyncIterator[Supervisor]:
    async with trio.open_nursery() as nursery:
        yield Supervisor(nursery)
        nursery.cancel_scope.cancel()


class Service:
    """Lives for so long each time, then crashes."""

    def __init__(self, *lives: float) -> None:
        self.lives, self.starts, self.ends = list(lives), list[float](), 0
        self.crashes: list[BaseException] = []

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        self.starts.append(trio.current_time())
        task_status.started()
        try:
            if not self.lives:
                await trio.sleep_forever()
            await trio.sleep(self.lives.pop(0))
            raise ValueError("crash")
        finally:
            self.ends += 1


async def test_a_crash_before_the_start_names_the_plugin() -> None:
    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await trio.lowlevel.checkpoint()
        raise SystemExit("no such port")

    async with supervising() as supervisor:
        with pytest.raises(PluginError, match=r"^acme did not start: SystemExit: no such port$"):
            await supervisor.start("acme", serve, lambda _: None)
        assert not supervisor.is_running("acme")


async def test_a_service_that_never_says_started_is_refused() -> None:
    async def serve(task_status: trio.TaskStatus[None]) -> None:
        await trio.lowlevel.checkpoint()

    async with supervising() as supervisor:
        with pytest.raises(PluginError, match=r"acme did not start: .*without calling task_status.started"):
            await supervisor.start("acme", serve, lambda _: None)


async def test_a_crashing_service_restarts_alone_after_doubling_pauses(autojump_clock: MockClock) -> None:
    broken, sound = Service(*[0.5] * 8), Service()
    async with supervising() as supervisor:
        await supervisor.start("broken", broken.serve, broken.crashes.append)
        await supervisor.start("sound", sound.serve, sound.crashes.append)
        await trio.sleep(400)
        pauses = [later - earlier - 0.5 for earlier, later in zip(broken.starts, broken.starts[1:], strict=False)]
        assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])
        assert len(broken.crashes) == 8
        assert all(isinstance(error, ValueError) for error in broken.crashes)
        assert len(sound.starts) == 1


async def test_a_service_that_ran_well_for_a_while_begins_with_the_first_pause(autojump_clock: MockClock) -> None:
    service = Service(0.5, 0.5, 100.0, 0.5)
    async with supervising() as supervisor:
        await supervisor.start("acme", service.serve, service.crashes.append)
        await trio.sleep(200)
    first, second, third, fourth, fifth = service.starts
    assert [second - first, third - second, fourth - third] == pytest.approx([1.5, 2.5, 101])
    assert fifth - fourth == pytest.approx(2.5)


async def test_a_crash_during_a_restart_is_another_crash(autojump_clock: MockClock) -> None:
    attempts: list[float] = []

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        attempts.append(trio.current_time())
        if len(attempts) == 2:
            raise OSError("not yet")
        task_status.started()
        if len(attempts) == 1:
            raise ValueError
        await trio.sleep_forever()

    async with supervising() as supervisor:
        await supervisor.start("acme", serve, lambda _: None)
        await trio.sleep(60)
        assert attempts == [0, 1, 3]
        assert supervisor.is_running("acme")


async def test_a_service_that_ignores_its_end_is_named_and_left_behind(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    released = trio.Event()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with trio.CancelScope(shield=True):
            await released.wait()

    async with supervising() as supervisor:
        await supervisor.start("acme", serve, lambda _: None)
        assert supervisor.lingering() == []
        with trio.fail_after(6):
            await supervisor.stop("acme")
        assert "acme ignores that it is cancelled" in caplog.text
        assert supervisor.lingering() == ["acme"]
        released.set()
        await trio.sleep(1)
        assert supervisor.lingering() == []


async def test_whatever_a_service_raises_it_starts_again(autojump_clock: MockClock) -> None:
    class Below(BaseException):
        pass

    starts, crashes = list[float](), list[BaseException]()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        starts.append(trio.current_time())
        task_status.started()
        if len(starts) == 1:
            raise Below
        await trio.sleep_forever()

    async with supervising() as supervisor:
        await supervisor.start("acme", serve, crashes.append)
        await trio.sleep(10)
        assert len(starts) == 2
        assert [type(error) for error in crashes] == [Below]


async def test_a_service_may_return_at_once(autojump_clock: MockClock) -> None:
    async def serve(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    async with supervising() as supervisor:
        await supervisor.start("acme", serve, lambda _: pytest.fail("no crash"))
        await trio.sleep(60)
        assert not supervisor.is_running("acme")
        await supervisor.stop("acme")


async def test_stop_waits_for_the_end_also_while_it_pauses(autojump_clock: MockClock) -> None:
    running, pausing = Service(), Service(0.5)
    async with supervising() as supervisor:
        await supervisor.start("running", running.serve, running.crashes.append)
        await supervisor.start("pausing", pausing.serve, pausing.crashes.append)
        await trio.sleep(1)
        await supervisor.stop("running")
        await supervisor.stop("pausing")
        await supervisor.stop("nobody")
        assert (running.ends, pausing.ends) == (1, 1)
        await trio.sleep(60)
        assert len(pausing.starts) == 1
    assert running.crashes == []


async def test_stop_waits_for_a_service_that_tidies_up(autojump_clock: MockClock) -> None:
    tidied: list[int] = []

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(3)
            tidied.append(1)

    async with supervising() as supervisor:
        await supervisor.start("acme", serve, lambda _: None)
        await supervisor.stop("acme")
        assert tidied == [1]


async def test_a_bug_while_it_is_stopped_is_no_crash(autojump_clock: MockClock) -> None:
    async def serve(task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while it was cancelled")

    async with supervising() as supervisor:
        await supervisor.start("acme", serve, lambda _: pytest.fail("no crash"))
        await supervisor.stop("acme")
        assert not supervisor.is_running("acme")


async def test_starting_again_ends_the_old_one_first(autojump_clock: MockClock) -> None:
    old, new = Service(), Service()
    async with supervising() as supervisor:
        await supervisor.start("acme", old.serve, old.crashes.append)
        await supervisor.start("acme", new.serve, new.crashes.append)
        assert (old.ends, new.ends) == (1, 0)


# -- the watchdog: real time, because blocked code does not know a virtual one -----------------------------------------


class Blocking(Plugin[NoConfig]):
    """Blocks."""

    name = "blocking"

    def block(self) -> None:
        time.sleep(0.1)


async def _step(function: Callable[[], object]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_call, function)


async def _call(function: Callable[[], object]) -> None:
    function()


async def test_the_watchdog_names_the_plugin_that_blocks(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Blocking(NoConfig(), cast("Any", None))
    with watch_the_loop(dict, limit=0.04):
        await _step(plugin.block)
        await trio.lowlevel.checkpoint()
    assert "ms for plugin blocking, in Blocking.block" in caplog.text


async def test_the_watchdog_names_it_while_it_still_blocks_and_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    blamed: list[tuple[str, float]] = []
    said_meanwhile: list[str] = []

    class Long(Blocking):
        """Blocks for longer."""

        def block(self) -> None:
            time.sleep(0.3)
            said_meanwhile.append(caplog.text)

    plugin = Long(NoConfig(), cast("Any", None))
    with watch_the_loop(dict, limit=0.04, blame=lambda *blame: blamed.append(blame)):
        await _step(plugin.block)
        await trio.lowlevel.checkpoint()
    assert "everybody has been waiting for" in said_meanwhile[0]
    assert "plugin blocking, in " in said_meanwhile[0]
    assert said_meanwhile[0].count("everybody") == 1
    ((name, seconds),) = blamed
    assert name == "blocking"
    assert seconds >= 0.3


async def test_the_watchdog_knows_plugins_by_their_package(caplog: pytest.LogCaptureFixture) -> None:
    with watch_the_loop(lambda: {__name__.partition(".")[0]: "acme"}, limit=0.04):
        await _step(lambda: time.sleep(0.1))
        await trio.lowlevel.checkpoint()
    assert "ms for plugin acme, in " in caplog.text


async def test_the_watchdog_is_silent_while_nobody_blocks(caplog: pytest.LogCaptureFixture) -> None:
    with watch_the_loop(dict, limit=0.5):
        for _ in range(10):
            await trio.sleep(0.001)
    assert caplog.text == ""
