"""Local lists as other plugins and the management API see them, and those that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio

from csmsd.errors import UnknownCommand
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import TestCsms, open_test_csms
from csmsd_core import (
    IdTagInfo,
    StatusNotification,
    StatusNotificationResponse,
)
from csmsd_localauth import (
    AuthorizationData,
    LocalAuthPlugin,
)
from tests.plugins.localauth.charger import Charger, charger_in, expected, put
from tests.plugins.localauth.operator import PLUGINS, C, raw, shapes, sync
from tests.plugins.profile import ask, boot, booted, virtual_env

# -- other plugins, and lists that follow by themselves ------------------------------------------------------------


class Roaming(Plugin[NoConfig]):
    """Adds entries."""

    name = "roaming"
    requires = ("localauth",)

    @hookimpl
    async def local_list_entries(self, station: Any) -> Sequence[AuthorizationData] | None:
        if station.id != "CP-1":
            return None
        return [
            AuthorizationData("R", IdTagInfo("ConcurrentTx")),
            AuthorizationData("a", IdTagInfo("Blocked")),
            AuthorizationData("S"),
        ]


@pytest.mark.req("LAL-10")
async def test_plugins_add_entries_and_concurrent_tx_is_never_among_them() -> None:
    async with open_test_csms(plugins=("core", LocalAuthPlugin, Roaming), env=virtual_env()) as csms:
        charger = await charger_in(csms)
        await put(csms, "A", "B")
        await sync(csms)
        assert {id_tag: info.status for id_tag, info in charger.entries.values()} == {
            "a": "Blocked", "B": "Accepted", "R": "Accepted",
        }  # fmt: skip


@pytest.mark.req("BOOT-26", "LAL-08", "LAL-11")
async def test_a_list_follows_by_itself_only_where_it_should() -> None:
    settings = {"localauth": {"sync_automatically": ["CP-1"], "sync_interval": 60}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        await put(csms, "A")
        follows, other = await charger_in(csms), await charger_in(csms, "CP-2")
        await trio.sleep(61)
        assert follows.tags() == ["A"]
        await put(csms, "B")
        await trio.sleep(61)
        assert shapes(follows)[-1] == ("Differential", 2, "B")
        asked = len(follows.asked)
        await trio.sleep(600)
        assert len(follows.asked) == asked, "a list that is in line is not asked about"

        follows.restart_empty()
        await boot(follows.wire)
        await trio.sleep(5)
        assert follows.entries == expected(csms)

        follows.refusals = ["Failed"]
        await raw(csms, 90, "Differential", C)
        await trio.sleep(5)
        assert shapes(follows)[-1] == ("Full", 91, "AB")

        request = StatusNotification(0, "LocalListConflict", "Available")
        await follows.wire.send("StatusNotification", request, StatusNotificationResponse)
        await trio.sleep(5)
        assert shapes(follows)[-1] == ("Full", 92, "AB")
        assert other.asked == []


@pytest.mark.req("BOOT-26")
async def test_the_boot_of_one_station_makes_nobody_look_at_the_others() -> None:
    settings = {"localauth": {"sync_automatically": ["*"], "sync_interval": 60}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        first, second = await charger_in(csms), await charger_in(csms, "CP-2")
        await trio.sleep(10)
        await put(csms, "A")
        await boot(first.wire)
        await trio.sleep(20)
        assert (first.tags(), second.tags()) == (["A"], [])
        await trio.sleep(60)
        assert second.tags() == ["A"]


@pytest.mark.req("BOOT-26")
async def test_without_being_told_so_no_list_follows(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A")
    await boot(charger.wire)
    await trio.sleep(3600)
    assert charger.asked == []


@pytest.mark.req("LAL-08")
async def test_a_list_that_should_follow_and_cannot_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    settings = {"localauth": {"sync_automatically": ["*"], "sync_interval": 60}}
    async with open_test_csms(plugins=PLUGINS, env=virtual_env(), plugin=settings) as csms:
        await put(csms, "A")
        dumb, charger = await booted(csms, "CP-2", call_timeout=5.0), await charger_in(csms)
        pending = await csms.connect("CP-3", registration="Pending")
        await boot(pending)
        await trio.sleep(200)
        assert charger.tags() == ["A"]
        assert "the local list of CP-2 could not be synchronised" in caplog.text
        assert pending.calls == []
        assert dumb.calls != []


# -- the API, and without the plugin -------------------------------------------------------------------------------


@pytest.mark.req("LAL-08", "LAL-11", "OPS-02")
async def test_the_routes_show_synchronise_and_send(csms: TestCsms, charger: Charger) -> None:
    await put(csms, "A", "B")
    answer = await ask(csms, "POST", "/stations/CP-1/local-list/sync")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["outcome"], answer.json()["messages"]) == ("updated", ["Full 1: Accepted"])
    body = {"update_type": "Differential", "id_tags": ["X"], "removed": ["A"]}
    answer = await ask(csms, "POST", "/stations/CP-1/local-list/send", body)
    assert answer.json()["messages"] == ["Differential 2: Accepted"]
    shown = (await ask(csms, "GET", "/stations/CP-1/local-list")).json()
    assert [each["idTag"] for each in shown["entries"]] == ["B", "X"]
    assert (shown["state"]["version"], shown["is_certain"], shown["state"]["concern"]) == (2, True, "")
    answer = await ask(csms, "POST", "/stations/CP-1/local-list/sync", {"full": True, "max_entries_per_message": 1})
    assert answer.json()["messages"] == ["Full 3: Accepted", "Differential 4: Accepted"]
    assert charger.entries == expected(csms)


async def test_the_routes_say_what_cannot_be(csms: TestCsms, charger: Charger) -> None:
    body = {"update_type": "Full", "removed": ["A"]}
    assert (await ask(csms, "POST", "/stations/CP-1/local-list/send", body)).status_code == 422
    assert (await ask(csms, "GET", "/stations/CP-9/local-list")).status_code == 404
    charger.list_length = None
    assert (await ask(csms, "POST", "/stations/CP-1/local-list/sync")).status_code == 409


async def test_without_the_plugin_there_are_no_such_commands() -> None:
    async with open_test_csms(plugins=("core",)) as csms:
        await booted(csms)
        for action in ("GetLocalListVersion", "SendLocalList"):
            with pytest.raises(UnknownCommand):
                await csms.host.commands.submit("CP-1", action, b"{}", actor="test")
