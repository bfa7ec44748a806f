"""csmsd in a thread of an asyncio program, and that an embedded csmsd leaves nothing of the process changed."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import warnings
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from csmsd import Config, Host, Plugin, StationRecord, open_csms
from csmsd.config import Limits, Listen
from csmsd.errors import ConfigError, PluginNotFound
from csmsd.plugin import NoConfig
from csmsd.portal import CsmsdStopped, Portal, open_portal


def config_in(folder: Path, **settings: object) -> Config:
    return Config(data_dir=folder, listen=Listen(ocpp="127.0.0.1:0", http=""), **settings)  # type: ignore[arg-type]  # fields of Config


def threads() -> set[str]:
    """trio keeps idle threads for its next run."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}


async def register(host: Host, station_id: str) -> int:
    await host.stations.register(StationRecord(station_id))
    return len(list(host.stations.records()))


async def fail(_: Host) -> None:
    await trio.lowlevel.checkpoint()
    raise ValueError("in csmsd's thread")


async def sleep(_: Host, ended: list[str]) -> None:
    try:
        await trio.sleep_forever()
    finally:
        ended.append(threading.current_thread().name)


def test_functions_run_in_csmsds_thread_and_give_their_results_back(tmp_path: Path) -> None:
    async def thread(_: Host) -> str:
        await trio.lowlevel.checkpoint()
        return threading.current_thread().name

    async def main() -> None:
        async with open_portal(config_in(tmp_path), plugins=["core"]) as portal:
            assert await portal.call(thread) == "csmsd"
            assert await portal.call(register, "CP-1") == 1
            assert await portal.call(register, station_id="CP-2") == 2
            assert max(await asyncio.gather(*(portal.call(register, f"X-{n}") for n in range(3)))) == 5
            with pytest.raises(ValueError, match="in csmsd's thread"):
                await portal.call(fail)

    asyncio.run(main())


def test_cancelling_the_task_cancels_the_function(tmp_path: Path) -> None:
    async def main() -> None:
        ended: list[str] = []
        async with open_portal(config_in(tmp_path), plugins=["core"]) as portal:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await portal.call(sleep, ended)
            await portal.call(register, "CP-1")
            assert ended == ["csmsd"]

    asyncio.run(main())


def test_the_feed_reaches_asyncio(tmp_path: Path) -> None:
    async def publish(host: Host, number: int) -> None:
        await trio.lowlevel.checkpoint()
        host.events.publish("test", "CP-1", host.env.now(), {"number": number})

    async def is_watched(host: Host) -> bool:
        await trio.lowlevel.checkpoint()
        return host.events.is_watched

    async def wait_until_watched(host: Host) -> None:
        for _ in range(10_000):
            if host.events.is_watched:
                return
            await trio.sleep(0.001)
        raise AssertionError("nobody watches")

    async def main() -> None:
        async with open_portal(config_in(tmp_path), plugins=["core"]) as portal:
            async with aclosing(portal.events(frozenset({"test"}))) as events:
                first = asyncio.ensure_future(anext(events))
                await portal.call(wait_until_watched)
                for number in range(3):
                    await portal.call(publish, number)
                seen = [await first, await anext(events), await anext(events)]
            assert [bytes(event.data) for event in seen] == [b'{"number":0}', b'{"number":1}', b'{"number":2}']
            assert not await portal.call(is_watched)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "plugins", "error"),
    [({"plugin": {"core": {"nokey": 1}}}, ["core"], ConfigError), ({}, ["nosuch"], PluginNotFound)],
)
def test_errors_of_the_start_come_as_themselves(
    tmp_path: Path, settings: dict[str, object], plugins: list[str], error: type[Exception]
) -> None:
    async def in_asyncio() -> None:
        async with open_portal(config_in(tmp_path, **settings), plugins=plugins):
            raise AssertionError("it cannot start")

    async def in_trio() -> None:
        async with open_csms(config_in(tmp_path, **settings), plugins=plugins):
            raise AssertionError("it cannot start")

    with pytest.raises(error):
        asyncio.run(in_asyncio())
    with pytest.raises(error):
        trio.run(in_trio)
    assert [thread.name for thread in threading.enumerate() if thread.name == "csmsd"] == []


def test_what_the_block_raises_leaves_it_as_it_is(tmp_path: Path) -> None:
    async def in_asyncio() -> None:
        async with open_portal(config_in(tmp_path), plugins=["core"]):
            raise KeyError("mine")

    async def in_trio() -> None:
        async with open_csms(config_in(tmp_path), plugins=["core"]):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(in_asyncio())
    with pytest.raises(KeyError, match="mine"):
        trio.run(in_trio)


def test_after_the_end_calls_say_so_and_those_that_wait_are_told(tmp_path: Path) -> None:
    async def main() -> tuple[Portal, asyncio.Task[None]]:
        async with open_portal(config_in(tmp_path), plugins=["core"]) as portal:
            waiting = asyncio.create_task(portal.call(sleep, []))
            await portal.call(register, "CP-1")
        with pytest.raises(CsmsdStopped):
            await portal.call(register, "CP-2")
        with pytest.raises(CsmsdStopped, match="before there was a result"):
            await waiting
        return portal, waiting

    asyncio.run(main())


class Slow(Plugin[NoConfig]):
    """Takes a while to start, and to end."""

    name = "slow"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(0.3)
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.3)
                (self.host.config.data_dir / "ended").touch()


@pytest.mark.parametrize("after", [0.1, 1.5], ids=["while it starts", "while it runs"])
def test_cancelling_the_block_waits_for_csmsds_end(tmp_path: Path, after: float) -> None:
    async def main() -> None:
        async with open_portal(config_in(tmp_path, limits=Limits(drain_timeout=1)), plugins=["core", Slow]):
            await asyncio.sleep(100)

    async def cancel() -> None:
        task = asyncio.create_task(main())
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()  # also if somebody is impatient
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert (tmp_path / "ended").exists() == (after > 1)
    assert "csmsd" not in {thread.name for thread in threading.enumerate()}


def test_two_in_one_process_share_nothing_and_leave_nothing_behind(tmp_path: Path) -> None:
    def world() -> tuple[object, ...]:
        root, own = logging.getLogger(), logging.getLogger("csmsd")
        return (
            list(root.handlers), root.level, list(own.handlers), own.level, own.propagate, logging.raiseExceptions,
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
            sys.excepthook, threading.excepthook, list(warnings.filters), threads(),
        )  # fmt: skip

    async def one(name: str, others: trio.Event, mine: trio.Event) -> set[str]:
        async with open_csms(config_in(tmp_path / name), plugins=["core"]) as host:
            await host.stations.register(StationRecord(name))
            mine.set()
            await others.wait()
            if name == "A":
                await host.plugins.disable("core")
            return {record.id for record in host.stations.records()} | {
                status.state for status in host.plugins.status()
            }

    async def main() -> None:
        found: dict[str, set[str]] = {}
        first, second = trio.Event(), trio.Event()

        async def keep(name: str, others: trio.Event, mine: trio.Event) -> None:
            found[name] = await one(name, others, mine)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, "A", second, first)
            nursery.start_soon(keep, "B", first, second)
        assert found == {"A": {"A", "disabled"}, "B": {"B", "enabled"}}

    before = world()
    trio.run(main)
    assert world() == before
