"""The web plugin's migrations make the table that its code declares, on both databases."""

from __future__ import annotations

from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, check_lineage, upgrade
from csmsd.config import Access, Config, Listen, StoreConfig
from csmsd.testing import open_test_csms
from csmsd_web import WebPlugin
from tests.plugins.web.management import Api


def test_migrations_and_declared_tables_agree(database_url: str) -> None:
    engine = writing_engine(parse_url(database_url), is_durable=False)
    migrations = WebPlugin.migrations
    assert migrations is not None
    upgrade(engine, {**KERNEL, "web": migrations})
    assert check_lineage(engine, "web", migrations) == []
    engine.dispose()


async def test_tokens_last_and_hostile_texts_hurt_no_database(empty_database_url: str) -> None:
    config = Config(
        listen=Listen(ocpp="", http=""),
        access=Access(authentication="optional"),
        store=StoreConfig(url=empty_database_url),
    )
    async with open_test_csms(plugins=("core", WebPlugin), config=config) as csms:
        api = await Api.administered(csms)
        text = await api.mint("read")
        revoked = await api.mint("operate")
        assert (await api.get("/stations", token=revoked)).status_code == 200
        assert (await api.delete(f"/tokens/{revoked.split('_')[1]}")).status_code == 204
        await api.web.tokens.load()
        assert (await api.get("/stations", token=text)).status_code == 200
        assert (await api.get("/stations", token=revoked)).status_code == 401
        for path, body in (("/stations/A", {"note": "a\u0000b"}), ("/tags/A", {"note": "\u0000"}), ("/tags/Ä", {})):
            assert (await api.put(path, body)).status_code in (200, 422), path
        for query in ("/tags?prefix=%25_%27", "/transactions?id_tag=%F0%9F%94%8C", "/commands?station_id=%C3%A4"):
            assert (await api.get(query)).status_code == 200, query
        assert (await api.get("/readyz")).status_code == 200
