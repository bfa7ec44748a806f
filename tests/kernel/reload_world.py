"""Packages with plugins that are written, installed and upgraded while a test runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

OPENING = """
from __future__ import annotations
import msgspec, trio
from csmsd import Plugin, hookimpl
from csmsd.station import Station
from csmsd_core import DataTransfer, DataTransferResponse
"""


class Shop:
    """Where wheels are installed from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, version: str, source: str) -> None:
        """Version `version` of the plugin `name`, in the package csmsd_<name>; replaces what was there."""
        package = self.folder / f"csmsd_{name}"
        shutil.rmtree(package, ignore_errors=True)
        package.mkdir()
        (package / "__init__.py").write_text(f"from csmsd_{name}.plugin import ThePlugin\n")
        (package / "plugin.py").write_text(OPENING + dedent(source))
        for old in self.folder.glob(f"csmsd_{name}-*.dist-info"):
            shutil.rmtree(old)
        info = self.folder / f"csmsd_{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: csmsd-{name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[csmsd.plugins]\n{name} = csmsd_{name}:ThePlugin\n")


def plugin_modules() -> dict[str, ModuleType]:
    """What has been imported of plugins."""
    return {name: module for name, module in sys.modules.items() if name.startswith("csmsd_")}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions may be written within one second
    before = plugin_modules()
    yield Shop(folder)
    for name in plugin_modules():  # other tests hold classes of the modules that were there before
        del sys.modules[name]
    sys.modules.update(before)
