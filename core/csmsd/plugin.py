"""Plugin: the base class of every plugin, built-in or not.

What is constant is declared on the class, which is the manifest: `csmsd plugins` reads it without an instance. What
happens is a method marked with `@hookimpl`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

import click
import msgspec
import sqlalchemy as sa
import trio

from csmsd.action import AnyAction
from csmsd.command import AnyCommand
from csmsd.config import Config
from csmsd.host import Host
from csmsd.store import Fact

API_VERSION = 1


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of a plugin that has none."""


ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Migrations:
    """A plugin's own Alembic lineage: `<package>/migrations/versions`, version table `schema_version_<plugin>`."""

    package: str  # the import name, for instance "csmsd_core"
    metadata: sa.MetaData  # all tables start with `<plugin>_`


class Plugin(Generic[ConfigT]):
    """Base of all plugins. One instance belongs to one csmsd and keeps its state on `self`."""

    name: ClassVar[str]
    api: ClassVar[int] = API_VERSION
    requires: ClassVar[tuple[str, ...]] = ()
    critical: ClassVar[bool] = False  # never quarantined; its decisions fail closed
    config_type: ClassVar[type[msgspec.Struct]] = NoConfig
    specs: ClassVar[tuple[ModuleType, ...]] = ()  # modules with the hooks this plugin offers others
    actions: ClassVar[tuple[AnyAction, ...]] = ()
    commands: ClassVar[tuple[AnyCommand, ...]] = ()
    facts: ClassVar[tuple[Fact[Any], ...]] = ()
    migrations: ClassVar[Migrations | None] = None
    cli: ClassVar[tuple[click.Command, ...]] = ()

    def __init__(self, config: ConfigT, host: Host) -> None:
        self.config = config
        self.host = host
        self.log = logging.getLogger(f"csmsd.plugin.{self.name}")

    @classmethod
    def remarks(cls, own: ConfigT, config: Config) -> Iterable[str]:
        """What the operator should know about these settings, one sentence each with what to do; nothing is refused.

        `csmsd check` prints them, before anything is started. Read files and nothing else; ConfigError: no start
        will succeed.
        """
        del own, config
        return ()

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Load what is needed, call `task_status.started()`, then work until cancelled (or return at once).

        Stations are let in after every plugin has started. A crash before `started()` stops csmsd's start with a clear
        error; a later crash restarts `serve` alone, with doubling pauses.
        """
        task_status.started()
