"""The code of plugins imported anew while csmsd runs: what an upgraded package has now, or what there was before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

from csmsd._kernel.loader import Loaded
from csmsd.errors import PluginError


class Reimport:
    """Plugins from fresh modules; `undo` puts the old modules back, as if nothing had been imported.

    Modules of others that have imported from these packages keep what they have.
    """

    def __init__(self, plugins: Sequence[Loaded], load: Callable[[str], Loaded]) -> None:
        self._packages = frozenset(plugin.package for plugin in plugins)
        for plugin in plugins:
            if not plugin.package:
                raise PluginError(f"{plugin.name} is a class of the program that runs csmsd: it cannot be read anew")
        self._old = {name: sys.modules[name] for name in self._names()}
        _check_that_nothing_is_compiled(self._old.values())
        self._forget()
        try:
            self.plugins = tuple(load(plugin.name) for plugin in plugins)
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """The old modules are those that count again."""
        self._forget()
        sys.modules.update(self._old)

    def _names(self) -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in self._packages]

    def _forget(self) -> None:
        for name in self._names():
            del sys.modules[name]
        importlib.invalidate_caches()


def _check_that_nothing_is_compiled(modules: Iterable[ModuleType]) -> None:
    for module in modules:
        file = getattr(module, "__file__", None) or ""
        if file.endswith(tuple(EXTENSION_SUFFIXES)):
            raise PluginError(f"{module.__name__} is compiled and stays as it is in this process: restart csmsd")
