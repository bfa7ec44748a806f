"""What holds of any csmsd, whichever profiles are on: checked against a running one with a connected station."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar

from csmsd.errors import InvalidPayload, UnknownCommand
from csmsd.testing import CallErrorReceived, TestCsms, TestStation
from csmsd_web import WebPlugin
from tests.plugins.combinations.profiles import CALLS, TYPES, Names, actions_of, commands_of, off, tables_of
from tests.plugins.profile import ask

Paths = dict[str, set[str]]


async def check_calls(station: TestStation, chosen: Names) -> None:
    """Of a station: answered if on, NotSupported if off, NotImplemented if there is no such thing (RPC-34)."""
    offered = actions_of(chosen)
    for action, payload in CALLS.items():
        if action in offered:
            assert isinstance(json.loads(await station.send_raw(action, json.dumps(payload).encode())), dict)
            continue
        with pytest.raises(CallErrorReceived, match=f"{action} is not offered here") as told:
            await station.send_raw(action, json.dumps(payload).encode())
        assert told.value.code == "NotSupported"
    with pytest.raises(CallErrorReceived) as told:
        await station.send_raw("FirmwareStatusNotice", b"{}")
    assert told.value.code == "NotImplemented"
    assert json.loads(await station.send_raw("Heartbeat", b"{}")).keys() == {"currentTime"}


async def check_commands(csms: TestCsms, chosen: Names) -> None:
    """Those of enabled plugins are offered; any other is refused with the plugin to enable, and by the API, too."""
    assert csms.host.commands.known.keys() == commands_of(("core", *chosen))
    for plugin in off(chosen):
        for command in sorted(commands_of([plugin])):
            sentence = f"no enabled plugin offers a command {command}: enable the plugin {plugin}"
            with pytest.raises(UnknownCommand) as refused:
                await csms.host.commands.submit("CP-1", command, b"{}", actor="test")
            assert str(refused.value) == sentence
    for command in commands_of(chosen) - {"GetLocalListVersion", "ClearChargingProfile", "GetInstalledCertificateIds"}:
        with pytest.raises(InvalidPayload, match=command):  # the schema's own complaint: somebody knows it
            await csms.host.commands.submit("CP-1", command, b'{"nonsense": 1}', actor="test")


def paths_of(csms: TestCsms) -> set[str]:
    """Every path that is answered over HTTP, as it is declared."""
    web = csms.host.plugins.get("web")
    assert isinstance(web, WebPlugin)
    app = web.app.current()
    assert isinstance(app, Litestar)
    return {route.path for route in app.routes}


async def check_routes(csms: TestCsms, chosen: Names, paths: Paths) -> None:
    """The API answers exactly what belongs to plugins that are on."""
    assert paths_of(csms) == paths["core"].union(*(paths[name] for name in chosen))
    for plugin in off(chosen):
        for path in paths[plugin]:
            where = re.sub(r"\{(\w+):\w+\}", r"\1", path.removeprefix("/api/v1"))
            response = await ask(csms, "GET", where)
            assert response.status_code in {404, 405}, (path, response.text)
            assert response.status_code == 405 or "plugin that has it is not enabled" in response.json()["detail"]
    for path in (path for name in chosen for path in paths[name] if "{" not in path):
        response = await ask(csms, "GET", path.removeprefix("/api/v1"))
        assert response.status_code in {200, 400, 404, 405}, (path, response.text)
        assert "is not enabled" not in response.text, path


def tables_in(url: str) -> set[str]:
    """The names of all tables of a database."""
    engine = sa.create_engine(url)
    try:
        with closing(engine.connect()) as connection:
            return set(sa.inspect(connection).get_table_names())
    finally:
        engine.dispose()


def check_tables(url: str, chosen: Iterable[str]) -> None:
    """There are those of the plugins that are on, and none of those that never were."""
    everything = tables_of(TYPES)
    assert tables_in(url) & everything == tables_of(chosen)


def rows_of(url: str, table: str) -> list[Any]:
    """All rows of a table."""
    engine = sa.create_engine(url)
    try:
        with closing(engine.connect()) as connection:
            return list(connection.execute(sa.text(f"SELECT * FROM {table}")))
    finally:
        engine.dispose()
