"""Local Auth List Management with other people's chargers."""

from __future__ import annotations

import pytest

from csmsd_core.tags import Tag
from csmsd_localauth import LocalAuthPlugin
from csmsd_localauth.limits import Limits
from csmsd_localauth.sync import SyncResult
from tests.interop.charger import Charger
from tests.interop.conftest import IDENTITY, Csmsd
from tests.interop.oracle import choices
from tests.interop.routine import ask, boot, core_of, provision

VERSION = "SELECT version, is_doubtful FROM localauth_list"
ENTRIES = "SELECT id_tag, status, parent_id_tag FROM localauth_entry ORDER BY id_tag"
EXPIRY = "2030-05-06T07:08:09.000Z"


@pytest.mark.req("LAL-01", "LAL-03", "LAL-04", "LAL-08", "TC_042_1", "TC_043_1", "TC_043_4")
@pytest.mark.exercises(to_station="GetLocalListVersion SendLocalList")
async def test_lists_are_sent_by_hand(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    for version in (-1, 0):
        await ask(csmsd, charger, "GetLocalListVersion", {}, listVersion=version)
    statuses = choices("SendLocalList", "localAuthorizationList", "items", "idTagInfo", "status")
    entries = [
        {"idTag": status, "idTagInfo": {"status": status, "expiryDate": EXPIRY, "parentIdTag": "FLEET"}}
        for status in sorted(statuses)
    ]
    full = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": entries}
    await ask(csmsd, charger, "SendLocalList", full, status="Accepted")
    rows = [(status, status, "FLEET") for status in sorted(statuses)]
    await csmsd.shows(rows, ENTRIES)
    gone = {"listVersion": 2, "updateType": "Differential", "localAuthorizationList": [{"idTag": rows[0][0]}]}
    for refusal in set(choices("SendLocalListResponse", "status")) - {"Accepted", "NotSupported"}:
        await ask(csmsd, charger, "SendLocalList", gone, status=refusal)
        await csmsd.shows(rows, ENTRIES)
    await ask(csmsd, charger, "SendLocalList", gone, status="Accepted")
    await csmsd.shows(rows[1:], ENTRIES)
    await ask(csmsd, charger, "GetLocalListVersion", {}, listVersion=2)
    assert (await csmsd.query("SELECT version FROM localauth_list")) == [(2,)]
    await ask(csmsd, charger, "SendLocalList", {"listVersion": 3, "updateType": "Full"}, status="Accepted")
    await csmsd.shows([], ENTRIES)
    await ask(csmsd, charger, "SendLocalList", {"listVersion": 4, "updateType": "Full"}, status="NotSupported")
    await csmsd.shows([(0,)], "SELECT is_supported FROM localauth_list")


@pytest.mark.req("LAL-06", "LAL-07", "LAL-09")
async def test_a_list_is_synchronised_in_pieces(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    await boot(charger)

    async def sync() -> SyncResult:
        plugin = csmsd.host.plugins.get("localauth")
        assert isinstance(plugin, LocalAuthPlugin)
        return await plugin.synchroniser.sync(csmsd.host.stations.get(IDENTITY), limits=Limits(10, 3))

    async def next_piece() -> tuple[str, int, int]:
        command = await charger.command("SendLocalList")
        return command["updateType"], command["listVersion"], len(command["localAuthorizationList"])

    await charger.will_answer("GetLocalListVersion", listVersion=0)
    await charger.will_answer("SendLocalList", status="Accepted")
    assert (await sync()).messages == ("Full 1: Accepted", "Differential 2: Accepted")
    assert [await next_piece(), await next_piece()] == [("Full", 1, 3), ("Differential", 2, 1)]
    await csmsd.shows([(2, 0)], VERSION)
    await charger.will_answer("GetLocalListVersion", listVersion=2)
    await core_of(csmsd).tags.put(Tag("Bob-2"), actor="operator")
    assert (await sync()).messages == ("Differential 3: Accepted",)
    assert await next_piece() == ("Differential", 3, 1)
    await charger.will_answer("GetLocalListVersion", listVersion=77)  # somebody else was at it
    assert (await sync()).messages == ("Full 78: Accepted", "Differential 79: Accepted")
    tags = [row[0] for row in await csmsd.query(ENTRIES)]
    assert tags == ["Alice-1", "BLOCKED", "Bob-2", "CAR-1", "EXPIRED"]
