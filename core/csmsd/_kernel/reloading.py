"""Plugins exchanged for new code of theirs while stations are connected; if it cannot start, the old code stays.

CALLs that arrive during the exchange are handled after it, and stations that connect are asked in after it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from csmsd._kernel.loader import Loaded, check_claims, in_order
from csmsd._kernel.reimport import Reimport
from csmsd.errors import CsmsdError, PluginError, fault_in, in_words

if TYPE_CHECKING:
    from csmsd._kernel.plugins import Member, PluginSet

START_LIMIT = 20.0  # seconds for the new code to start, and again for the old one to come back
log = logging.getLogger("csmsd.plugins")


class Reload:
    """One plugin and the enabled ones that require it, which have classes of its modules in theirs."""

    def __init__(self, plugins: PluginSet, name: str) -> None:
        self._plugins, self._name = plugins, name
        member = plugins.member(name)
        self._old = with_dependants(name, plugins.enabled()) if member.state == "enabled" else [member]
        self._names = frozenset(one.loaded.name for one in self._old)
        self._order = plugins.hook_set.order

    async def run(self) -> list[str]:
        """Names of those that run new code now, in order; PluginError: the old code runs on."""
        try:
            return await self._run()
        except CsmsdError as error:
            raise PluginError(f"{self._name} stays with the code it has: {error}") from error

    async def _run(self) -> list[str]:
        self._check_that_nobody_shares_a_package()
        imported = Reimport([one.loaded for one in self._old], self._plugins.load)
        try:
            fresh = self._judge(imported.plugins)
        except BaseException:
            imported.undo()
            raise
        if self._old[0].state != "enabled":
            self._plugins.replace(fresh[0])
            return []
        with self._plugins.holding():
            try:
                await self._exchange(fresh)
            except BaseException as error:
                imported.undo()
                with trio.CancelScope(shield=True):
                    await self._bring_back(error)
                raise
        return [one.loaded.name for one in fresh]

    def _check_that_nobody_shares_a_package(self) -> None:
        packages = {one.loaded.package for one in self._old}
        for other in self._others():
            if other.loaded.package and other.loaded.package in packages:
                raise PluginError(
                    f"{self._name} cannot be reloaded: {other.loaded.name} is in the same package "
                    f"{other.loaded.package}; disable that first"
                )

    def _judge(self, loaded: Sequence[Loaded]) -> list[Member]:
        """New instances, in order, if the new code fits what is there; the old ones run meanwhile."""
        fresh = [self._plugins.instantiate(one) for one in loaded]
        if self._old[0].state == "enabled":
            others = [one.loaded for one in self._others()]
            check_claims([*others, *loaded])
            names = [one.name for one in in_order([*others, *loaded])]
            fresh.sort(key=lambda one: names.index(one.loaded.name))
        return fresh

    def _others(self) -> list[Member]:
        return [one for one in self._plugins.enabled() if one.loaded.name not in self._names]

    async def _exchange(self, fresh: Sequence[Member]) -> None:
        for one in reversed(self._old):
            await self._plugins.leave(one)
            one.state = "disabled"
        self._plugins.hook_set.withdraw_specs(self._names)
        with trio.move_on_after(START_LIMIT) as scope:
            for one in fresh:
                self._plugins.replace(one)
                await self._plugins.join(one)
        if scope.cancelled_caught:
            raise PluginError(f"the new code did not start within {START_LIMIT:g} s")
        self._plugins.hook_set.arrange(self._order)

    async def _bring_back(self, reason: BaseException) -> None:
        """New instances of the old classes: those that were there have ended."""
        self._plugins.end(self._names)
        self._plugins.hook_set.withdraw_specs(self._names)
        for old in self._old:
            member = self._plugins.instantiate(old.loaded)
            self._plugins.replace(member)
            try:
                with trio.fail_after(START_LIMIT):
                    await self._plugins.join(member)
            except BaseException as raised:
                error = fault_in(raised)
                member.state = "failed"
                member.reason = f"neither the new code runs ({in_words(reason)}) nor the old one ({in_words(error)})"
                self._plugins.end({old.loaded.name})
                log.error("plugin %s is out of service: %s", old.loaded.name, member.reason)  # noqa: TRY400
        self._plugins.hook_set.arrange(self._order)


def with_dependants(name: str, enabled: Sequence[Member]) -> list[Member]:
    """A plugin and whoever requires it, directly or not, in the order registered."""
    found = {name}
    for one in enabled:  # what a plugin requires is registered before it
        if found & set(one.loaded.type.requires):
            found.add(one.loaded.name)
    return [one for one in enabled if one.loaded.name in found]
