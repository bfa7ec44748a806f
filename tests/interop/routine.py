"""What chargers do every day, and what their operator has provided for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from csmsd_core import CorePlugin
from csmsd_core.tags import Tag
from tests.interop.charger import Charger
from tests.interop.conftest import Csmsd


def now(minutes: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")


def register(wh: int, context: str) -> dict[str, str]:
    return {"value": str(wh), "context": context, "measurand": "Energy.Active.Import.Register", "unit": "Wh"}


def core_of(csmsd: Csmsd) -> CorePlugin:
    core = csmsd.host.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return core


async def provision(csmsd: Csmsd) -> None:
    tags = core_of(csmsd).tags
    for tag in (
        Tag("Alice-1"),
        Tag("EXPIRED", expires_at=datetime(2020, 1, 1, tzinfo=UTC)),
        Tag("BLOCKED", status="Blocked"),
        Tag("CAR-1", parent_id_tag="FLEET"),
    ):
        await tags.put(tag, actor="operator")


async def status(charger: Charger, connector: int, state: str, **more: Any) -> None:
    answer = await charger.call(
        "StatusNotification", **{"connectorId": connector, "errorCode": "NoError", "status": state, **more}
    )
    assert answer == {}


async def boot(charger: Charger) -> None:
    answer = await charger.call(
        "BootNotification", chargePointVendor="ACME", chargePointModel="Wallbox 9", firmwareVersion="1.2.3"
    )
    assert answer["status"] == "Accepted"
    assert answer["interval"] > 0
    assert abs(datetime.fromisoformat(answer["currentTime"]) - datetime.now(UTC)) < timedelta(seconds=30)
    for connector in (0, 1, 2):
        await status(charger, connector, "Available")


async def start(charger: Charger, connector: int = 1, **more: Any) -> int:
    """Start a transaction that csmsd accepts; its id."""
    request = {"connectorId": connector, "idTag": "Alice-1", "meterStart": 0, "timestamp": now(), **more}
    answer = await charger.call("StartTransaction", **request)
    assert answer["idTagInfo"] == {"status": "Accepted"}
    transaction: int = answer["transactionId"]
    assert transaction > 0
    return transaction


async def ask(csmsd: Csmsd, charger: Charger, action: str, request: dict[str, Any], **answer: Any) -> None:
    """Send a command, see it arrive as it was asked, and the answer as it was given."""
    await charger.will_answer(action, **answer)
    command = await csmsd.command(action, json.dumps(request).encode())
    assert await charger.command(action) == request
    assert json.loads(await csmsd.result(command)) == answer
