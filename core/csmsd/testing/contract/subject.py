"""The plugin that is checked, and the company that it needs: what it requires, and whose hooks it implements."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pluggy

from csmsd import hookspecs
from csmsd._kernel.loader import GROUP, AnyPlugin, Loaded, installed_plugins, load_plugin, load_plugins
from csmsd.errors import PluginError, PluginNotFound
from csmsd.plugin import Plugin


@dataclass(frozen=True)
class Subject:
    """What is to be checked."""

    plugin: type[AnyPlugin]
    required: tuple[str, ...]  # installed plugins without which it cannot be, in order
    company: tuple[str, ...]  # these, and installed plugins whose hooks it implements
    config: Mapping[str, Any]  # its table
    postgres: str = ""  # the URL of a server on which databases may be made; "" = none

    @property
    def name(self) -> str:
        """The plugin's name, as far as it has one."""
        return getattr(self.plugin, "name", "") or self.plugin.__name__

    def with_company(self) -> tuple[Loaded, ...]:
        """The plugin behind what it requires; PluginError says what does not fit."""
        return load_plugins([*self.company, self.plugin])


def subject_of(plugin: type[AnyPlugin], *, config: Mapping[str, Any] | None = None, postgres: str = "") -> Subject:
    """The plugin with its company; what is not installed is left out, and missed by the checks that need it."""
    name = getattr(plugin, "name", "")
    required = company = tuple(one for one in _required(plugin.requires, ()) if one != name)
    hooks = frozenset(hook for hook, _ in implementations(plugin))
    for other in installed():
        beside = other.type.name
        if beside != name and beside not in company and hooks & names_of_hooks(other.type.specs):
            needs = tuple(_required(other.type.requires, company))
            if name not in needs:
                company = (*company, *needs, beside)
    return Subject(plugin, required, company, dict(config or {}), postgres)


def _required(names: Sequence[str], known: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if name not in known:
            try:
                yield from _required(load_plugin(name).type.requires, (*known, name))
            except PluginError:
                continue
            yield name


def installed() -> Iterator[Loaded]:
    """Every installed plugin that can be imported."""
    for entry in installed_plugins():
        try:
            yield load_plugin(entry.name)
        except PluginError:
            continue


def implementations(plugin: type[AnyPlugin]) -> Iterator[tuple[str, str]]:
    """The hooks that a class implements, each with the attribute that does it."""
    manager = pluggy.PluginManager("csmsd")
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            yield options["specname"] or attribute, attribute


def names_of_hooks(modules: Sequence[ModuleType]) -> frozenset[str]:
    """The hooks that these modules publish."""
    return frozenset(
        name
        for module in modules
        for name, function in vars(module).items()
        if hasattr(function, hookspecs.COLOUR_ATTRIBUTE) and function.__module__ == module.__name__
    )


def find_plugin(name_or_path: str) -> type[AnyPlugin]:
    """A plugin by its name, as `package:Class`, or by the folder of its project; PluginError says what is wrong."""
    if ":" in name_or_path:
        return _imported(name_or_path)
    folder = Path(name_or_path)
    if (folder / "pyproject.toml").is_file():
        return _imported(_offered_by(folder))
    if "/" in name_or_path or name_or_path == ".":
        raise PluginNotFound(f"{name_or_path} has no pyproject.toml: name the folder of a plugin's project")
    return load_plugin(name_or_path).type


def _offered_by(folder: Path) -> str:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    offers = list(project.get("entry-points", {}).get(GROUP, {}).values())
    if len(offers) != 1:
        raise PluginNotFound(f"{folder / 'pyproject.toml'} offers {len(offers)} plugins: name one as package:Class")
    if str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))
    return str(offers[0])


def _imported(text: str) -> type[AnyPlugin]:
    module, _, attribute = text.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginNotFound(f"{text} cannot be imported: {error}") from error
    return _class_of(found)


def _class_of(found: object) -> type[AnyPlugin]:
    """A plugin's class, whatever else is wrong with it: that is what the checks are for."""
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise PluginNotFound(f"{found!r} is no subclass of csmsd.Plugin: name the class itself")
    plugin: type[AnyPlugin] = cast("Any", found)
    return plugin
