"""The plugin set of one csmsd: who takes part, and how one joins and leaves while stations are connected."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import trio

from csmsd._kernel.couriers import Couriers, MakeCourier
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.loader import AnyPlugin, Loaded, check_claims, load_plugin
from csmsd._kernel.offers import plugin_of_command
from csmsd._kernel.pluginconfig import decode_config, decode_limits
from csmsd._kernel.reloading import Reload
from csmsd._kernel.steps import Health, Terms
from csmsd._kernel.supervisor import Supervisor
from csmsd._kernel.verbs import HookRunner
from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.errors import Bug, PluginError, PluginIncompatible, PluginNotFound, fault_in, in_words
from csmsd.facts import KERNEL_FACTS
from csmsd.hookspecs import station_connected
from csmsd.host import HookStatus, Host, Plugins, PluginState, PluginStatus
from csmsd.store import Fact

log = logging.getLogger("csmsd.plugins")

Migrate = Callable[[type[AnyPlugin]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tables:
    """What the enabled plugins offer, by name. Replaced as one object when the set changes."""

    actions: Mapping[str, AnyAction]
    commands: Mapping[str, AnyCommand]
    facts: Mapping[str, tuple[str, Fact[Any]]]  # and whose they are


def tables_of(plugins: Iterable[type[AnyPlugin]]) -> Tables:
    """The tables of these plugins; claims have been checked."""
    types = tuple(plugins)
    return Tables(
        MappingProxyType({action.name: action for plugin in types for action in plugin.actions}),
        MappingProxyType({command.name: command for plugin in types for command in plugin.commands}),
        MappingProxyType({fact.name: (plugin.name, fact) for plugin in types for fact in plugin.facts}),
    )


class Member:
    """A plugin of this csmsd, enabled or not."""

    __slots__ = ("loaded", "plugin", "reason", "state", "terms")

    def __init__(self, loaded: Loaded, plugin: AnyPlugin, terms: Terms) -> None:
        self.loaded, self.plugin, self.terms = loaded, plugin, terms
        self.state: PluginState = "disabled"
        self.reason = ""  # why it is not enabled, if it should be


class PluginSet(Plugins):
    """See `Plugins`. At start: `add` the loaded plugins, then `start`; whatever fails names the plugin."""

    def __init__(
        self,
        host: Host,
        hooks: HookSet,
        runner: HookRunner,
        supervisor: Supervisor,
        migrate: Migrate,
        make_courier: MakeCourier,
        load: Callable[[str], Loaded] = load_plugin,
        figures: Callable[[str], tuple[int, int]] = lambda name: (0, 0),
    ) -> None:
        self._host, self.hook_set, self._runner, self._supervisor = host, hooks, runner, supervisor
        self._couriers = Couriers(hooks, runner, supervisor, make_courier)
        self._migrate, self.load = migrate, load
        self._figures = figures  # by name: the backlog of its readers, and the facts set aside
        self._members: dict[str, Member] = {}
        self._changing = trio.Lock()
        self.tables = tables_of(())
        self.holding: Callable[[], AbstractContextManager[None]] = nullcontext  # while it lasts, stations wait
        hooks.changed.append(self._rebuild_tables)  # before the dispatcher, which reads them
        hooks.quarantined = self._quarantine

    # -- at start --------------------------------------------------------------------------------------------------

    def add(self, loaded: Sequence[Loaded]) -> None:
        """Make the plugins' instances and register all of them, in order; ConfigError, PluginError."""
        members = [self.instantiate(one) for one in loaded]
        for member in members:
            self._publish(member.loaded)
        for member in members:
            self._members[member.loaded.name] = member
            self.hook_set.enable(member.plugin, member.loaded.name, member.terms)
            member.state = "enabled"

    async def start(self) -> None:
        """Migrate and start everybody, in order; facts are delivered once everybody has started."""
        for member in self.enabled():
            await self._migrate_tables(member)
        for member in self.enabled():
            await self._serve(member)
        await self._refresh_couriers()

    # -- for everybody ---------------------------------------------------------------------------------------------

    def get(self, name: str) -> AnyPlugin | None:
        """See `Plugins.get`."""
        return self._members[name].plugin if self.hook_set.is_enabled(name) else None

    def status(self) -> Sequence[PluginStatus]:
        """See `Plugins.status`."""
        return [self._status_of(member) for member in self._members.values()]

    def hooks(self) -> Sequence[HookStatus]:
        """See `Plugins.hooks`."""
        return self.hook_set.overview()

    def packages(self) -> Mapping[str, str]:
        """The name of the plugin of each top-level package, for the watchdog."""
        return {member.loaded.type.__module__.partition(".")[0]: name for name, member in self._members.items()}

    def offering(self, command: str) -> str | None:
        """The plugin that would offer a command, were it enabled: one of this csmsd, else one that comes with it."""
        for member in self._members.values():
            if any(offered.name == command for offered in member.loaded.type.commands):
                return member.loaded.name
        return plugin_of_command(command)

    async def enable(self, name: str) -> None:
        """See `Plugins.enable`. Nobody asks the plugin before it has started; until then nothing has changed."""
        async with self._changing:
            member = self._members.get(name)
            if member is not None and member.state == "enabled":
                return
            loaded = member.loaded if member is not None else self.load(name)
            self._check_that_it_fits(loaded)
            member = self._members[name] = self.instantiate(loaded)
            try:
                await self.join(member)
            except BaseException as error:
                member.state, member.reason = "failed", str(error) or "enabling it was called off"
                self._end(name)
                raise
            log.info("plugin %s is enabled", name)
        await self._introduce(name)

    async def disable(self, name: str) -> None:
        """See `Plugins.disable`."""
        async with self._changing:
            member = self.member(name)
            if member.state == "enabled":
                self._check_that_nobody_needs(name)
                member.state = "disabled"
                await self.leave(member)
                log.info("plugin %s is disabled", name)

    async def reload(self, name: str) -> Sequence[str]:
        """See `Plugins.reload`."""
        async with self._changing:
            exchanged = await Reload(self, name).run()
            log.info("new code runs of %s", ", ".join(exchanged) or f"{name} as soon as it is enabled")
        for each in exchanged:
            await self._introduce(each)
        return exchanged

    def member(self, name: str) -> Member:
        """A plugin of this csmsd, enabled or not; PluginNotFound."""
        if name not in self._members:
            raise PluginNotFound(f"this csmsd has no plugin {name}")
        return self._members[name]

    def replace(self, member: Member) -> None:
        """Another one of the same name, in its place of the list."""
        self._members[member.loaded.name] = member

    def end(self, names: Iterable[str]) -> None:
        """Nothing is asked of these any more, and their tasks end soon."""
        for name in names:
            self._end(name)

    # -- joining ---------------------------------------------------------------------------------------------------

    def instantiate(self, loaded: Loaded) -> Member:
        """A plugin with its configuration; nobody knows of it yet. ConfigError, PluginError."""
        table = self._host.config.plugin.get(loaded.name, {})
        config, limits = decode_config(loaded.type, table), decode_limits(loaded.type, table)
        try:
            plugin = loaded.type(config, self._host)
        except BaseException as raised:
            error = fault_in(raised)
            raise PluginError(f"{loaded.name} cannot be created: {in_words(error)}") from error
        timeout = limits.hook_timeout or self._host.config.limits.hook_timeout
        return Member(loaded, plugin, Terms(timeout, loaded.type.critical))

    def _publish(self, loaded: Loaded) -> None:
        for module in loaded.type.specs:
            self.hook_set.add_specs(module, loaded.name)

    def _check_that_it_fits(self, loaded: Loaded) -> None:
        for required in loaded.type.requires:
            if not self.hook_set.is_enabled(required):
                raise PluginIncompatible(f"{loaded.name} requires the plugin {required}: enable that first")
        check_claims([*(member.loaded for member in self.enabled()), loaded])

    async def join(self, member: Member) -> None:
        """Publish, check, migrate, start, and only then let it be asked."""
        name = member.loaded.name
        self._publish(member.loaded)
        self.hook_set.check(member.plugin, name)
        await self._migrate_tables(member)
        await self._serve(member)
        self.hook_set.enable(member.plugin, name, member.terms)
        member.state = "enabled"
        await self._refresh_couriers()

    async def _migrate_tables(self, member: Member) -> None:
        try:
            await self._migrate(member.loaded.type)
        except Bug as error:
            reason = in_words(error)
            raise PluginError(f"the tables of {member.loaded.name} cannot be brought up to date: {reason}") from error

    async def _refresh_couriers(self) -> None:
        """One that is enabled later may publish facts that an earlier one wants; facts of one that left may wait."""
        facts = [*KERNEL_FACTS]
        facts += [fact for member in self._members.values() for fact in member.loaded.type.facts]
        for member in self.enabled():
            await self._couriers.refresh(member.loaded.name, facts)

    async def _serve(self, member: Member) -> None:
        name = member.loaded.name

        def crashed(error: BaseException) -> None:
            self.hook_set.note_crash(name, error)

        await self._supervisor.start(name, member.plugin.serve, crashed)

    async def _introduce(self, name: str) -> None:
        """Tell a plugin that has just been enabled, and nobody else, who is online."""
        step = self.hook_set.step_of(name, station_connected)
        if step is not None:
            for station in tuple(self._host.stations.online()):
                if not self.hook_set.is_enabled(name):
                    return
                if station.is_online:
                    await self._runner.notify_one(step, station)

    # -- leaving ---------------------------------------------------------------------------------------------------

    def _check_that_nobody_needs(self, name: str) -> None:
        needy = [member.loaded.name for member in self.enabled() if name in member.loaded.type.requires]
        if needy:
            raise PluginError(f"{name} is required by {', '.join(needy)}: disable that first")

    async def leave(self, member: Member) -> None:
        """Nobody asks it any more; calls in flight are over, and its tasks have ended, when this returns."""
        name = member.loaded.name
        self.hook_set.disable(name)
        self._runner.forget(name)
        try:
            await self._couriers.stop(name)
            with trio.move_on_after(member.terms.timeout):  # every call in flight is over by then, one way or the other
                await self.hook_set.health[name].wait_idle()
            await self._supervisor.stop(name)
        finally:
            self._end(name)

    def _quarantine(self, name: str) -> None:
        self._members[name].state = "quarantined"
        self._end(name)

    def _end(self, name: str) -> None:
        """Nothing is asked of the plugin any more, and its tasks end soon."""
        self.hook_set.disable(name)
        self._runner.forget(name)
        self._couriers.cancel(name)
        self._supervisor.cancel(name)

    # -- what there is ---------------------------------------------------------------------------------------------

    def enabled(self) -> list[Member]:
        return [member for name, member in self._members.items() if self.hook_set.is_enabled(name)]

    def _rebuild_tables(self) -> None:
        self.tables = tables_of(member.loaded.type for member in self.enabled())

    def _status_of(self, member: Member) -> PluginStatus:
        plugin, name = member.loaded.type, member.loaded.name
        health = self.hook_set.health.get(name) or Health()
        unread, set_aside = self._figures(name)
        return PluginStatus(
            name=name,
            state=member.state,
            version=member.loaded.version,
            summary=(plugin.__doc__ or "").strip().partition("\n")[0],
            requires=plugin.requires,
            actions=tuple(action.name for action in plugin.actions),
            commands=tuple(command.name for command in plugin.commands),
            failures=health.failures,
            consecutive_failures=self.hook_set.failures[name],
            calls=health.calls,
            backlog=self._couriers.backlog(name) + unread,
            set_aside=set_aside,
            last_failure=member.reason or health.last_failure,
            hooks=self.hook_set.hooks_of(member.plugin),
            seconds=health.nanoseconds / 1e9,
            blocked=health.blocked,
            blocked_seconds=health.blocked_seconds,
            deprecated=self.hook_set.deprecated.get(name, ()),
        )
