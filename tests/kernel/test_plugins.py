"""The plugin set: joining and leaving while stations are connected."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from csmsd._kernel.loader import Loaded
from csmsd.config import Config
from csmsd.errors import ConfigError, HookMismatch, PluginConflict, PluginError, PluginIncompatible, PluginNotFound
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from tests.kernel.plugin_world import Acme, Base, answer_ping, open_house, station


async def test_everybody_is_migrated_and_started_in_order() -> None:
    async with open_house(Base, Acme) as house:
        assert house.migrated == ["base", "acme"]
        assert house.acme.story == ["serve"]
        assert list(house.plugins.tables.actions) == ["Ping"]
        assert list(house.plugins.tables.commands) == ["Pong"]
        assert list(house.plugins.tables.facts) == ["ponged"]


async def test_the_status_says_how_a_plugin_is_doing(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        await house.ask()
        house.acme.is_broken = True
        await house.ask()
        base, acme = house.plugins.status()
        assert (base.name, base.actions, base.commands, base.backlog) == ("base", ("Ping",), ("Pong",), 0)
        assert (acme.state, acme.version, acme.summary, acme.requires) == (
            "enabled",
            "1.2",
            "Answers pings.",
            ("base",),
        )
        assert (acme.calls, acme.failures, acme.consecutive_failures, acme.backlog) == (1, 1, 1, 7)
        assert acme.last_failure == "answer_ping: ValueError"
        assert acme.hooks == ("answer_ping", "ponged", "station_connected")


async def test_a_config_error_ends_the_start() -> None:
    config = Config(plugin={"acme": {"anser": 1}})
    with pytest.raises(ExceptionGroup) as caught:
        async with open_house(Base, Acme, config=config):
            pass
    assert caught.group_contains(ConfigError, match=r"\[plugin.acme\] anser: unknown key; did you mean answer\?")


async def test_a_disabled_plugin_is_not_asked_and_its_tasks_end(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        acme = house.acme
        assert await house.ask() == "acme"
        await house.plugins.disable("acme")
        assert await house.ask() is None
        assert acme.story == ["serve", "end"]
        assert house.plugins.get("acme") is None
        assert house.state("acme") == "disabled"
        assert not house.couriers[0].is_running
        await house.plugins.disable("acme")


async def test_a_call_in_flight_is_answered_before_the_plugin_ends(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        acme, answer = house.acme, house.runner.ask(answer_ping, 3)
        await trio.sleep(1)
        began = trio.current_time()
        await house.plugins.disable("acme")
        assert trio.current_time() - began == pytest.approx(2, abs=0.2)
        assert acme.story == ["serve", "end"]
        assert await answer == "acme"


async def test_a_call_that_hangs_does_not_hold_up_the_end_for_ever(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        answer = house.runner.ask(answer_ping, 1000)
        await trio.sleep(1)
        with trio.fail_after(6):
            await house.plugins.disable("acme")
        assert await answer is None


async def test_a_call_that_ignores_its_cancellation_does_not_either(autojump_clock: MockClock) -> None:
    class Stubborn(Acme):
        """Cannot be cancelled."""

        @hookimpl
        async def answer_ping(self, number: int) -> str | None:
            with trio.CancelScope(shield=True):
                await trio.sleep(number)
            return None

    async with open_house(Base, Stubborn) as house:
        house.runner.ask(answer_ping, 1000)
        await trio.sleep(1)
        began = trio.current_time()
        await house.plugins.disable("acme")
        assert trio.current_time() - began < 6


async def test_a_plugin_that_is_enabled_while_it_still_leaves_stays(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house, trio.open_nursery() as nursery:
        house.runner.ask(answer_ping, 3)
        await trio.sleep(1)
        nursery.start_soon(house.plugins.disable, "acme")
        await trio.sleep(0.5)
        await house.plugins.enable("acme")
        await trio.sleep(10)
        assert house.acme.story == ["serve"]
        assert await house.ask() == "acme"


async def test_an_enabled_plugin_starts_afresh_and_hears_who_is_online(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        first = house.acme
        await house.plugins.disable("acme")
        house.online = [station("CP-1"), station("CP-2", is_online=False), station("CP-3")]
        await house.plugins.enable("acme")
        await house.plugins.enable("acme")
        assert house.acme is not first
        assert house.acme.story == ["serve", "hello CP-1", "hello CP-3"]
        assert house.migrated == ["base", "acme", "acme"]
        assert [courier.is_running for courier in house.couriers] == [False, True]


async def test_nobody_is_told_again_who_is_online_when_another_plugin_joins(autojump_clock: MockClock) -> None:
    class Other(Acme):
        """Another one."""

        name = "other"

    async with open_house(Base, Acme, Other) as house:
        await house.plugins.disable("other")
        house.online = [station("CP-1")]
        await house.plugins.enable("other")
        assert house.acme.story == ["serve"]


async def test_the_tables_are_swapped_as_one_object(autojump_clock: MockClock) -> None:
    async with open_house(Base) as house:
        seen: list[tuple[list[str], list[str], int]] = []

        def look() -> None:
            tables = house.plugins.tables
            seen.append((list(tables.actions), list(tables.commands), len(tables.facts)))

        house.hooks.changed.append(look)
        old = house.plugins.tables
        await house.plugins.disable("base")
        await house.plugins.enable("base")
        assert seen == [([], [], 0), (["Ping"], ["Pong"], 1)]
        assert list(old.actions) == ["Ping"]
        with pytest.raises(TypeError):
            cast("dict[str, Any]", old.actions)["Ping"] = None


async def test_a_plugin_that_others_need_is_not_disabled() -> None:
    async with open_house(Base, Acme) as house:
        with pytest.raises(PluginError, match="base is required by acme: disable that first"):
            await house.plugins.disable("base")
        assert house.state("base") == "enabled"


async def test_a_plugin_whose_requirement_is_missing_is_not_enabled(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        await house.plugins.disable("acme")
        await house.plugins.disable("base")
        with pytest.raises(PluginIncompatible, match="acme requires the plugin base: enable that first"):
            await house.plugins.enable("acme")


async def test_an_installed_plugin_can_be_added_at_run_time() -> None:
    async with open_house(Base) as house:
        house.installed["acme"] = Loaded(Acme)
        await house.plugins.enable("acme")
        assert await house.ask() == "acme"
        with pytest.raises(PluginNotFound):
            await house.plugins.enable("nobody")
        with pytest.raises(PluginNotFound, match="this csmsd has no plugin nobody"):
            await house.plugins.disable("nobody")


async def test_a_rival_of_an_enabled_plugin_is_refused() -> None:
    class Rival(Plugin[NoConfig]):
        """Wants the same action."""

        name = "rival"
        actions = Base.actions

    async with open_house(Base) as house:
        house.installed["rival"] = Loaded(Rival)
        with pytest.raises(PluginConflict, match="base and rival both offer the action Ping"):
            await house.plugins.enable("rival")
        assert house.plugins.get("rival") is None


async def test_a_plugin_that_cannot_start_leaves_no_trace(autojump_clock: MockClock) -> None:
    class Crashing(Acme):
        """Crashes at its start."""

        async def serve(self, task_status: trio.TaskStatus[None]) -> None:
            raise OSError("no port")

    async with open_house(Base) as house:
        house.installed["acme"] = Loaded(Crashing)
        with pytest.raises(PluginError, match="acme did not start: OSError: no port"):
            await house.plugins.enable("acme")
        assert house.state("acme") == "failed"
        assert house.plugins.status()[1].last_failure == "acme did not start: OSError: no port"
        assert await house.ask() is None


async def test_a_plugin_that_fails_to_join_at_the_last_step_is_taken_out_again(autojump_clock: MockClock) -> None:
    async with open_house(Base) as house:
        house.installed["acme"], house.has_couriers = Loaded(Acme), False
        with pytest.raises(OSError, match="no outbox"):
            await house.plugins.enable("acme")
        assert house.state("acme") == "failed"
        assert await house.ask() is None
        assert house.plugins.get("acme") is None


async def test_nobody_asks_a_plugin_before_it_has_started(autojump_clock: MockClock) -> None:
    class Slow(Acme):
        """Loads for a while."""

        async def serve(self, task_status: trio.TaskStatus[None]) -> None:
            await trio.sleep(5)
            await super().serve(task_status)

    async with open_house(Base) as house, trio.open_nursery() as nursery:
        house.installed["acme"] = Loaded(Slow)
        nursery.start_soon(house.plugins.enable, "acme")
        await trio.sleep(3)
        assert await house.ask() is None
        await trio.sleep(3)
        assert await house.ask() == "acme"


async def test_enabling_that_is_called_off_leaves_no_trace(autojump_clock: MockClock) -> None:
    class Endless(Acme):
        """Never gets ready."""

        async def serve(self, task_status: trio.TaskStatus[None]) -> None:
            await trio.sleep_forever()

    async with open_house(Base) as house:
        house.installed["acme"] = Loaded(Endless)
        with trio.move_on_after(1):
            await house.plugins.enable("acme")
        assert house.state("acme") == "failed"
        house.installed["acme"] = Loaded(Acme)
        await house.plugins.disable("acme")
        assert await house.ask() is None


async def test_a_misfit_is_refused_before_anything_of_it_runs() -> None:
    class Misfit(Acme):
        """Has a hook nobody publishes."""

        @hookimpl
        async def ponged_twice(self) -> None: ...

    async with open_house(Base) as house:
        house.installed["acme"] = Loaded(Misfit)
        with pytest.raises(
            HookMismatch, match="no enabled plugin publishes a hook ponged_twice; the nearest is ponged"
        ):
            await house.plugins.enable("acme")
        assert house.migrated == ["base"]


async def test_a_quarantined_plugin_ends_and_can_be_enabled_again(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        acme = house.acme
        acme.is_broken = True
        for _ in range(4):
            assert await house.ask() is None
        await trio.sleep(1)
        assert house.state("acme") == "quarantined"
        assert acme.story == ["serve", "end"]
        assert not house.couriers[0].is_running
        await house.plugins.enable("acme")
        assert house.plugins.status()[1].consecutive_failures == 0
        assert await house.ask() == "acme"


async def test_a_fact_is_delivered_and_its_failure_raised_for_the_courier(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as house:
        (courier,) = house.couriers
        await courier.deliveries["ponged"]("CP-1", NoConfig(), 1)
        house.acme.is_broken = True
        for number in range(10):
            with pytest.raises(OSError, match="no billing today"):
                await courier.deliveries["ponged"]("CP-1", NoConfig(), number)
        assert house.acme.story == ["serve", "pong CP-1"]
        assert house.state("acme") == "enabled"  # the fact waits; a billing system that is down is no reason to leave
        assert house.plugins.status()[1].failures == 10


async def test_a_fact_published_later_reaches_a_plugin_that_was_there_before(autojump_clock: MockClock) -> None:
    class Listener(Plugin[NoConfig]):
        """Hears of pongs, if there are any."""

        name = "listener"

        @hookimpl(optionalhook=True)
        async def ponged(self) -> None: ...

    async with open_house(Listener) as house:
        assert house.couriers == []
        house.installed["base"] = Loaded(Base)
        await house.plugins.enable("base")
        assert [courier.plugin for courier in house.couriers] == ["listener"]
        await house.plugins.disable("base")
        assert house.couriers[0].is_running  # its facts may still wait in the outbox


async def test_two_csmsd_in_one_process_share_nothing(autojump_clock: MockClock) -> None:
    async with open_house(Base, Acme) as one, open_house(Base, Acme) as two:
        await one.plugins.disable("acme")
        assert await one.ask() is None
        assert await two.ask() == "acme"
        assert two.acme.story == ["serve"]


async def test_a_fact_that_is_refused_with_anything_counts_as_refused(autojump_clock: MockClock) -> None:
    """The courier counts what it can catch: whatever else was thrown would only have it start again, for ever."""

    class Below(BaseException):
        pass

    class Odd(Acme):
        """Raises what is no Exception."""

        @hookimpl
        async def ponged(self, station_id: str) -> None:
            raise Below(f"broken at {station_id}")

    async with open_house(Base, Odd) as house:
        with pytest.raises(RuntimeError, match="Below: broken at CP-1"):
            await house.couriers[0].deliveries["ponged"]("CP-1", NoConfig(), 1)
        assert house.plugins.status()[1].last_failure == "ponged: Below: broken at CP-1"
