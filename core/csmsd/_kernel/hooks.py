"""The hooks of one csmsd: pluggy registers, validates and orders; csmsd calls. Also who failed, and the quarantine."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from types import ModuleType
from typing import Any

import pluggy
import trio

from csmsd._kernel.pool import IgnoresCancellation
from csmsd._kernel.registration import Spec, check_implementations, check_specs, implemented_hooks, specs_of
from csmsd._kernel.steps import Health, Plan, Step, Terms, compile_plan, in_turn
from csmsd.deprecations import CsmsdDeprecation
from csmsd.errors import in_words
from csmsd.hookspecs import PluginFailure, plugin_failed
from csmsd.host import HookStatus, HookUser

log = logging.getLogger("csmsd.hooks")


def _reason(step: Step, error: BaseException | str) -> str:
    if isinstance(error, trio.TooSlowError):
        more = ", and it goes on although it was cancelled" if isinstance(error, IgnoresCancellation) else ""
        return f"too slow: no answer in {step.timeout:g} s{more}"
    return error if isinstance(error, str) else in_words(error)


def _asked(step: Step, hook: str) -> HookUser:
    note = "" if step.hook == hook else f"by its former name {step.hook}"
    return HookUser(step.plugin, "async" if step.is_async else "plain", step.is_critical, note)


def _namespace(specs: Iterable[Spec]) -> ModuleType:
    namespace = ModuleType("csmsd_hooks")
    namespace.__dict__.update({spec.function.__name__: spec.function for spec in specs})
    return namespace


def _ignore(*_: object) -> None:
    """Until somebody wants to know."""


class HookSet:
    """The implementations of one csmsd: plans by hook, and what to do about those that fail.

    `changed` holds plain functions to call when the set has changed: whoever keeps plans fetches them again.
    """

    def __init__(self, quarantine_after: int = 10) -> None:
        self._manager = pluggy.PluginManager("csmsd")
        self._specs: dict[str, Spec] = {}
        self._plans: dict[Callable[..., Any], Plan] = {}
        self._terms: dict[str, Terms] = {}
        self._quarantine_after = quarantine_after
        self.health: dict[str, Health] = {}
        self.failures: Counter[str] = Counter()  # consecutive ones, by plugin; empty while all is well
        self.deprecated: dict[str, tuple[str, ...]] = {}  # by plugin: what it should not use any more, in sentences
        self.changed: list[Callable[[], None]] = []
        self.quarantined: Callable[[str], None] = _ignore  # after a plugin has been taken out for its failures
        self.reported: Callable[[PluginFailure], None] = _ignore

    def add_specs(self, module: ModuleType, owner: str) -> None:
        """Publish a module's hooks; PluginConflict, HookMismatch. They stay when their owner is disabled."""
        new = specs_of(self._manager, module, owner)
        check_specs(new, self._specs)
        for name, plugin in self._manager.list_name_plugin():
            check_implementations(self._manager, plugin, name, {**self._specs, **new})
        fresh = new.keys() - self._specs.keys()
        if fresh:
            self._manager.add_hookspecs(_namespace(new[name] for name in fresh))
            self._specs.update(new)
            self._plans.clear()

    def check(self, plugin: object, name: str) -> None:
        """Every implementation fits its hook; HookMismatch."""
        check_implementations(self._manager, plugin, name, self._specs)

    def enable(self, plugin: object, name: str, terms: Terms) -> None:
        """Ask this plugin too, before those that are there already; HookMismatch leaves everything as it was."""
        self.check(plugin, name)
        self._warn_of_former_hooks(plugin, name)
        self._terms[name] = terms
        self.health.setdefault(name, Health())
        self.failures.pop(name, None)
        self._manager.register(plugin, name)
        self._announce()

    def disable(self, name: str) -> None:
        """Calls in flight keep the plan they started with; new ones do not see the plugin."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
            self._announce()

    def withdraw_specs(self, owners: Collection[str]) -> None:
        """Forget the hooks of plugins that have been disabled, so that other code can publish them."""
        self._specs = {name: spec for name, spec in self._specs.items() if spec.owner not in owners}
        self.arrange([name for name, _ in self._manager.list_name_plugin()])

    def arrange(self, order: Sequence[str]) -> None:
        """Ask the enabled plugins as if they had been enabled in this order."""
        plugins = dict(self._manager.list_name_plugin())
        manager = pluggy.PluginManager("csmsd")
        manager.add_hookspecs(_namespace(self._specs.values()))
        for name in order:
            if plugins.get(name) is not None:
                manager.register(plugins[name], name)
        self._manager = manager
        self._announce()

    @property
    def order(self) -> list[str]:
        """The enabled plugins in the order registered; the last is asked first."""
        return [name for name, plugin in self._manager.list_name_plugin() if plugin is not None]

    def is_enabled(self, name: str) -> bool:
        """True while the plugin is asked."""
        return self._manager.has_plugin(name)

    def hooks_of(self, plugin: object) -> tuple[str, ...]:
        """The names of the hooks that an enabled plugin implements."""
        return tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))

    def plan(self, spec: Callable[..., Any]) -> Plan:
        """Who implements a hook now, in the order asked; nobody if no plugin of this csmsd publishes it."""
        plan = self._plans.get(spec)
        if plan is None:
            plan = self._plans[spec] = self._compile(spec)
        return plan

    def step_of(self, plugin: str, spec: Callable[..., Any]) -> Step | None:
        """One plugin's implementation of a hook, if it has one and is enabled."""
        return next((step for step in self.plan(spec) if step.plugin == plugin), None)

    def _compile(self, spec: Callable[..., Any]) -> Plan:
        known = self._specs.get(spec.__name__)
        if known is None or known.function is not spec:
            return ()
        callers = [(self._caller(each), each) for each in (known, *self._former_shapes(spec))]
        return compile_plan(in_turn(callers, self.order), known, self._terms, self.health)

    def _caller(self, spec: Spec) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._manager.hook, spec.function.__name__)
        return caller

    def _former_shapes(self, spec: Callable[..., Any]) -> list[Spec]:
        return [each for each in self._specs.values() if each.former is not None and each.former.now is spec]

    def _warn_of_former_hooks(self, plugin: object, name: str) -> None:
        """Tell the operator by the log, and the plugin's author, whose tests show warnings or fail for them."""
        implemented = implemented_hooks(self._manager, plugin)
        sentences = [
            f"plugin {name} implements {hook}, which is {spec.former.now.__name__} since csmsd {spec.former.since} and "
            f"will be gone in {spec.former.until}: {spec.former.write}"
            for hook in implemented
            if (spec := self._specs.get(hook)) is not None
            and spec.former is not None
            and spec.former.now.__name__ not in implemented
        ]
        for sentence in sentences:
            warnings.warn(sentence, CsmsdDeprecation, stacklevel=2)
            log.warning(sentence)
        self.deprecated[name] = tuple(sentences)

    def overview(self) -> list[HookStatus]:
        """Every hook and who implements it, in the order asked; former shapes are shown with what replaced them."""
        return [
            HookStatus(
                name,
                spec.owner,
                spec.colour,
                tuple(_asked(step, name) for step in self.plan(spec.function)),
                (inspect.getdoc(spec.function) or "").partition("\n")[0],
            )
            for name, spec in self._specs.items()
            if spec.former is None
        ]

    def arguments(self, spec: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Positional arguments for the steps of a plan, of a call that used names."""
        bound = inspect.signature(spec).bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args

    def worked(self, step: Step) -> None:
        """An implementation has answered, be it "not mine"."""
        step.health.calls += 1
        if self.failures:
            self.failures.pop(step.plugin, None)

    def failed(self, step: Step, error: BaseException | str) -> None:
        """Count a failure; the caller goes on to the next implementation."""
        reason = self.complain(step, error)
        if step.hook == plugin_failed.__name__:
            return  # never re-entered
        self.failures[step.plugin] += 1
        consecutive = self.failures[step.plugin]
        is_over = consecutive >= self._quarantine_after and not step.is_critical and self.is_enabled(step.plugin)
        if is_over:
            log.error("plugin %s is quarantined after %d failures in a row", step.plugin, consecutive)
            self.disable(step.plugin)
            self.quarantined(step.plugin)
        self.reported(PluginFailure(step.plugin, step.hook, reason, consecutive, is_over))

    def complain(self, step: Step, error: BaseException | str) -> str:
        """Log a failure that has no consequences; the reason, in one sentence."""
        reason = _reason(step, error)
        cause = error if isinstance(error, BaseException) and not isinstance(error, trio.TooSlowError) else None
        log.error("plugin %s failed in %s: %s", step.plugin, step.hook, reason, exc_info=cause)
        step.health.failures += 1
        step.health.last_failure = f"{step.hook}: {reason}"
        return reason

    def note_block(self, plugin: str, seconds: float) -> None:
        """The plugin has held up the loop; nobody was served meanwhile."""
        health = self.health.setdefault(plugin, Health())
        health.blocked += 1
        health.blocked_seconds += seconds

    def note_crash(self, plugin: str, error: BaseException) -> None:
        """The plugin's `serve` has crashed; it is restarted, so nothing else changes."""
        health = self.health.setdefault(plugin, Health())
        health.failures += 1
        health.last_failure = f"serve: {in_words(error)}"

    def _announce(self) -> None:
        self._plans.clear()
        for changed in self.changed:
            changed()
