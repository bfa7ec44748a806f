"""What plugins add, asked for with the plugin's name: whose it is must be told when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from csmsd.host import Host
from csmsd_ui import hookspecs
from csmsd_ui.extension import Column, FormHint, NavItem, Panel
from csmsd_ui.rendering import Pages

T = TypeVar("T")


class Extras:
    """The hooks of the pages, with every answer tied to its plugin."""

    def __init__(self, host: Host, pages: Pages) -> None:
        self._host, self._pages = host, pages

    def nav(self) -> list[tuple[str, NavItem]]:
        """Entries of the menu."""
        return self._ask(hookspecs.ui_nav)

    def panels(self, place: str) -> list[tuple[str, Panel]]:
        """The panels of one place."""
        return [pair for pair in self._ask(hookspecs.ui_panels, self._pages) if pair[1].place == place]

    def columns(self, table: str) -> list[tuple[str, Column]]:
        """The columns of one list."""
        return [pair for pair in self._ask(hookspecs.ui_columns) if pair[1].table == table]

    def hints(self, command: str) -> list[FormHint]:
        """What is known of a command's form."""
        return [hint for _, hint in self._ask(hookspecs.ui_form_hints) if hint.command == command]

    def routes(self) -> Sequence[Any]:
        """Pages of plugins."""
        return [each for answer in self._host.hooks.call_plain(hookspecs.ui_pages, self._pages) for each in answer]

    def templates(self) -> list[tuple[str, str]]:
        """Plugins that bring templates, and their packages."""
        packages = self._host.hooks.call_plain(hookspecs.ui_templates)
        return [(package.removeprefix("csmsd_"), package) for package in packages]

    def _ask(self, spec: Callable[..., Iterable[T]], *args: Any) -> list[tuple[str, T]]:
        """Every item of every answer with the plugin that is named by the function it came from."""
        answers = self._host.hooks.call_plain(spec, *args)
        return [(_owner(item), item) for answer in answers for item in answer]


def _owner(item: object) -> str:
    """The plugin of an item: the package of its function, without `csmsd_`."""
    for name in ("render", "cells"):
        function = getattr(item, name, None)
        module = getattr(function, "__module__", "")
        if module:
            return module.partition(".")[0].removeprefix("csmsd_")
    return ""
