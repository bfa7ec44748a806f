"""What the tests of local lists do at the operator's side."""

from __future__ import annotations

from typing import Any

import trio

from csmsd.testing import TestCsms
from csmsd_core import (
    IdTagInfo,
)
from csmsd_localauth import (
    GET_LOCAL_LIST_VERSION,
    SEND_LOCAL_LIST,
    AuthorizationData,
    GetLocalListVersion,
    ListState,
    LocalAuthPlugin,
    SendLocalList,
    SyncResult,
)
from csmsd_web import WebPlugin
from tests.plugins.localauth.charger import Charger, plugin_of

GOOD = IdTagInfo("Accepted")
A, B, C = (AuthorizationData(name, GOOD) for name in "ABC")
PLUGINS = ("core", LocalAuthPlugin, WebPlugin)


async def sync(csms: TestCsms, **more: Any) -> SyncResult:
    return await plugin_of(csms).synchroniser.sync(csms.host.stations.get("CP-1"), **more)


async def send(csms: TestCsms, *id_tags: str, update_type: Any = "Differential", **more: Any) -> SyncResult:
    return await plugin_of(csms).synchroniser.send(csms.host.stations.get("CP-1"), update_type, id_tags, **more)


async def raw(csms: TestCsms, version: int, update_type: Any, *entries: AuthorizationData) -> str:
    request = SendLocalList(version, update_type, entries)
    return (await csms.host.stations.get("CP-1").call(SEND_LOCAL_LIST, request)).status


async def version(csms: TestCsms) -> int:
    answer = await csms.host.stations.get("CP-1").call(GET_LOCAL_LIST_VERSION, GetLocalListVersion())
    return answer.list_version


async def state(csms: TestCsms) -> ListState:
    await trio.sleep(2)
    return await plugin_of(csms).lists.settled("CP-1")


async def mirrored(csms: TestCsms) -> list[str]:
    return sorted(each.id_tag for each in (await plugin_of(csms).lists.entries_of("CP-1")).values())


def shapes(charger: Charger) -> list[tuple[str, int, str]]:
    """The messages: kind, version, id tags (small: deletions)."""
    return [
        (
            each.update_type,
            each.list_version,
            "".join(entry.id_tag if entry.id_tag_info else entry.id_tag.lower()
                    for entry in each.local_authorization_list),
        )
        for each in charger.sent
    ]  # fmt: skip
