#!/usr/bin/env python3
"""Print docs/events.md: the types of events of csmsd and its built-in plugins."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any

from csmsd import Fact, Plugin
from csmsd.facts import KERNEL_FACTS
from csmsd_events.catalog import event_types, page


def known_facts() -> dict[str, tuple[str, Fact[Any]]]:
    """Facts of the plugins that csmsd itself brings, by name."""
    known = {fact.name: ("kernel", fact) for fact in KERNEL_FACTS}
    for entry in entry_points(group="csmsd.plugins"):
        if entry.dist is not None and entry.dist.name == "csmsd":
            plugin: type[Plugin[Any]] = entry.load()
            known |= {fact.name: (plugin.name, fact) for fact in plugin.facts}
    return known


if __name__ == "__main__":
    sys.stdout.write(page(event_types(known_facts())))
