"""The commented template of csmsd.toml, and settings as TOML with their origins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from csmsd.cli.keys import KERNEL_KEYS, Key, section_help
from csmsd.cli.settings import Settings, plugin_keys
from csmsd.cli.values import is_reference, shown, toml

_HEADER = """\
# Settings of csmsd. Lines like #key = value show defaults: take the # away to change one.
#
# The same keys work as environment variables (CSMSD_LIMITS_CALL_TIMEOUT=30) and as flags of `csmsd run`
# (--limits-call-timeout 30): flags win over variables, variables over this file. Secrets can stay in the environment:
# key = { env = "NAME" }. `csmsd config show` tells what is in force and why, `csmsd check` whether it can be used.
"""


def template(plugins: Sequence[str]) -> str:
    """All keys with their help and defaults, those of the named plugins too."""
    sections = [_HEADER, *(_section(title, keys) for title, keys in _kernel_sections())]
    for plugin in plugins:
        for title, keys in _tables(plugin_keys(plugin)):
            sections.append(_section(title, keys))
    return "\n".join(sections)


def in_force(settings: Settings) -> Iterator[tuple[str, Any, str]]:
    """Every key with its value and where that comes from, secrets masked: (name, value as TOML, origin)."""
    for key in KERNEL_KEYS.values():
        value: Any = settings.config
        for step in key.path:
            value = getattr(value, step)
        text = '"***"' if key.name in settings.masked else shown(key.path, value)
        yield key.name, text, settings.origins.get(key.name, "default")
    for plugin, table in settings.config.plugin.items():
        for path, value in _leaves(("plugin", plugin), table):
            yield ".".join(path), shown(path, value), settings.origins.get(".".join(path), "default")


def as_toml(settings: Settings) -> str:
    """What is in force, as a file that could be read again but for its secrets."""
    lines: list[str] = []
    section = ""
    for name, value, origin in in_force(settings):
        table, _, key = name.rpartition(".")
        if table != section:
            lines += ["", f"[{table}]"]
            section = table
        note = "" if origin == "default" else f"  # {origin}"
        lines.append(f"{key} = {value}{note}")
    return "\n".join(lines)


def _section(title: str, keys: Sequence[Key]) -> str:
    """One table, commented out."""
    lines = [title] if title else []
    for key in keys:
        if key.help:
            lines.append(f"# {key.help}")
        default = "…" if key.default is msgspec.NODEFAULT or key.default is None else toml(key.default)
        lines.append(f"#{key.path[-1]} = {default}")
    return "\n".join(lines) + "\n"


def _kernel_sections() -> Iterator[tuple[str, list[Key]]]:
    keys = list(KERNEL_KEYS.values())
    yield "", [key for key in keys if len(key.path) == 1]
    for name in dict.fromkeys(key.path[0] for key in keys if len(key.path) > 1):
        yield f"[{name}]  # {section_help(name)}", [key for key in keys if key.path[0] == name]


def _tables(keys: Sequence[Key]) -> Iterator[tuple[str, list[Key]]]:
    tables: dict[tuple[str, ...], list[Key]] = {}
    for key in keys:
        tables.setdefault(key.path[:-1], []).append(key)
    for path, members in tables.items():
        yield f"[{'.'.join(path)}]", members


def _leaves(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and value and not is_reference(cast("dict[str, Any]", value)):
            yield from _leaves((*path, name), cast("dict[str, Any]", value))
        else:
            yield (*path, name), value
