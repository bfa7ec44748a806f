"""Where settings come from: defaults < TOML file < environment < command line, each value with its origin."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from csmsd._kernel.absorption import check_absorb
from csmsd._kernel.loader import Loaded, installed_plugins, load_plugin, load_plugins
from csmsd._kernel.pluginconfig import LIMITS, PluginLimits, check_tables, decode_config, decode_limits
from csmsd.cli.keys import KERNEL_KEYS, PREFIX, Key, keys_of
from csmsd.cli.values import from_text, from_toml, is_reference, raw_of
from csmsd.config import Config
from csmsd.errors import ConfigError, PluginError

DEFAULT_FILE = Path("csmsd.toml")
NOT_SETTINGS = frozenset((f"{PREFIX}CONFIG", f"{PREFIX}URL", f"{PREFIX}TOKEN"))  # these concern the command line alone
_PLUGIN_VARIABLE = f"{PREFIX}PLUGIN_"
# Kubernetes sets such variables for a service that is called csmsd or csmsd-something.
_OF_KUBERNETES = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=\d+|PORT=\w+://.*|PORT_\d+_(TCP|UDP)(_\w+)?=.*)"
)
_BY_VARIABLE = {key.variable: key for key in KERNEL_KEYS.values()}


class Assignment(NamedTuple):
    """One value from the command line."""

    name: str  # dotted
    text: str
    origin: str  # what the user wrote, for messages


@dataclass
class Settings:
    """The configuration and where each value that is not a default comes from."""

    config: Config
    origins: Mapping[str, str]  # by dotted name
    masked: frozenset[str] = frozenset()  # kernel keys whose value came out of `{ env = "NAME" }`


@dataclass
class _Draft:
    """Values so far; later sources overwrite earlier ones."""

    environ: Mapping[str, str]
    kernel: dict[str, Any] = field(default_factory=dict[str, Any])
    plugin: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    masked: set[str] = field(default_factory=set[str])

    def put(self, key: Key, value: Any, origin: str) -> None:
        self.kernel[key.name], self.origins[key.name] = value, origin
        self.masked.discard(key.name)

    def put_plugin(self, plugin: str, path: tuple[str, ...], value: Any, origin: str) -> None:
        table = self.plugin.setdefault(plugin, {})
        for step in path[:-1]:
            table = table.setdefault(step, {})
        table[path[-1]] = value
        self.origins[".".join(("plugin", plugin, *path))] = origin


def load_settings(
    file: Path | None, environ: Mapping[str, str] = os.environ, flags: Iterable[Assignment] = ()
) -> Settings:
    """Read all sources; `file` None means csmsd.toml in the working directory, if there is one.

    ConfigError names the source, the key and what was expected; for an unknown key the nearest known one. Tables of
    plugins are merged here and checked by `check_plugins`.
    """
    draft = _Draft(environ)
    assignments = list(flags)
    if file is not None or DEFAULT_FILE.exists():
        _read_file(draft, file or DEFAULT_FILE)
    _read_environment(draft)
    _read_flags(draft, assignments)
    plugins = draft.kernel.get("plugins", Config().plugins)
    _read_plugin_environment(draft, plugins)
    _read_plugin_flags(draft, assignments, plugins)
    return Settings(_build(draft), draft.origins, frozenset(draft.masked))


def check_plugins(settings: Settings) -> tuple[Loaded, ...]:
    """Load the plugins, decode their tables and look at `absorb`, as a start does.

    Errors: ConfigError (with the source), PluginError.
    """
    config = settings.config
    _check_absorbed(settings)
    loaded = load_plugins(config.plugins)
    for name in config.plugin:
        with _naming_sources(settings, name):
            check_tables([name], [entry.name for entry in installed_plugins()] + [one.name for one in loaded])
    for one in loaded:
        table = config.plugin.get(one.name, {})
        with _naming_sources(settings, one.name):
            decode_config(one.type, table)
            decode_limits(one.type, table)
    return loaded


def _check_absorbed(settings: Settings) -> None:
    try:
        check_absorb(settings.config.absorb)
    except ConfigError as error:
        raise ConfigError(f"{settings.origins['absorb']}: {error}") from None


class _naming_sources:  # noqa: N801 - reads as a function
    """Say in a ConfigError about a plugin's table where the table comes from."""

    def __init__(self, settings: Settings, plugin: str) -> None:
        start = f"plugin.{plugin}."
        self._sources = sorted({origin for name, origin in settings.origins.items() if name.startswith(start)})

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ConfigError) and self._sources:
            raise ConfigError(f"{', '.join(self._sources)}: {error}") from None


# -- the file -----------------------------------------------------------------------------------------------------


