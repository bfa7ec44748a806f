"""A plugin's own table of the configuration: `[plugin.<name>]`, and `[plugin.<name>.limits]`, which is the kernel's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast

import msgspec

from csmsd._kernel.loader import AnyPlugin
from csmsd.config import Seconds
from csmsd.errors import ConfigError

LIMITS = "limits"
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


class PluginLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Protections of csmsd against one plugin; what is not given is as in `[limits]`."""

    hook_timeout: Seconds | None = None


def check_tables(tables: Iterable[str], known: Iterable[str]) -> None:
    """No table is for a plugin that does not exist; ConfigError."""
    names = set(known)
    for table in tables:
        if table not in names:
            near = get_close_matches(table, names, n=1)
            advice = f"did you mean [plugin.{near[0]}]?" if near else "no plugin of that name is installed"
            raise ConfigError(f"[plugin.{table}]: {advice}")


def decode_config(
    plugin: type[AnyPlugin], table: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> msgspec.Struct:
    """The plugin's configuration with secrets filled in; ConfigError names the key, the reason and the nearest key."""
    own = {key: value for key, value in table.items() if key != LIMITS}
    return _decode(f"plugin.{plugin.name}", own, plugin.config_type, environ)


def decode_limits(plugin: type[AnyPlugin], table: Mapping[str, Any]) -> PluginLimits:
    """What `[plugin.<name>.limits]` says; ConfigError."""
    limits = _decode(f"plugin.{plugin.name}.{LIMITS}", table.get(LIMITS, {}), PluginLimits, {})
    return cast("PluginLimits", limits)


def _decode(section: str, table: Any, wanted: type[msgspec.Struct], environ: Mapping[str, str]) -> msgspec.Struct:
    filled = _fill_secrets(f"[{section}]", table, environ)
    try:
        return msgspec.convert(filled, wanted, strict=False)  # environment variables and flags are all text
    except msgspec.ValidationError as error:
        raise ConfigError(f"[{section}] {_complaint(str(error), wanted)}") from None


def _complaint(message: str, wanted: type[msgspec.Struct]) -> str:
    place = _PLACE.search(message)
    path, reason = (place["path"], message[: place.start()]) if place else ("", message)
    unknown = _UNKNOWN_KEY.match(reason)
    if unknown is None:
        return f"{path}: {reason}" if path else reason
    keys = _keys_at(wanted, path)
    near = get_close_matches(unknown["key"], keys, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(keys) or 'none'}"
    return f"{path + '.' if path else ''}{unknown['key']}: unknown key; {advice}"


def _keys_at(wanted: type[msgspec.Struct], path: str) -> list[str]:
    """The keys of the struct at a path; none if the path does not lead to one."""
    here: Any = wanted
    for step in path.split(".") if path else ():
        here = {field.encode_name: field.type for field in msgspec.structs.fields(here)}.get(step)
        if not (isinstance(here, type) and issubclass(here, msgspec.Struct)):
            return []
    return [field.encode_name for field in msgspec.structs.fields(here)]


def _fill_secrets(place: str, value: Any, environ: Mapping[str, str]) -> Any:
    """`{env = "NAME"}` is replaced by that environment variable, so that secrets need not be in files."""
    match value:
        case {"env": str(name)} if len(cast("dict[str, Any]", value)) == 1:
            if name not in environ:
                raise ConfigError(f"{place}: the environment variable {name} is not set")
            return environ[name]
        case dict():
            entries = cast("dict[str, Any]", value)
            return {key: _fill_secrets(f"{place} {key}", item, environ) for key, item in entries.items()}
        case list():
            return [_fill_secrets(place, item, environ) for item in cast("Sequence[Any]", value)]
        case _:
            return value
