"""Local Auth List Management's migrations make the tables that its code declares."""

from __future__ import annotations

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, check_lineage, upgrade
from csmsd_localauth import LocalAuthPlugin


def test_migrations_and_declared_tables_agree(database_url: str) -> None:
    engine = writing_engine(parse_url(database_url), is_durable=False)
    migrations = LocalAuthPlugin.migrations
    assert migrations is not None
    upgrade(engine, {**KERNEL, "localauth": migrations})
    assert check_lineage(engine, "localauth", migrations) == []
    engine.dispose()
