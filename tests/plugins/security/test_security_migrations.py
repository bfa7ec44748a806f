"""The security profile's migrations make the tables that its code declares."""

from __future__ import annotations

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, check_lineage, upgrade
from csmsd_security import SecurityPlugin


def test_the_security_tables_are_as_declared(database_url: str) -> None:
    engine = writing_engine(parse_url(database_url), is_durable=False)
    migrations = SecurityPlugin.migrations
    assert migrations is not None
    upgrade(engine, {**KERNEL, "security": migrations})
    assert check_lineage(engine, "security", migrations) == []
    engine.dispose()
