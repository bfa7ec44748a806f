"""The Core profile's migrations make the tables that its code declares."""

from __future__ import annotations

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, check_lineage, upgrade
from csmsd.plugin import Migrations
from csmsd_core import transaction_tables

CORE = Migrations("csmsd_core", transaction_tables.metadata)


def test_migrations_and_declared_tables_agree(database_url: str) -> None:
    engine = writing_engine(parse_url(database_url), is_durable=False)
    upgrade(engine, {**KERNEL, "core": CORE})
    assert check_lineage(engine, "core", CORE) == []
    engine.dispose()
