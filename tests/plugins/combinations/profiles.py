"""All ways to switch profile plugins on and off, and what each of them brings along."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from csmsd._kernel.loader import load_plugin
from csmsd.plugin import Plugin

Names = tuple[str, ...]

PROFILES: Names = ("firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
OTHERS: Names = ("certification", "events", "simulator", "web")
TYPES: dict[str, type[Plugin[Any]]] = {name: load_plugin(name).type for name in ("core", *PROFILES, *OTHERS)}

COMBINATIONS: tuple[Names, ...] = tuple(
    chosen for size in range(len(PROFILES) + 1) for chosen in combinations(PROFILES, size)
)
CORNERS: tuple[Names, ...] = tuple(  # none, only one, all but one, all
    chosen for chosen in COMBINATIONS if len(chosen) in (0, 1, len(PROFILES) - 1, len(PROFILES))
)

CALLS: dict[str, dict[str, str]] = {  # one proper CALL of each action
    "DiagnosticsStatusNotification": {"status": "Idle"},
    "FirmwareStatusNotification": {"status": "Idle"},
    "LogStatusNotification": {"status": "Idle"},
    "SecurityEventNotification": {"type": "FirmwareUpdated", "timestamp": "2026-01-01T12:00:00Z"},
    "SignCertificate": {"csr": "no certificate request"},
    "SignedFirmwareStatusNotification": {"status": "Idle"},
}


def off(chosen: Names) -> Names:
    """The profiles that are not chosen."""
    return tuple(name for name in PROFILES if name not in chosen)


def actions_of(names: Iterable[str]) -> set[str]:
    return {action.name for name in names for action in TYPES[name].actions}


def commands_of(names: Iterable[str]) -> set[str]:
    return {command.name for name in names for command in TYPES[name].commands}


def verbs_of(names: Iterable[str]) -> set[str]:
    return {command.name or "" for name in names for command in TYPES[name].cli}


def tables_of(names: Iterable[str]) -> set[str]:
    declared = (TYPES[name].migrations for name in names)
    return {table for each in declared if each is not None for table in each.metadata.tables}


def spelled(chosen: Names) -> str:
    """For the ids of tests."""
    return "+".join(chosen) or "none"
