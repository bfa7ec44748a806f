"""`open_csms`: a complete csmsd inside a trio program."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from csmsd._kernel.house import Mode, open_house
from csmsd.config import Config
from csmsd.env import Env
from csmsd.errors import only_one_in
from csmsd.host import Host
from csmsd.plugin import Plugin


@asynccontextmanager
async def open_csms(
    config: Config | None = None,
    *,
    plugins: Sequence[str | type[Plugin[Any]]] | None = None,
    env: Env | None = None,
) -> AsyncGenerator[Host, None]:
    """Run csmsd until the block ends; stations may connect as soon as it begins.

    `plugins` replaces `config.plugins`: names of installed plugins, or classes of your own. Logging is the caller's
    business, and nothing is global: several csmsds may run in one process.
    Errors: ConfigError, PluginError, StoreError, all before the block begins. What the block raises leaves it as it is;
    an exception group only says that several things went wrong at once.
    Cancellation: stations are sent away with 1001 within `limits.drain_timeout`; what was answered stays stored.
    """
    config = config or Config()
    if plugins is not None:
        config = msgspec.structs.replace(config, plugins=tuple(plugins))
    try:
        async with open_house(config, env or Env(), Mode()) as house:
            yield house
    except BaseExceptionGroup as group:  # csmsd's nurseries are nobody else's business
        raise only_one_in(group) from None