def _read_file(draft: _Draft, path: Path) -> None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    tables = content.pop("plugin", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: plugin must be a table of tables, like [plugin.core]")
    _read_table(draft, (), content, str(path))
    for name, table in cast("dict[str, Any]", tables).items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: plugin.{name} must be a table: [plugin.{name}]")
        _read_plugin_table(draft, name, (), cast("dict[str, Any]", table), str(path))


def _read_table(draft: _Draft, prefix: tuple[str, ...], table: Mapping[str, Any], origin: str) -> None:
    for name, value in table.items():
        path = (*prefix, name)
        key = KERNEL_KEYS.get(".".join(path))
        if key is not None and is_reference(value):
            draft.put(key, from_text(key, _resolve(draft, key, value["env"], origin), origin), origin)
            draft.masked.add(key.name)
        elif key is not None:
            draft.put(key, from_toml(key, value, origin), origin)
        elif isinstance(value, dict) and any(known.path[: len(path)] == path for known in KERNEL_KEYS.values()):
            _read_table(draft, path, cast("dict[str, Any]", value), origin)
        else:
            raise _unknown(".".join(path), [*KERNEL_KEYS, "listen", "access", "limits", "store", "plugin"], origin)


def _resolve(draft: _Draft, key: Key, variable: Any, origin: str) -> str:
    if str(variable) not in draft.environ:
        raise ConfigError(f"{origin}: {key.name}: the environment variable {variable} is not set")
    return draft.environ[str(variable)]


def _read_plugin_table(
    draft: _Draft, plugin: str, prefix: tuple[str, ...], table: Mapping[str, Any], origin: str
) -> None:
    draft.plugin.setdefault(plugin, {})
    for name, value in table.items():
        path = (*prefix, name)
        if isinstance(value, dict) and value and not is_reference(cast("dict[str, Any]", value)):
            _read_plugin_table(draft, plugin, path, cast("dict[str, Any]", value), origin)
        else:
            draft.put_plugin(plugin, path, value, origin)


# -- environment and command line ------------------------------------------------------------------------------------


def _read_environment(draft: _Draft) -> None:
    for variable in sorted(draft.environ):
        if variable in NOT_SETTINGS or not variable.startswith(PREFIX) or variable.startswith(_PLUGIN_VARIABLE):
            continue
        key = _BY_VARIABLE.get(variable)
        if key is not None:
            draft.put(key, from_text(key, draft.environ[variable], variable), variable)
        elif not _OF_KUBERNETES.fullmatch(f"{variable}={draft.environ[variable]}"):
            raise _unknown(variable, [*_BY_VARIABLE, *NOT_SETTINGS], "environment")


def _read_flags(draft: _Draft, flags: Iterable[Assignment]) -> None:
    for name, text, origin in flags:
        if name.startswith("plugin."):
            continue
        key = KERNEL_KEYS.get(name)
        if key is None:
            raise _unknown(name, KERNEL_KEYS, origin)
        draft.put(key, from_text(key, text, origin), origin)


def _read_plugin_environment(draft: _Draft, enabled: Iterable[str]) -> None:
    names = _plugin_names(draft, enabled)
    for variable in sorted(draft.environ):
        if not variable.startswith(_PLUGIN_VARIABLE):
            continue
        rest = variable.removeprefix(_PLUGIN_VARIABLE).lower()
        plugin = max((name for name in names if rest.startswith(f"{name}_")), key=len, default=None)
        if plugin is None:
            raise _unknown(rest, names, f"{variable}: no installed plugin is meant", "plugin")
        wanted = rest.removeprefix(f"{plugin}_")
        keys = {"_".join(key.path[2:]): key for key in _plugin_keys(plugin, enabled)}
        _put_text(draft, plugin, keys, wanted, draft.environ[variable], variable)


def _read_plugin_flags(draft: _Draft, flags: Iterable[Assignment], enabled: Iterable[str]) -> None:
    for name, text, origin in flags:
        if not name.startswith("plugin."):
            continue
        plugin, _, wanted = name.removeprefix("plugin.").partition(".")
        names = _plugin_names(draft, enabled)
        if plugin not in names:
            raise _unknown(plugin, names, origin, "plugin")
        keys = {".".join(key.path[2:]): key for key in _plugin_keys(plugin, enabled)}
        _put_text(draft, plugin, keys, wanted, text, origin)


def _put_text(draft: _Draft, plugin: str, keys: Mapping[str, Key], wanted: str, text: str, origin: str) -> None:
    if not keys:  # it is not enabled, or cannot be imported, which is somebody else's message
        draft.put_plugin(plugin, tuple(wanted.split(".")), text, origin)
        return
    key = keys.get(wanted)
    if key is None:
        raise _unknown(wanted, keys, origin)
    from_text(key, text, origin)  # the plugin decodes it later; here the message can name the source
    draft.put_plugin(plugin, key.path[2:], raw_of(key, text), origin)


def _plugin_names(draft: _Draft, enabled: Iterable[str]) -> set[str]:
    return {entry.name for entry in installed_plugins()} | set(draft.plugin) | set(enabled)


def plugin_keys(plugin: str) -> list[Key]:
    """The keys of a plugin's table; none if the plugin cannot be loaded."""
    try:
        loaded = load_plugin(plugin)
    except PluginError:
        return []
    place = ("plugin", plugin)
    return [*keys_of(loaded.type.config_type, place), *keys_of(PluginLimits, (*place, LIMITS))]


def _plugin_keys(plugin: str, enabled: Iterable[str]) -> list[Key]:
    return plugin_keys(plugin) if plugin in enabled else []  # only those that are named are imported


# -- the result -------------------------------------------------------------------------------------------------------


def _build(draft: _Draft) -> Config:
    config = Config(plugin=draft.plugin)
    sections: dict[str, dict[str, Any]] = {}
    own: dict[str, Any] = {}
    for name, value in draft.kernel.items():
        section, dot, key = name.partition(".")
        if dot:
            sections.setdefault(section, {})[key] = value
        else:
            own[name] = value
    for section, values in sections.items():
        own[section] = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **own)


def _unknown(name: str, known: Iterable[str], origin: str, kind: str = "key") -> ConfigError:
    names = list(known)
    near = get_close_matches(name, names, n=1) or [each for each in names if each.endswith(f".{name}")][:1]
    advice = f"did you mean {near[0]}?" if near else "`csmsd config init -` shows all keys"
    return ConfigError(f"{origin}: unknown {kind} {name}; {advice}")
