"""One csmsd as far as plugins are concerned, with one that publishes hooks and one that answers them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import msgspec
import trio

from csmsd import hookspecs as kernel_hooks
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.loader import Loaded
from csmsd._kernel.outbox import Courier, Delivery
from csmsd._kernel.plugins import PluginSet
from csmsd._kernel.pool import Pool
from csmsd._kernel.supervisor import Supervisor
from csmsd._kernel.timers import Wheel
from csmsd._kernel.verbs import HookRunner
from csmsd.action import Action
from csmsd.command import Command
from csmsd.config import Config, Limits
from csmsd.errors import PluginNotFound
from csmsd.hookspecs import hookimpl, hookspec
from csmsd.host import Host
from csmsd.plugin import NoConfig, Plugin
from csmsd.station import Station
from csmsd.store import Fact


@hookspec(colour="either")
def answer_ping(number: int) -> str | None:
    """A question."""
    raise AssertionError


@hookspec()
async def ponged(station_id: str, fact: NoConfig, fact_id: int) -> None:
    """A fact."""


SPECS = ModuleType(__name__)
SPECS.__dict__.update(answer_ping=answer_ping, ponged=ponged)


class Base(Plugin[NoConfig]):
    """Publishes hooks, an action, a command and a fact."""

    name = "base"
    specs = (SPECS,)
    actions = (Action("Ping", NoConfig, NoConfig, answer_ping),)
    commands = (Command("Pong", NoConfig, NoConfig),)
    facts = (Fact("ponged", NoConfig, ponged),)


class AcmeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    answer: str = "acme"


class Acme(Plugin[AcmeConfig]):
    """Answers pings.

    And notes whatever happens to it.
    """

    name = "acme"
    requires = ("base",)
    config_type = AcmeConfig

    def __init__(self, config: AcmeConfig, host: Host) -> None:
        super().__init__(config, host)
        self.story: list[str] = []
        self.is_broken = False

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        self.story.append("serve")
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.story.append("end")

    @hookimpl
    async def answer_ping(self, number: int) -> str | None:
        await trio.sleep(number)
        if self.is_broken:
            raise ValueError
        return self.config.answer

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        self.story.append(f"hello {station.id}")

    @hookimpl
    async def ponged(self, station_id: str) -> None:
        await trio.sleep(1)
        if self.is_broken:
            raise OSError("no billing today")
        self.story.append(f"pong {station_id}")


class FakeCourier:
    """Delivers what a test hands to it."""

    def __init__(self, plugin: str, deliveries: Sequence[Delivery]) -> None:
        self.plugin, self.deliveries = plugin, {delivery.fact.name: delivery.deliver for delivery in deliveries}
        self.is_running, self.backlog = False, 7

    def end(self) -> None: ...

    async def run(self) -> None:
        self.is_running = True
        try:
            await trio.sleep_forever()
        finally:
            self.is_running = False


class House:
    """One csmsd, as far as plugins are concerned."""

    def __init__(self, nursery: trio.Nursery, config: Config) -> None:
        self.online: list[Any] = []
        self.migrated: list[str] = []
        self.couriers: list[FakeCourier] = []
        self.installed: dict[str, Loaded] = {}
        self.has_couriers = True
        wheel = Wheel()
        nursery.start_soon(wheel.run)
        self.hooks = HookSet(config.limits.quarantine_after)
        self.hooks.add_specs(kernel_hooks, "csmsd")
        self.runner = HookRunner(self.hooks, Pool(nursery, wheel), wheel)
        host = cast("Host", SimpleNamespace(config=config, stations=SimpleNamespace(online=lambda: self.online)))
        supervisor = Supervisor(nursery)
        self.plugins = PluginSet(host, self.hooks, self.runner, supervisor, self.migrate, self.courier, self.find)

    async def migrate(self, plugin: type[Plugin[Any]]) -> None:
        await trio.lowlevel.checkpoint()
        self.migrated.append(plugin.name)

    def courier(self, plugin: str, deliveries: Sequence[Delivery]) -> Courier:
        if not self.has_couriers:
            raise OSError("no outbox")
        self.couriers.append(FakeCourier(plugin, deliveries))
        return cast("Courier", self.couriers[-1])

    def find(self, name: str) -> Loaded:
        if name not in self.installed:
            raise PluginNotFound(name)
        return self.installed[name]

    @property
    def acme(self) -> Acme:
        return cast("Acme", self.plugins.get("acme"))

    def state(self, name: str) -> str:
        return {status.name: status.state for status in self.plugins.status()}[name]

    def ask(self, number: int = 0) -> Awaitable[str | None]:
        return self.runner.ask(answer_ping, number)


@asynccontextmanager
async def open_house(*plugins: type[Plugin[Any]], config: Config | None = None) -> AsyncIterator[House]:
    async with trio.open_nursery() as nursery:
        house = House(nursery, config or Config(limits=Limits(quarantine_after=3)))
        house.plugins.add([Loaded(plugin, "1.2", f"csmsd_{plugin.name}") for plugin in plugins])
        await house.plugins.start()
        yield house
        nursery.cancel_scope.cancel()


def station(station_id: str, *, is_online: bool = True) -> Any:
    return SimpleNamespace(id=station_id, is_online=is_online)
