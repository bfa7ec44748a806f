"""From names to plugin classes: found by entry point, checked and put in order. Only the named ones are imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeGuard

from csmsd.errors import PluginConflict, PluginError, PluginIncompatible, PluginNotFound, fault_in, in_words
from csmsd.facts import KERNEL_FACTS
from csmsd.plugin import API_VERSION, Plugin

GROUP = "csmsd.plugins"
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")  # it becomes a table prefix, a TOML key and part of URLs

AnyPlugin = Plugin[Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin's class and what it came in; nothing for a class of an embedding program."""

    type: type[AnyPlugin]
    version: str = ""  # of the distribution
    package: str = ""  # the top-level package that its entry point leads to

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.type.name


def installed_plugins() -> tuple[EntryPoint, ...]:
    """What the installed packages offer, by name; nothing is imported."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda entry: entry.name))


def load_plugins(wanted: Sequence[str | type[AnyPlugin]]) -> tuple[Loaded, ...]:
    """The plugins in the order in which they are registered: as given, what a plugin requires before it.

    Errors: PluginNotFound, PluginIncompatible, PluginConflict.
    """
    installed = installed_plugins()
    loaded = [_load(installed, one) if isinstance(one, str) else _checked(one) for one in wanted]
    _check_unique((one.name for one in loaded), lambda name: f"the plugin {name} is named twice: name it once")
    check_claims(loaded)
    return in_order(loaded)


def load_plugin(name: str) -> Loaded:
    """One plugin by name; PluginNotFound, PluginIncompatible, PluginConflict."""
    return _load(installed_plugins(), name)


def _load(installed: Iterable[EntryPoint], name: str) -> Loaded:
    offers = [entry for entry in installed if entry.name == name]
    if not offers:
        raise PluginNotFound(_not_found(name, [entry.name for entry in installed]))
    if len(offers) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in offers))
        raise PluginConflict(f"the plugin {name} is offered by {packages}: uninstall one of them")
    (offer,) = offers
    try:
        found = offer.load()
    except BaseException as raised:
        error = fault_in(raised)
        reason = in_words(error)
        raise PluginError(f"the plugin {name} of {_package(offer)} cannot be imported: {reason}") from error
    version = offer.dist.version if offer.dist else ""
    return replace(_checked(found, name), version=version, package=offer.module.partition(".")[0])


def _not_found(name: str, installed: Sequence[str]) -> str:
    near = get_close_matches(name, installed, n=1)
    advice = f"did you mean {near[0]}?" if near else "install the package that offers it."
    offered = ", ".join(sorted(set(installed))) or "none"
    return f"no installed package offers a plugin {name}; {advice} Installed: {offered}"


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module


def _checked(found: object, name: str = "") -> Loaded:
    """`name` is what the entry point calls it; "" if there is none."""
    if not _is_plugin(found):
        raise PluginIncompatible(
            f"the plugin {name or repr(found)} is no subclass of csmsd.Plugin: name the class itself"
        )
    called = getattr(found, "name", "")
    if not NAME.fullmatch(called):
        raise PluginIncompatible(f"{found.__qualname__} needs a name of lower-case letters and digits, not {called!r}")
    if name and called != name:
        raise PluginIncompatible(f"the entry point {name} leads to a plugin called {called}: rename one of them")
    if found.api != API_VERSION:
        which = "csmsd" if found.api > API_VERSION else "the plugin"
        reason = f"is written for plugin API {found.api}, this csmsd has {API_VERSION}"
        raise PluginIncompatible(f"{called} {reason}: upgrade {which}")
    return Loaded(found)


def _is_plugin(found: object) -> TypeGuard[type[AnyPlugin]]:
    return isinstance(found, type) and issubclass(found, Plugin)


def in_order(loaded: Sequence[Loaded]) -> tuple[Loaded, ...]:
    """A stable sort that puts what a plugin requires before it; PluginIncompatible if it is missing."""
    by_name = {one.name: one for one in loaded}
    ordered: dict[str, Loaded] = {}

    def place(one: Loaded, dependants: tuple[str, ...]) -> None:
        if one.name in dependants:
            raise PluginIncompatible(f"the plugins {' -> '.join((*dependants, one.name))} require each other")
        for name in one.type.requires:
            if name not in by_name:
                raise PluginIncompatible(f"{one.name} requires the plugin {name}: add it to the list of plugins")
            place(by_name[name], (*dependants, one.name))
        ordered.setdefault(one.name, one)

    for one in loaded:
        place(one, ())
    return tuple(ordered.values())


def check_claims(loaded: Iterable[Loaded]) -> None:
    """Every action, command and fact has one owner, and tables start with their owner's name; PluginConflict."""
    types = [one.type for one in loaded]
    _check_owners("action", ((action.name, plugin.name) for plugin in types for action in plugin.actions))
    _check_owners("command", ((command.name, plugin.name) for plugin in types for command in plugin.commands))
    own = [(fact.name, "csmsd") for fact in KERNEL_FACTS]
    _check_owners("fact", (*own, *((fact.name, plugin.name) for plugin in types for fact in plugin.facts)))
    for plugin in types:
        for table in plugin.migrations.metadata.tables if plugin.migrations else ():
            if not table.startswith(f"{plugin.name}_"):
                raise PluginConflict(f"{plugin.name}: the table {table} must be called {plugin.name}_{table}")


def _check_owners(kind: str, claims: Iterable[tuple[str, str]]) -> None:
    owners: dict[str, str] = {}
    for name, plugin in claims:
        other = owners.setdefault(name, plugin)
        if other != plugin:
            raise PluginConflict(f"{other} and {plugin} both offer the {kind} {name}: only one of them can be enabled")


def _check_unique(names: Iterable[str], complaint: Callable[[str], str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PluginConflict(complaint(name))
        seen.add(name)
