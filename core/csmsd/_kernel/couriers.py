"""One courier for each plugin that hears of facts: from the outbox to its implementations, at least once."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import trio

from csmsd._kernel.hooks import HookSet
from csmsd._kernel.outbox import Courier, Deliver, Delivery
from csmsd._kernel.steps import Step
from csmsd._kernel.supervisor import Supervisor
from csmsd._kernel.verbs import HookRunner
from csmsd.errors import Bug, in_words
from csmsd.store import Fact

log = logging.getLogger("csmsd.plugins")

MakeCourier = Callable[[str, Sequence[Delivery]], Courier]  # the plugin, and where it wants which facts


class Couriers:
    """Starts and ends the couriers of one csmsd."""

    def __init__(self, hooks: HookSet, runner: HookRunner, supervisor: Supervisor, make: MakeCourier) -> None:
        self._hooks, self._runner, self._supervisor, self._make = hooks, runner, supervisor, make
        self._couriers: dict[str, Courier] = {}
        self._taken: dict[str, frozenset[int]] = {}  # the facts of those that run

    async def refresh(self, plugin: str, facts: Iterable[Fact[Any]]) -> None:
        """Let a plugin hear of these facts, as far as it implements their hooks; no effect if it does already."""
        wanted = [Delivery(fact, self._to(step, fact)) for fact in facts if (step := self._step(plugin, fact))]
        facts_wanted = frozenset(id(delivery.fact) for delivery in wanted)  # of new code they are other ones
        if facts_wanted != self._taken.get(plugin, frozenset[int]()):
            courier = self._make(plugin, wanted)

            async def run(task_status: trio.TaskStatus[None]) -> None:
                task_status.started()
                await courier.run()

            await self._supervisor.start(_service(plugin), run, partial(_log_crash, plugin))
            if plugin in self._couriers:
                self._couriers[plugin].end()
            self._couriers[plugin], self._taken[plugin] = courier, facts_wanted

    async def stop(self, plugin: str) -> None:
        """End a plugin's courier; what it was delivering will be delivered again."""
        self._taken.pop(plugin, None)
        await self._supervisor.stop(_service(plugin))

    def cancel(self, plugin: str) -> None:
        """`stop` for plain code: it ends soon."""
        self._taken.pop(plugin, None)
        self._supervisor.cancel(_service(plugin))

    def backlog(self, plugin: str) -> int:
        """Facts that the plugin has not taken yet, also while it is not enabled; 0 if it never heard of any."""
        return self._couriers[plugin].backlog if plugin in self._couriers else 0

    def _step(self, plugin: str, fact: Fact[Any]) -> Step | None:
        return self._hooks.step_of(plugin, fact.hook)

    def _to(self, step: Step, fact: Fact[Any]) -> Deliver:
        order = tuple(inspect.signature(fact.hook).parameters)

        async def deliver(station_id: str, value: Any, fact_id: int) -> None:
            offered = {"station_id": station_id, "fact": value, "fact_id": fact_id}
            _, error = await self._runner.attempt(step, tuple(offered[name] for name in order))
            if error is not None:
                # The courier repeats it: an outage behind a plugin is no quarantine.
                reason = self._hooks.complain(step, error)
                raise error if _is_ordinary(error) else RuntimeError(reason) from error
            self._hooks.worked(step)

        return deliver


def _is_ordinary(error: BaseException) -> bool:
    """Can the courier catch it, and print it?"""
    return isinstance(error, Bug) and "which cannot be printed" not in in_words(error)


def _service(plugin: str) -> str:
    return f"{plugin}'s courier"


def _log_crash(plugin: str, error: BaseException) -> None:
    log.warning("facts for plugin %s wait: %s", plugin, error)
